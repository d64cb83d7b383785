"""membrane: the steps of a population in integers, on tensors: forward those of the integer simulator, bit for bit.

Integers stand in float64, which holds all of them exactly (membranes below 2^24, their products with a decay below
2^53). Backward rounding passes gradients as it finds them, what saturates passes none, a spike passes a surrogate's
(arctan, Fang et al. 2021, arXiv 2007.05785, over the threshold), and a reset is not differentiated through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nirdeploy.integers.network import Formats, IntegerPopulation
from nirdeploy.semantics.neuron import Rules

_CHUNK = 1 << 15  # neurons of a batch that are stepped at a time: their state stays in a cache


class State(NamedTuple):
    """float64 (B, size): membrane, synaptic current (a membrane of zeros without one), spikes of the step."""

    v: Tensor
    i: Tensor
    z: Tensor


class Way(NamedTuple):
    """How a sum of weights arrives: in units of 2^``shift`` LSBs of the membrane, ``delay`` steps late."""

    shift: int
    delay: int


@dataclass(frozen=True, eq=False)
class Cells:
    """A population in integers, float64 (size,) on a device; fields as in IntegerPopulation.

    ``decay``, ``synapse_decay``: as fractions, None where nothing decays. ``offset``: what a step adds to a membrane
    that has a synaptic current in front. ``width``: of the surrogate. ``gate``: what one spike adds at most, of neurons
    that only pass spikes on (relays, maxima): there the derivative is what one spike more or less changes.
    """

    rules: Rules
    spiking: bool
    synaptic: bool
    top: int
    decay: Tensor | None
    synapse_decay: Tensor | None
    offset: Tensor | None
    threshold: Tensor
    reset_value: Tensor
    spike_size: Tensor
    initial: Tensor
    width: Tensor
    gate: Tensor | None
    late: Mapping[int, Tensor]

    @classmethod
    def of(
        cls, population: IntegerPopulation, formats: Formats, device: torch.device, gate: np.ndarray | None = None
    ) -> Cells:
        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values.astype(np.float64)).to(device)

        whole, synaptic = 1 << formats.decay_bits, population.synaptic
        leaks = {name: (getattr(population, name) != whole).any() for name in ("decay", "synapse_decay")}
        return cls(
            rules=population.rules,
            spiking=population.spiking,
            synaptic=synaptic,
            top=formats.state_max,
            decay=tensor(population.decay / whole) if leaks["decay"] else None,
            synapse_decay=tensor(population.synapse_decay / whole) if leaks["synapse_decay"] else None,
            offset=tensor(population.bias) if synaptic and population.bias.any() else None,
            threshold=tensor(population.threshold),
            reset_value=tensor(population.reset_value),
            spike_size=tensor(population.spike_size),
            initial=tensor(population.initial),
            width=tensor(np.maximum(np.abs(population.threshold), 2.0**population.shift)),
            gate=None if gate is None else tensor(gate),
            late={step: tensor(missing) for step, missing in population.late_bias.items()},
        )

    def start(self, batch: int) -> State:
        """The state before the first step."""
        v = self.initial.expand(batch, -1)
        return State(v, torch.zeros_like(v), torch.zeros_like(v))


def steps(
    cells: Cells,
    state: State,
    bias: Tensor,
    arriving: Sequence[tuple[Tensor, Way]],
    span: tuple[int, int],
) -> tuple[Tensor, State]:
    """Some steps of a population.

    Args:
        bias: float64 (size,), whole numbers: what a step adds to what enters.
        arriving: sums of weights (steps, B, size), whole numbers.
        span: the first step, from the start of the sample, and how many.

    Returns:
        what leaves (spike counts, or the membrane; float32 (steps, B, size)), the state after.
    """
    tape = torch.is_grad_enabled()
    ways = tuple(way for _, way in arriving)
    out, *after = _Steps.apply(cells, ways, span, tape, bias, *state, *(sums for sums, _ in arriving))  # type: ignore[no-untyped-call]
    return out, State(*after)


class _Tape:
    """What the way back needs of each step, by name: (steps, B, size). ``rows``: the samples in hand."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device, keep: bool) -> None:
        self._shape, self._device, self.keeps = shape, device, keep
        self._kept: dict[str, Tensor] = {}
        self.rows, self.step = slice(0), 0

    def write(self, name: str, values: Tensor) -> None:
        if name not in self._kept:
            kind = torch.bool if values.dtype == torch.bool else torch.float32
            self._kept[name] = torch.empty(self._shape, dtype=kind, device=self._device)
        self._kept[name][self.step, self.rows] = values

    def read(self, name: str) -> Tensor:
        return self._kept[name][self.step, self.rows]

    def passed(self, name: str, gradient: Tensor) -> Tensor:
        """A gradient behind what was written as where it passes; whole where nothing was."""
        return gradient * self.read(name) if name in self._kept else gradient


