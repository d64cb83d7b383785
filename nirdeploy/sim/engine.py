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

from nirdeploy.network import IntegerNetwork, IntegerProjection
from nirdeploy.operators import Dense


@dataclass(frozen=True)
class Done:
    """``spikes`` uint8 (T, B, size), or the membrane (int64) of a population that does not spike."""

    spikes: np.ndarray
    membrane: np.ndarray | None
    saturations: int


@dataclass(frozen=True)
class _Ready:
    """One population as the loops take it. ``burst``: how many weight rows a sum of 16 bits holds."""

    sources: tuple[tuple[str, int], ...]  # name, delay
    weight: np.ndarray  # (inputs of all sources, size), a row per input
    own: np.ndarray  # (size, size) or empty: of its own spikes
    delay: int  # of those
    parameters: np.ndarray  # decay, bias, threshold, reset_to, initial
    kept: int  # after a spike the membrane is kept * v + reset_to
    burst: int


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
    population, rules, incoming = network.population(name), network.population(name).rules, network.into(name)
    plain = not (rules.multi or rules.reset_delay or rules.spike_delay or rules.reset_guard or rules.bounded)
    dense = all(isinstance(p.operator, Dense) and p.pool is None and not p.shift for p in incoming)
    return (
        plain
        and dense
        and not population.synaptic
        and population.shift >= 0
        and population.decay.min(initial=0) >= 0
        and not population.late_bias
        and all(_is_spiking(network, p.source) for p in incoming)
        and len({p.delay for p in incoming if p.source == name}) <= 1
        and _no_overflow(incoming)
    )


def _is_spiking(network: IntegerNetwork, name: str) -> bool:
    return all(p.spiking and not p.rules.multi for p in network.populations if p.name == name)


def _no_overflow(incoming: Sequence[IntegerProjection]) -> bool:
    """Whether 32 bits hold every sum of the weights, whatever the input (counts up to 255)."""
    most = sum(int(np.abs(p.weight).sum(axis=1, dtype=np.int64).max()) for p in incoming)
    return most * 255 < 1 << 31 and all(np.abs(p.weight).max(initial=0) < 1 << 15 for p in incoming)


def _made_ready(network: IntegerNetwork, name: str) -> _Ready:
    population = network.population(name)
    forward = [p for p in network.into(name) if p.source != name]
    back = [p for p in network.into(name) if p.source == name]
    rows = [p.weight.T for p in forward] or [np.zeros((0, population.size), dtype=np.int32)]
    weight = np.concatenate(rows)
    largest = max(int(np.abs(weight).max(initial=1)), 1)
    own = sum((p.weight.T for p in back), start=np.zeros((population.size if back else 0, population.size)))
    threshold = population.threshold if population.spiking else np.full(population.size, 1 << 62)
    reset_to = {"zero": 1, "subtract": -1, "none": 0}[population.reset] * population.reset_value
    return _Ready(
        sources=tuple((p.source, p.delay) for p in forward),
        weight=np.ascontiguousarray(weight, dtype=np.int8 if largest < 128 else np.int16),
        own=np.ascontiguousarray(own, dtype=np.int32),
        delay=back[0].delay if back else 0,
        parameters=np.stack([population.decay, population.bias, threshold, reset_to, population.initial]),
        kept=int(population.reset != "zero"),
        burst=32767 // largest // 8 * 8,
    )


