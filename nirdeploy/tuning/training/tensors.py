"""tensors: the steps of a population on whole tensors, on any device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nirdeploy.tuning.training.cells import Cells, State

#: What the way back needs of one step, by name: how far the membrane was above its threshold ("over", float32), and
#: where gradients pass (bool).
_Note = dict[str, Tensor]


def forward(
    cells: Cells, entering: tuple[Tensor, float], biases: Tensor, state: State, keep: bool
) -> tuple[Tensor, State, list[_Note]]:
    """All steps.

    Args:
        entering: what arrives, (steps, B, size), and its unit.
        biases: float64 (steps, size), added to it.
        keep: whether the way back will be gone.

    Returns:
        what leaves (float32 (steps, B, size)), the state after, what :func:`backward` needs.
    """
    sums, unit = entering
    out, tape = [], []
    for arriving, bias in zip(sums, biases, strict=True):
        note: _Note = {}
        left, state = _step(cells, arriving.double() * unit + bias, state, note)
        out.append(left.float())
        if keep:
            tape.append(note)
    return torch.stack(out), state, tape


def backward(cells: Cells, tape: list[_Note], of_output: Tensor, of_state: State) -> tuple[Tensor, Tensor, State]:
    """The gradients of what arrived (float32 (steps, B, size)), of the bias, of the state before."""
    state = State(*(one.float() for one in of_state))
    entered = torch.empty_like(of_output)
    for t in reversed(range(len(tape))):
        entered[t], state = _back(cells, of_output[t], state, tape[t])
    return entered, entered.sum(dim=(0, 1)).double(), State(*(one.double() for one in state))


def _held(cells: Cells, total: Tensor, note: _Note, name: str) -> Tensor:
    inside = total.clamp(-cells.top - 1, cells.top)
    note[name] = inside == total
    return inside


def _after(cells: Cells, v: Tensor, z: Tensor, note: _Note, name: str) -> Tensor:
    """The membrane after spikes, as the dialect resets it."""
    if cells.rules.reset == "subtract":
        return _held(cells, v - z * cells.reset_value, note, name)
    if cells.rules.reset == "zero":
        note[name] = z == 0
        return torch.where(note[name], v, cells.reset_value)
    return v


def _decayed(v: Tensor, decay: Tensor) -> Tensor:
    """decay v to nearest, ties away from zero."""
    exact = v * decay
    return torch.trunc(exact + torch.copysign(exact.new_tensor(0.5), exact))


def _fired(cells: Cells, over: Tensor) -> Tensor:
    """Spikes of a membrane that is so far above its threshold."""
    if not cells.rules.multi:
        return (over > 0).to(over.dtype)
    return torch.ceil(over / cells.spike_size).clamp(0, cells.rules.max_spikes)


def _step(cells: Cells, entering: Tensor, state: State, note: _Note) -> tuple[Tensor, State]:
    """One step, as :func:`nirdeploy.sim.integer.step`; ``entering``: with the bias."""
    rules, (v, i, z) = cells.rules, state
    if cells.synaptic:
        current = _held(cells, _decayed(i, cells.synapse_decay) + entering, note, "synapse")
        entering, i = (current if rules.synapse_order == "new" else i), current
    before = _fired(cells, v - cells.threshold) if rules.reset_guard else None
    if rules.reset_delay and rules.reset_before:
        v = _after(cells, v, z, note, "late")
    v = _held(cells, _decayed(v, cells.decay) + entering + cells.offset, note, "membrane")
    if not cells.spiking:
        return v, State(v, i, z)
    if rules.reset_delay and not rules.reset_before:
        v = _after(cells, v, z, note, "late")
    over = (v if before is None else _after(cells, v, before, note, "guard")) - cells.threshold
    note["over"] = over.float()
    now = _fired(cells, over)
    if not rules.reset_delay:
        v = _after(cells, v, now, note, "reset")
    if rules.bounded:
        note["bounded"] = v >= -cells.spike_size
        v = torch.maximum(v, -cells.spike_size)
    return (z if rules.spike_delay else now), State(v, i, now)


def _surrogate(cells: Cells, over: Tensor) -> Tensor:
    """The derivative of a spike by the membrane, float32."""
    width = cells.width.float()
    if cells.gate:
        return ((over - 0.5).abs() < width) / width
    if cells.rules.multi:
        size = cells.spike_size.float()
        return (over > -0.5 * size) / size
    return 1 / (width * (1 + ((over - 0.5) * (math.pi / width)) ** 2))


def _back(cells: Cells, of_output: Tensor, after: State, note: _Note) -> tuple[Tensor, State]:
    """The gradients of one step, by those of what left it and of the state after: of what entered, the state before."""
    rules, (of_v, of_i, of_z) = cells.rules, after

    def passed(name: str, gradient: Tensor) -> Tensor:
        return gradient * note[name] if name in note else gradient

    before_z = torch.zeros_like(of_z)
    if not cells.spiking:
        of_v, before_z = of_v + of_output, of_z
    else:
        now, before_z = (of_z, of_output) if rules.spike_delay else (of_z + of_output, before_z)
        of_v = passed("reset", passed("bounded", of_v))
        of_v = of_v + passed("guard", now * _surrogate(cells, note["over"]))
        if rules.reset_delay and not rules.reset_before:
            of_v = passed("late", of_v)
    summed = passed("membrane", of_v)
    of_v = summed * cells.decay.float()
    if rules.reset_delay and rules.reset_before:
        of_v = passed("late", of_v)
    if not cells.synaptic:
        return summed, State(of_v, of_i, before_z)
    old = rules.synapse_order == "old"
    entered = passed("synapse", of_i if old else of_i + summed)
    of_i = entered * cells.synapse_decay.float() + (summed if old else 0)
    return entered, State(of_v, of_i, before_z)