def _held(cells: Cells, total: Tensor, tape: _Tape, name: str) -> Tensor:
    inside = total.clamp(-cells.top - 1, cells.top)
    if tape.keeps:
        tape.write(name, inside == total)
    return inside


def _after(cells: Cells, v: Tensor, z: Tensor, tape: _Tape, name: str) -> Tensor:
    """The membrane after spikes, as the dialect resets it."""
    if cells.rules.reset == "subtract":
        return _held(cells, v - z * cells.reset_value, tape, name)
    if cells.rules.reset == "zero":
        stays = z == 0
        if tape.keeps:
            tape.write(name, stays)
        return torch.where(stays, v, cells.reset_value)
    return v


def _decayed(v: Tensor, decay: Tensor | None) -> Tensor:
    """decay v to nearest, ties away from zero."""
    if decay is None:
        return v.clone()
    exact = v * decay
    return exact.add_(torch.copysign(exact.new_tensor(0.5), exact)).trunc_()


def _fired(cells: Cells, over: Tensor) -> Tensor:
    """Spikes of a membrane that is so far above its threshold."""
    if not cells.rules.multi:
        return (over > 0).to(over.dtype)
    return torch.ceil(over / cells.spike_size).clamp_(0, cells.rules.max_spikes)


def _step(cells: Cells, entering: Tensor, state: State, tape: _Tape) -> tuple[Tensor, State]:
    """One step of some samples, as :func:`nirdeploy.sim.integer.step`; ``entering``: with the bias."""
    rules, (v, i, z) = cells.rules, state
    if cells.synaptic:
        current = _held(cells, _decayed(i, cells.synapse_decay).add_(entering), tape, "synapse")
        entering, i = (current if rules.synapse_order == "new" else i), current
    before = _fired(cells, v - cells.threshold) if rules.reset_guard else None
    if rules.reset_delay and rules.reset_before:
        v = _after(cells, v, z, tape, "late")
    total = _decayed(v, cells.decay).add_(entering)
    v = _held(cells, total if cells.offset is None else total.add_(cells.offset), tape, "membrane")
    if not cells.spiking:
        return v, State(v, i, z)
    if rules.reset_delay and not rules.reset_before:
        v = _after(cells, v, z, tape, "late")
    over = (v if before is None else _after(cells, v, before, tape, "guard")) - cells.threshold
    if tape.keeps:
        tape.write("over", over)
    now = _fired(cells, over)
    if not rules.reset_delay:
        v = _after(cells, v, now, tape, "reset")
    if rules.bounded:
        if tape.keeps:
            tape.write("bounded", v >= -cells.spike_size)
        v = torch.maximum(v, -cells.spike_size)
    return (z if rules.spike_delay else now), State(v, i, now)


def _surrogate(cells: Cells, over: Tensor) -> Tensor:
    """The derivative of a spike by the membrane, float32."""
    if cells.gate is not None:
        one = cells.gate.float()
        return ((over - 0.5).abs() < one) / one
    if cells.rules.multi:
        size = cells.spike_size.float()
        return (over > -0.5 * size) / size
    width = cells.width.float()
    return 1 / (width * (1 + ((over - 0.5) * (math.pi / width)) ** 2))


