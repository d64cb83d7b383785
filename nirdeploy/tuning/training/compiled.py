"""compiled: the steps of a population as compiled loops, over all cores: what :mod:`.tensors` computes, in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nirdeploy.sim.engine.loops import loop
from nirdeploy.tuning.training.cells import Cells, State

_WORTH = 1 << 16  # steps of neurons that take as long as starting a thread does
_RESETS = {"none": 0, "subtract": 1, "zero": 2}
# Flags of what a population does.
_SPIKING, _SYNAPTIC, _OLD, _GUARD, _LATE, _BEFORE, _BOUNDED, _DELAYED, _MULTI, _GATE = (1 << bit for bit in range(10))
# Bits of a note: where gradients pass in a step.
_IN_SYNAPSE, _IN_LATE, _IN_MEMBRANE, _IN_GUARD, _IN_RESET, _IN_BOUNDED = (1 << bit for bit in range(6))


@dataclass(frozen=True, eq=False)
class Tape:
    """What the way back needs of all steps, (steps, B, size): how far the membrane was above its threshold (float32),
    and where gradients pass (uint8)."""

    over: np.ndarray
    notes: np.ndarray


def forward(
    cells: Cells, entering: tuple[Tensor, float], biases: Tensor, state: State, keep: bool
) -> tuple[Tensor, State, Tape]:
    """As :func:`.tensors.forward`."""
    sums, unit = entering
    shape = tuple(sums.shape)
    out, after = np.empty(shape, dtype=np.float32), tuple(np.array(one.numpy()) for one in state)
    kept = shape if keep else (0, 0, 0)
    tape = Tape(np.empty(kept, dtype=np.float32), np.empty(kept, dtype=np.uint8))
    rules = cells.rules
    fixed = (unit, biases.numpy(), _parameters(cells), _flags(cells), _RESETS[rules.reset], rules.max_spikes, cells.top)
    arriving = sums.contiguous().numpy()
    _on_all_cores(shape, lambda a, b: _forward(a, b, arriving, fixed, after, (out, tape.over, tape.notes)))
    return torch.from_numpy(out), State(*map(torch.from_numpy, after)), tape


def backward(cells: Cells, tape: Tape, of_output: Tensor, of_state: State) -> tuple[Tensor, Tensor, State]:
    """As :func:`.tensors.backward`."""
    output = of_output.contiguous().numpy()
    before = tuple(np.array(one.numpy()) for one in of_state)
    entered, fixed = np.empty_like(output), (_parameters(cells), _flags(cells))
    _on_all_cores(output.shape, lambda a, b: _backward(a, b, output, *fixed, tape.over, tape.notes, *before, entered))
    gradient = torch.from_numpy(entered)
    return gradient, gradient.sum(dim=(0, 1)).double(), State(*map(torch.from_numpy, before))


def _parameters(cells: Cells) -> np.ndarray:
    """float64 (7, size), in the order in which the loops know them."""
    rows = (
        *(cells.decay, cells.synapse_decay, cells.offset, cells.threshold),
        *(cells.reset_value, cells.spike_size, cells.width),
    )
    return np.stack([row.numpy() for row in rows])


def _flags(cells: Cells) -> int:
    rules = cells.rules
    known = {
        _SPIKING: cells.spiking,
        _SYNAPTIC: cells.synaptic,
        _OLD: rules.synapse_order == "old",
        _GUARD: rules.reset_guard,
        _LATE: rules.reset_delay,
        _BEFORE: rules.reset_before,
        _BOUNDED: rules.bounded,
        _DELAYED: rules.spike_delay,
        _MULTI: rules.multi,
        _GATE: cells.gate,
    }
    return sum(flag for flag, there in known.items() if there)


def _on_all_cores(shape: tuple[int, ...], run: Callable[[int, int], Any]) -> None:
    """The samples of (steps, B, size) in as many runs as torch has threads, where that is worth starting them."""
    batch = shape[1]
    cores = max(min(batch, torch.get_num_threads(), math.prod(shape) // _WORTH), 1)
    if cores == 1:
        run(0, batch)
        return
    ends = np.linspace(0, batch, cores + 1).astype(int)
    with ThreadPoolExecutor(cores - 1) as pool:
        others = [pool.submit(run, int(a), int(b)) for a, b in pairwise(ends[1:])]
        run(0, int(ends[1]))
        for other in others:
            other.result()


# The loops below index whole arrays: a slice costs a counted reference, more than what is done with it.


@loop(inline="always")
def _decayed(v: float, decay: float) -> float:  # pragma: no cover
    exact = v * decay
    return float(math.floor(exact + 0.5) if exact >= 0 else math.ceil(exact - 0.5))


@loop(inline="always")
def _fired(over: float, size: float, multi: bool, most: int) -> float:  # pragma: no cover
    if not multi:
        return 1.0 if over > 0 else 0.0
    return min(max(float(math.ceil(over / size)), 0.0), float(most))


@loop()
def _forward(
    first: int,
    last: int,
    sums: np.ndarray,
    fixed: tuple[float, np.ndarray, np.ndarray, int, int, int, int],
    state: tuple[np.ndarray, ...],
    made: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:  # pragma: no cover
    """All steps of some samples; the state is changed in place."""
    (unit, biases, p, flags, reset, most, top), (v_, i_, z_), (out, over_, notes) = fixed, state, made
    high, low, keep = float(top), -float(top) - 1.0, notes.shape[0] > 0
    spiking, synaptic, guard = flags & _SPIKING != 0, flags & _SYNAPTIC != 0, flags & _GUARD != 0
    late, bounded, multi = flags & _LATE != 0, flags & _BOUNDED != 0, flags & _MULTI != 0
    before, delayed, old = flags & _BEFORE != 0, flags & _DELAYED != 0, flags & _OLD != 0
    for b in range(first, last):
        for t in range(sums.shape[0]):
            for n in range(sums.shape[2]):
                v, note = v_[b, n], 0
                entering = sums[t, b, n] * unit + biases[t, n]
                if synaptic:
                    was = i_[b, n]
                    total = _decayed(was, p[1, n]) + entering
                    i_[b, n] = min(max(total, low), high)
                    note |= _IN_SYNAPSE * (i_[b, n] == total)
                    entering = was if old else i_[b, n]
                spiked = _fired(v - p[3, n], p[5, n], multi, most) if guard else 0.0
                if late and before:
                    v, inside = _after(v, z_[b, n], p[4, n], reset, low, high)
                    note |= _IN_LATE * inside
                total = _decayed(v, p[0, n]) + entering + p[2, n]
                v = min(max(total, low), high)
                note |= _IN_MEMBRANE * (v == total)
                if not spiking:
                    out[t, b, n] = v
                    v_[b, n] = v
                    if keep:
                        notes[t, b, n] = note
                    continue
                if late and not before:
                    v, inside = _after(v, z_[b, n], p[4, n], reset, low, high)
                    note |= _IN_LATE * inside
                compared = v
                note |= _IN_GUARD
                if guard:
                    compared, inside = _after(v, spiked, p[4, n], reset, low, high)
                    note ^= _IN_GUARD * (not inside)
                over = compared - p[3, n]
                now = _fired(over, p[5, n], multi, most)
                note |= _IN_RESET
                if not late:
                    v, inside = _after(v, now, p[4, n], reset, low, high)
                    note ^= _IN_RESET * (not inside)
                note |= _IN_BOUNDED
                if bounded and v < -p[5, n]:
                    v = -p[5, n]
                    note ^= _IN_BOUNDED
                out[t, b, n] = z_[b, n] if delayed else now
                v_[b, n], z_[b, n] = v, now
                if keep:
                    over_[t, b, n], notes[t, b, n] = over, note


@loop(inline="always")
def _after(
    v: float, z: float, to: float, reset: int, low: float, high: float
) -> tuple[float, bool]:  # pragma: no cover
    """The membrane after spikes, and whether gradients pass."""
    if reset == 1:
        total = v - z * to
        held = min(max(total, low), high)
        return held, held == total
    if reset == 2 and z > 0:
        return to, False
    return v, True


@loop()
def _backward(
    first: int,
    last: int,
    of_output: np.ndarray,
    p: np.ndarray,
    flags: int,
    over_: np.ndarray,
    notes: np.ndarray,
    of_v: np.ndarray,
    of_i: np.ndarray,
    of_z: np.ndarray,
    entered: np.ndarray,
) -> None:  # pragma: no cover
    """All steps of some samples, from the last on; the gradients of the state are changed in place."""
    spiking, synaptic, old = flags & _SPIKING != 0, flags & _SYNAPTIC != 0, flags & _OLD != 0
    late, before, delayed = flags & _LATE != 0, flags & _BEFORE != 0, flags & _DELAYED != 0
    multi, gate = flags & _MULTI != 0, flags & _GATE != 0
    for b in range(first, last):
        for t in range(of_output.shape[0] - 1, -1, -1):
            for n in range(of_output.shape[2]):
                v, note, left = of_v[b, n], notes[t, b, n], of_output[t, b, n]
                if not spiking:
                    v += left
                else:
                    now = of_z[b, n] if delayed else of_z[b, n] + left
                    of_z[b, n] = left if delayed else 0.0
                    if not (note & _IN_BOUNDED and note & _IN_RESET):
                        v = 0.0
                    if note & _IN_GUARD:
                        over, width = over_[t, b, n], p[6, n]
                        if gate:
                            v += now / width if abs(over - 0.5) < width else 0.0
                        elif multi:
                            v += now / p[5, n] if over > -0.5 * p[5, n] else 0.0
                        else:
                            v += now / (width * (1 + ((over - 0.5) * (math.pi / width)) ** 2))
                    if late and not before and not note & _IN_LATE:
                        v = 0.0
                if not note & _IN_MEMBRANE:
                    v = 0.0
                came = v
                v *= p[0, n]
                if late and before and not note & _IN_LATE:
                    v = 0.0
                if synaptic:
                    arrived = of_i[b, n] if old else of_i[b, n] + came
                    if not note & _IN_SYNAPSE:
                        arrived = 0.0
                    of_i[b, n] = arrived * p[1, n] + (came if old else 0.0)
                    came = arrived
                of_v[b, n], entered[t, b, n] = v, came