def run(network: IntegerNetwork, name: str, signals: Mapping[str, np.ndarray], *, keep: bool) -> Done:
    """All steps of one population; ``signals``: (T, B, size) of its sources, its own spikes come from here."""
    population, ready = network.population(name), _get_ready(network, name)
    assert ready is not None
    time, batch = next(iter(signals.values())).shape[:2]
    arriving = [_late(signals[source], delay) for source, delay in ready.sources]
    x = arriving[0] if len(arriving) == 1 else np.concatenate([np.zeros((time, batch, 0), np.uint8), *arriving], axis=2)
    inputs = [source for source, _ in ready.sources if all(p.name != source for p in network.populations)]
    counts = any(signals[source].max(initial=0) > 1 for source in inputs)
    shape = (time, batch, population.size)
    fired = np.zeros(shape, dtype=np.uint8)
    trace = np.zeros(shape if keep or not population.spiking else (0, 0, 0), dtype=np.int32)
    saturated = _on_all_cores(
        batch,
        (
            x,
            ready.weight,
            ready.own,
            ready.delay,
            0 if counts else ready.burst,
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
        return int(_steps(0, batch, *arguments))
    ends = np.linspace(0, batch, cores + 1).astype(int)
    with ThreadPoolExecutor(cores - 1) as pool:
        others = [pool.submit(_steps, int(a), int(b), *arguments) for a, b in pairwise(ends[1:])]
        own = _steps(0, int(ends[1]), *arguments)
        return int(own + sum(other.result() for other in others))


def _late(signal: np.ndarray, steps: int) -> np.ndarray:
    signal = np.ascontiguousarray(signal, dtype=np.uint8)
    if not steps:
        return signal
    late = np.zeros_like(signal)
    late[steps:] = signal[: max(len(signal) - steps, 0)]
    return late


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _gather(
    x: np.ndarray, weight: np.ndarray, burst: int, events: np.ndarray, narrow: np.ndarray, row: np.ndarray
) -> None:  # pragma: no cover
    """row += the weight rows of the inputs that spiked.

    Sums of ``burst`` rows fit 16 bits: they are added up there, eight at a time, before they go to 32 bits.
    A burst of 0 says that inputs may be counts, or weights too large for that.
    """
    found = 0
    if burst == 0:
        for j in range(x.size):
            if x[j]:
                count = np.int32(x[j])
                for n in range(row.size):
                    row[n] += count * weight[j, n]
        return
    for j in range(x.size):  # no branch on a spike
        events[found] = j
        found += x[j]
    for first in range(0, found, burst):
        last = min(first + burst, found)
        eights = first + (last - first) // 8 * 8
        narrow[:] = 0
        for k in range(first, eights, 8):
            a, b, c, d = weight[events[k]], weight[events[k + 1]], weight[events[k + 2]], weight[events[k + 3]]
            e, f, g, h = weight[events[k + 4]], weight[events[k + 5]], weight[events[k + 6]], weight[events[k + 7]]
            for n in range(row.size):
                total = ((a[n] + b[n]) + (c[n] + d[n])) + ((e[n] + f[n]) + (g[n] + h[n]))
                narrow[n] = np.int16(narrow[n] + total)
        for k in range(eights, last):
            a = weight[events[k]]
            for n in range(row.size):
                narrow[n] = np.int16(narrow[n] + a[n])
        for n in range(row.size):
            row[n] += narrow[n]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sample(  # pragma: no cover
    b: int,
    x: np.ndarray,
    weight: np.ndarray,
    own: np.ndarray,
    delay: int,
    burst: int,
    parameters: np.ndarray,
    decay_bits: int,
    shift: int,
    kept: int,
    top: int,
    fired: np.ndarray,
    trace: np.ndarray,
) -> int:
    """All steps of one sample; returns how often a membrane saturated."""
    decay, bias, threshold, reset_to, initial = parameters
    time, size = fired.shape[0], fired.shape[2]
    bottom, half = -top - 1, 1 << (decay_bits - 1)
    v, row = initial.copy(), np.empty(size, dtype=np.int32)
    events, narrow = np.empty(x.shape[2] + 1, dtype=np.int32), np.empty(size, dtype=np.int16)
    saturated = 0
    for t in range(time):
        row[:] = 0
        _gather(x[t, b], weight, burst, events, narrow, row)
        if own.shape[0] and t >= delay:
            before = fired[t - delay, b]
            for j in range(size):
                if before[j]:
                    for n in range(size):
                        row[n] += own[j, n]
        now = fired[t, b]
        for n in range(size):  # no branches: the compiler makes vectors of it
            magnitude = (abs(v[n]) * decay[n] + half) >> decay_bits
            total = (-magnitude if v[n] < 0 else magnitude) + (np.int64(row[n]) << shift) + bias[n]
            value = min(max(total, bottom), top)
            spike = value > threshold[n]
            lowered = kept * value + reset_to[n]
            after = min(max(lowered, bottom), top)
            saturated += (value != total) | (spike & (after != lowered))
            now[n] = spike
            v[n] = after if spike else value
        if trace.shape[0]:
            trace[t, b] = v
    return saturated


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _steps(  # pragma: no cover
    first: int,
    last: int,
    x: np.ndarray,
    weight: np.ndarray,
    own: np.ndarray,
    delay: int,
    burst: int,
    parameters: np.ndarray,
    decay_bits: int,
    shift: int,
    kept: int,
    top: int,
    fired: np.ndarray,
    trace: np.ndarray,
) -> int:
    saturated = 0
    for b in range(first, last):
        saturated += _sample(b, x, weight, own, delay, burst, parameters, decay_bits, shift, kept, top, fired, trace)
    return saturated