def _back(cells: Cells, of_output: Tensor, after: State, tape: _Tape) -> tuple[Tensor, State]:
    """The gradients of one step, by those of what left it and of the state after: of what entered, the state before."""
    rules, (of_v, of_i, of_z) = cells.rules, after
    before_z = torch.zeros_like(of_z)
    if not cells.spiking:
        of_v = of_v + of_output
    else:
        now, before_z = (of_z, of_output) if rules.spike_delay else (of_z + of_output, before_z)
        of_v = tape.passed("bounded", of_v)
        of_v = tape.passed("reset", of_v)
        of_v = of_v + tape.passed("guard", now * _surrogate(cells, tape.read("over")))
        if rules.reset_delay and not rules.reset_before:
            of_v = tape.passed("late", of_v)
    summed = tape.passed("membrane", of_v)
    of_v = summed if cells.decay is None else summed * cells.decay.float()
    if rules.reset_delay and rules.reset_before:
        of_v = tape.passed("late", of_v)
    entered = summed
    if cells.synaptic:
        old = rules.synapse_order == "old"
        entered = tape.passed("synapse", of_i if old else of_i + summed)
        of_i = entered if cells.synapse_decay is None else entered * cells.synapse_decay.float()
        of_i = of_i + summed if old else of_i
    return entered, State(of_v, of_i, before_z)


def _entering(arriving: Sequence[tuple[Tensor, Way]], t: int, rows: slice, bias: Tensor) -> Tensor:
    """What arrives in a step, the bias with it: float64."""
    total: Tensor | None = None
    for sums, way in arriving:
        if t < way.delay:
            continue
        part = sums[t - way.delay, rows].double().mul_(2.0**way.shift)
        if way.shift < 0:
            part = part.add_(torch.copysign(part.new_tensor(0.5), part)).trunc_()
        total = part if total is None else total.add_(part)
    return bias if total is None else total.add_(bias)


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cells: Cells,
        ways: tuple[Way, ...],
        span: tuple[int, int],
        keep: bool,
        bias: Tensor,
        v: Tensor,
        i: Tensor,
        z: Tensor,
        *sums: Tensor,
    ) -> tuple[Tensor, ...]:
        (first, count), (batch, size) = span, v.shape
        arriving = list(zip(sums, ways, strict=True))
        out = torch.empty((count, batch, size), dtype=torch.float32, device=v.device)
        after = State(*(torch.empty((batch, size), dtype=torch.float64, device=v.device) for _ in range(3)))
        tape = _Tape((count, batch, size), v.device, keep)
        biases = [bias - sum((late for end, late in cells.late.items() if first + t < end)) for t in range(count)]
        for tape.rows in _chunks(batch, size):
            state = State(v[tape.rows], i[tape.rows], z[tape.rows])
            for tape.step in range(count):
                entering = _entering(arriving, tape.step, tape.rows, biases[tape.step])
                left, state = _step(cells, entering, state, tape)
                out[tape.step, tape.rows] = left
            for whole, part in zip(after, state, strict=True):
                whole[tape.rows] = part
        ctx.cells, ctx.ways, ctx.count, ctx.tape = cells, ways, count, tape
        ctx.kinds = [one.dtype for one in sums]
        return (out, *after)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_output: Tensor, *of_state: Tensor) -> tuple[Any, ...]:
        cells, tape, (batch, size) = ctx.cells, ctx.tape, of_state[0].shape
        entered = torch.empty_like(of_output)
        of_bias = torch.zeros(size, dtype=torch.float64, device=of_output.device)
        before = [torch.empty_like(one, dtype=torch.float64) for one in of_state]
        for tape.rows in _chunks(batch, size):
            state = State(*(one[tape.rows].float() for one in of_state))
            for tape.step in reversed(range(ctx.count)):
                own, state = _back(cells, of_output[tape.step, tape.rows], state, tape)
                entered[tape.step, tape.rows] = own
                of_bias += own.sum(dim=0)
            for whole, part in zip(before, state, strict=True):
                whole[tape.rows] = part
        of_sums = [_sent(entered, way).to(kind) for way, kind in zip(ctx.ways, ctx.kinds, strict=True)]
        return (None, None, None, None, of_bias, *before, *of_sums)


def _sent(entered: Tensor, way: Way) -> Tensor:
    """The gradient of a sum that arrived as ``way`` says, by that of what entered."""
    sent = entered * 2.0**way.shift
    if way.delay:
        sent = torch.cat([sent[way.delay :], torch.zeros_like(sent[: way.delay])])
    return sent


def _chunks(batch: int, size: int) -> list[slice]:
    rows = max(1, _CHUNK // max(size, 1))
    return [slice(first, min(first + rows, batch)) for first in range(0, batch, rows)]
