"""The compiled engine of the integer simulator: event-driven, batched, over all cores.

It runs populations of one plain kind (spikes through dense weights, no synaptic current, reset at once) and is
held equal to :func:`nirdeploy.sim.integer.step` by property tests. Spikes are gathered as row sums: one
contiguous weight row per spike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numba
import numpy as np

from nirdeploy.integers.network import IntegerNetwork, IntegerProjection
from nirdeploy.semantics.operators import Dense
from nirdeploy.sim.float_ import delayed

_BLOCK = 128  # neurons: enough that adding a row outweighs finding it, few enough that their weights stay near
_VECTOR = 16


@dataclass(frozen=True)
class Done:
    """``spikes`` uint8 (T, B, size), or the membrane (int64) of a population that does not spike."""

    spikes: np.ndarray
    membrane: np.ndarray | None
    saturations: int


@dataclass(frozen=True)
class _Ready:
    """One population as the loops take it. ``burst``: how many weight rows a narrow sum holds."""

    sources: tuple[tuple[str, int], ...]  # name, delay
    weight: np.ndarray  # (blocks of neurons, inputs of all sources, neurons of a block)
    own: np.ndarray  # (size, size) or empty: of its own spikes
    delay: int  # of those
    parameters: np.ndarray  # float64 (blocks, 5, neurons): decay, bias, threshold, reset_to, initial
    kept: int  # after a spike the membrane is kept * v + reset_to
    burst: int
    narrow: np.ndarray  # of the type that holds a burst


_ready: WeakKeyDictionary[IntegerNetwork, dict[str, _Ready | None]] = WeakKeyDictionary()


def knows(network: IntegerNetwork, name: str) -> bool:
    """Whether the engine runs this population."""
    return _get_ready(network, name) is not None


def _get_ready(network: IntegerNetwork, name: str) -> _Ready | None:
    made = _ready.setdefault(network, {})
    if name not in made:
        made[name] = _made_ready(network, name) if _is_plain(network, name) else None
    return made[name]


def _is_plain(network: IntegerNetwork, name: str) -> bool:
    population, incoming = network.neurons(name), network.into(name)
    rules = population.rules
    plain = not (rules.multi or rules.reset_delay or rules.spike_delay or rules.reset_guard or rules.bounded)
    dense = all(
        isinstance(p.operator, Dense) and p.pool is None and p.maximum is None and not p.shift for p in incoming
    )
    return (
        plain
        and dense
        and not population.synaptic
        and population.shift >= 0
        and population.decay.min(initial=0) >= 0
        and not population.late_bias
        and all(_is_spiking(network, p.source) for p in incoming)
        and not any(p.source in network.encodings for p in incoming)  # a zero point is many events
        and len({p.delay for p in incoming if p.source == name}) <= 1
        and _no_overflow(incoming)
        and network.formats.state_bits + network.formats.decay_bits <= 52
    )


def _is_spiking(network: IntegerNetwork, name: str) -> bool:
    return all(p.spiking and not p.rules.multi for p in network.populations if p.name == name)


def _no_overflow(incoming: Sequence[IntegerProjection]) -> bool:
    """Whether 32 bits hold every sum of the weights, whatever the input (counts up to 255)."""
    most = sum(int(np.abs(p.weight).sum(axis=1, dtype=np.int64).max()) for p in incoming)
    return most * 255 < 1 << 31 and all(np.abs(p.weight).max(initial=0) < 1 << 15 for p in incoming)


def _made_ready(network: IntegerNetwork, name: str) -> _Ready:
    population = network.neurons(name)
    forward = [p for p in network.into(name) if p.source != name]
    back = [p for p in network.into(name) if p.source == name]
    rows = [p.weight.T for p in forward] or [np.zeros((0, population.size), dtype=np.int32)]
    weight = np.concatenate(rows)
    largest = max(int(np.abs(weight).max(initial=1)), 1)
    own = sum((p.weight.T for p in back), start=np.zeros((population.size if back else 0, population.size)))
    never = np.full(population.size, np.inf)
    threshold = population.threshold if population.spiking else never
    reset_to = {"zero": 1, "subtract": -1, "none": 0}[population.reset] * population.reset_value
    parameters = np.stack([population.decay, population.bias, threshold, reset_to, population.initial]).astype(float)
    padded = _in_blocks(parameters)
    tight = largest < 128
    return _Ready(
        sources=tuple((p.source, p.delay) for p in forward),
        weight=_in_blocks(weight.astype(np.int8 if tight else np.int16)),
        own=np.ascontiguousarray(own, dtype=np.int32),
        delay=back[0].delay if back else 0,
        parameters=padded,
        kept=int(population.reset != "zero"),
        burst=256 if tight else 1 << 16,
        narrow=np.zeros(0, dtype=np.int16 if tight else np.int32),
    )


def _in_blocks(rows: np.ndarray) -> np.ndarray:
    """(rows, neurons) as (blocks, rows, neurons of a block), the last filled up with zeros."""
    block = min(_BLOCK, -(-rows.shape[1] // _VECTOR) * _VECTOR)
    blocks = -(-rows.shape[1] // block)
    filled = np.zeros((rows.shape[0], blocks * block), dtype=rows.dtype)
    filled[:, : rows.shape[1]] = rows
    return np.ascontiguousarray(filled.reshape(rows.shape[0], blocks, block).swapaxes(0, 1))


def run(network: IntegerNetwork, name: str, signals: Mapping[str, np.ndarray], *, keep: bool) -> Done:
    """All steps of one population; ``signals``: (T, B, size) of its sources, its own spikes come from here."""
    population, ready = network.neurons(name), _get_ready(network, name)
    assert ready is not None
    time, batch = next(iter(signals.values())).shape[:2]
    arriving = [
        delayed(np.ascontiguousarray(signals[source], dtype=np.uint8), delay) for source, delay in ready.sources
    ]
    x = arriving[0] if len(arriving) == 1 else np.concatenate([np.zeros((time, batch, 0), np.uint8), *arriving], axis=2)
    largest = int(x.max(initial=0))
    shape = (time, batch, population.size)
    fired = np.zeros(shape, dtype=np.uint8)
    trace = np.zeros(shape if keep or not population.spiking else (0, 0, 0), dtype=np.int32)
    saturated = _on_all_cores(
        batch,
        (
            x,
            largest <= 1,
            x.shape[0] * x.shape[2] if largest <= 1 else int(x.sum(axis=(0, 2), dtype=np.int64).max()),
            ready.weight,
            ready.own,
            ready.delay,
            ready.burst,
            ready.narrow,
            ready.parameters,
            network.formats.decay_bits,
            population.shift,
            ready.kept,
            network.formats.state_max,
            fired,
            trace,
        ),
    )
    spikes = fired if population.spiking else trace.astype(np.int64)
    return Done(spikes, trace if keep else None, saturated)


def _on_all_cores(batch: int, arguments: tuple[Any, ...]) -> int:
    """The samples in as many runs as there are cores; returns how often a membrane saturated."""
    cores = min(batch, os.cpu_count() or 1)
    if cores == 1:
        return int(_samples(0, batch, *arguments))
    ends = np.linspace(0, batch, cores + 1).astype(int)
    with ThreadPoolExecutor(cores - 1) as pool:
        others = [pool.submit(_samples, int(a), int(b), *arguments) for a, b in pairwise(ends[1:])]
        own = _samples(0, int(ends[1]), *arguments)
        return int(own + sum(other.result() for other in others))


# The loops below index whole arrays: a slice costs a counted reference, more than what is done with it.


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _samples(
    first: int,
    last: int,
    x: np.ndarray,
    binary: bool,
    most: int,
    weight: np.ndarray,
    own: np.ndarray,
    delay: int,
    burst: int,
    narrow: np.ndarray,
    parameters: np.ndarray,
    decay_bits: int,
    shift: int,
    kept: int,
    top: int,
    fired: np.ndarray,
    trace: np.ndarray,
) -> int:  # pragma: no cover
    """All steps of some samples. Without feedback block by block, so that a block's weights stay near."""
    time, size, blocks, block = x.shape[0], fired.shape[2], weight.shape[0], weight.shape[2]
    sums, row, now = np.zeros(block, narrow.dtype), np.zeros(block, np.int32), np.zeros(block, np.uint8)
    events, ends = np.empty(most + 1, dtype=np.uint32), np.zeros(time + 1, dtype=np.int64)
    back, v = np.zeros(size, dtype=np.int32), np.zeros((blocks, block))
    feedback = own.shape[0] > 0
    saturated = 0
    for b in range(first, last):
        _find(x, b, events, ends, binary)
        for k in range(blocks):
            for n in range(block):
                v[k, n] = parameters[k, 4, n]
        for i in range(time if feedback else blocks):
            if feedback:
                _feed_back(fired, own, i - delay, b, back)
            for j in range(blocks if feedback else time):
                t, k = (i, j) if feedback else (j, i)
                count = min(size - k * block, block)
                for n in range(block):
                    row[n] = 0
                if feedback:
                    for n in range(count):
                        row[n] = back[k * block + n]
                _gather(weight, k, events, ends[t], ends[t + 1], burst, sums, row)
                saturated += _update(row, v, parameters, k, decay_bits, shift, kept, top, now)
                for n in range(count):
                    fired[t, b, k * block + n] = now[n]
                if trace.shape[0]:
                    for n in range(count):
                        trace[t, b, k * block + n] = np.int32(v[k, n])
    return saturated


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _find(x: np.ndarray, b: int, events: np.ndarray, ends: np.ndarray, binary: bool) -> None:  # pragma: no cover
    """The inputs of each spike of a sample, step after step (of step t: from ends[t] to ends[t + 1])."""
    found = 0
    for t in range(x.shape[0]):
        if binary:
            for j in range(x.shape[2]):  # no branch on a spike
                events[found] = j
                found += x[t, b, j]
        else:  # counts: an event as often as it counts
            for j in range(x.shape[2]):
                for _ in range(x[t, b, j]):
                    events[found] = j
                    found += 1
        ends[t + 1] = found


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _feed_back(fired: np.ndarray, own: np.ndarray, t: int, b: int, back: np.ndarray) -> None:  # pragma: no cover
    """back = what a population's own spikes of step t bring back to it."""
    for n in range(back.size):
        back[n] = 0
    if t >= 0:
        for j in range(back.size):
            if fired[t, b, j]:
                for n in range(back.size):
                    back[n] += own[j, n]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _gather(
    weight: np.ndarray,
    k: int,
    events: np.ndarray,
    begin: int,
    end: int,
    burst: int,
    sums: np.ndarray,
    row: np.ndarray,
) -> None:  # pragma: no cover
    """row += block k's weight rows of some events, eight at a time; ``sums`` holds ``burst`` of them."""
    block = sums.size
    for first in range(begin, end, burst):
        last = min(first + burst, end)
        eights = first + (last - first) // 8 * 8
        for n in range(block):
            sums[n] = 0
        for i in range(first, eights, 8):
            a, b, c, d = events[i], events[i + 1], events[i + 2], events[i + 3]
            e, f, g, h = events[i + 4], events[i + 5], events[i + 6], events[i + 7]
            for n in range(block):
                low = (weight[k, a, n] + weight[k, b, n]) + (weight[k, c, n] + weight[k, d, n])
                sums[n] += low + (weight[k, e, n] + weight[k, f, n]) + (weight[k, g, n] + weight[k, h, n])
        for i in range(eights, last):
            a = events[i]
            for n in range(block):
                sums[n] += weight[k, a, n]
        for n in range(block):
            row[n] += sums[n]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _update(
    row: np.ndarray,
    v: np.ndarray,
    parameters: np.ndarray,
    k: int,
    decay_bits: int,
    shift: int,
    kept: int,
    top: int,
    now: np.ndarray,
) -> int:  # pragma: no cover
    """One step of block k; returns how often a membrane saturated.

    In float64, which holds every integer here exactly (at most 2^53) and which the compiler makes vectors of.
    """
    block = now.size
    half, unit, gain = 2.0 ** (decay_bits - 1), 2.0**-decay_bits, 2.0**shift
    highest, lowest, stays = float(top), -float(top) - 1.0, float(kept)
    saturated = 0
    for n in range(block):
        before = v[k, n]
        magnitude = np.floor((abs(before) * parameters[k, 0, n] + half) * unit)
        total = (-magnitude if before < 0 else magnitude) + row[n] * gain + parameters[k, 1, n]
        value = min(max(total, lowest), highest)
        spike = value > parameters[k, 2, n]
        lowered = stays * value + parameters[k, 3, n]
        after = min(max(lowered, lowest), highest)
        saturated += (value != total) | (spike & (after != lowered))
        now[n] = spike
        v[k, n] = after if spike else value
    return saturated
