"""The compiled engine of the integer simulator: event-driven, batched, over all cores.

It runs populations of one plain kind (spikes through dense weights, no synaptic current, reset at once) and is
held equal to :func:`nirdeploy.sim.integer.step` by property tests. Spikes are gathered as row sums: one
contiguous weight row per spike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from nirdeploy.network import IntegerNetwork, IntegerPopulation
from nirdeploy.operators import Dense


@dataclass(frozen=True)
class Done:
    """``spikes`` uint8 (T, B, size), or the membrane (int64) of a population that does not spike."""

    spikes: np.ndarray
    membrane: np.ndarray | None
    saturations: int


def knows(network: IntegerNetwork, name: str) -> bool:
    """Whether the engine runs this population."""
    population, rules = network.population(name), network.population(name).rules
    plain = not (rules.multi or rules.reset_delay or rules.spike_delay or rules.reset_guard or rules.bounded)
    return (
        plain
        and not population.synaptic
        and rules.reset in ("zero", "subtract", "none")
        and population.shift >= 0
        and population.decay.min(initial=0) >= 0
        and not population.late_bias
        and len({p.delay for p in network.into(name) if p.source == name}) <= 1
        and all(
            isinstance(p.operator, Dense) and p.pool is None and not p.shift and _is_spiking(network, p.source)
            for p in network.into(name)
        )
        and _no_overflow(network, population)
    )


def _is_spiking(network: IntegerNetwork, name: str) -> bool:
    return all(p.spiking and not p.rules.multi for p in network.populations if p.name == name)


def _no_overflow(network: IntegerNetwork, population: IntegerPopulation) -> bool:
    """Whether 32 bits hold every sum of the weights, whatever the input (counts up to 255)."""
    most = sum(np.abs(p.weight).sum(axis=1, dtype=np.int64).max() for p in network.into(population.name))
    narrow = all(np.abs(p.weight).max(initial=0) < 1 << 15 for p in network.into(population.name))
    return narrow and int(most) * 255 < 1 << 31


def run(network: IntegerNetwork, name: str, signals: Mapping[str, np.ndarray], *, keep: bool) -> Done:
    """All steps of one population; ``signals``: (T, B, size) of its sources, its own spikes come from here."""
    population, formats = network.population(name), network.formats
    time, batch = next(iter(signals.values())).shape[:2]
    forward = [p for p in network.into(name) if p.source != name]
    back = [p for p in network.into(name) if p.source == name]
    arriving = [_late(signals[p.source], p.delay) for p in forward] or [np.zeros((time, batch, 0), dtype=np.uint8)]
    weights = [_rows(p.weight) for p in forward] or [np.zeros((0, population.size), dtype=np.int16)]
    own = sum((_rows(p.weight) for p in back), start=np.zeros((population.size if back else 0, population.size)))
    shape = (time, batch, population.size)
    fired = np.zeros(shape, dtype=np.uint8)
    trace = np.zeros(shape if keep or not population.spiking else (0, 0, 0), dtype=np.int32)
    threshold = population.threshold if population.spiking else np.full(population.size, 1 << 62)
    # After a spike the membrane is kept * v + reset_to.
    reset_to = {"zero": 1, "subtract": -1, "none": 0}[population.reset] * population.reset_value
    arguments = (
        _words(arriving[0] if len(arriving) == 1 else np.concatenate(arriving, axis=2)),
        weights[0] if len(weights) == 1 else np.concatenate(weights),
        own.astype(np.int32),
        back[0].delay if back else 0,
        _PLACES,
        np.stack([population.decay, population.bias, threshold, reset_to, population.initial]),
        formats.decay_bits,
        population.shift,
        int(population.reset != "zero"),
        formats.state_max,
        fired,
        trace,
    )
    saturated = _on_all_cores(batch, arguments)
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


def _places() -> np.ndarray:
    """For each byte: the positions of its ones (the lowest bit is 0), and their number behind them."""
    table = np.zeros((256, 9), dtype=np.int64)
    for byte in range(256):
        ones = [i for i in range(8) if byte >> i & 1]
        table[byte, : len(ones)], table[byte, 8] = ones, len(ones)
    return table


_PLACES = _places()


def _rows(weight: np.ndarray) -> np.ndarray:
    """One contiguous row per source neuron, as narrow as every target's weights are."""
    return np.ascontiguousarray(weight.T, dtype=np.int16)


def _words(spikes: np.ndarray) -> np.ndarray:
    """Eight spikes (bytes) to a word: silence is skipped by the word."""
    missing = -spikes.shape[2] % 8
    padded = np.pad(spikes, ((0, 0), (0, 0), (0, missing))) if missing else np.ascontiguousarray(spikes)
    return padded.view("<u8")


def _late(signal: np.ndarray, steps: int) -> np.ndarray:
    signal = np.ascontiguousarray(signal, dtype=np.uint8)
    if not steps:
        return signal
    late = np.zeros_like(signal)
    late[steps:] = signal[: max(len(signal) - steps, 0)]
    return late


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _gather(
    x: np.ndarray, weight: np.ndarray, events: np.ndarray, places: np.ndarray, row: np.ndarray
) -> None:
    """row += the weight rows of the inputs that spiked, four at a time; ``x``: eight inputs to a word.

    ``places`` (256, 9): where the ones of a byte are, and how many. No branch depends on a single spike.
    """
    found = 0
    for k in range(x.size):
        word = x[k]
        if word == 0:
            continue
        if word & np.uint64(0xFEFEFEFEFEFEFEFE):  # counts: rare, one by one
            for byte in range(8):
                count = np.int32((word >> np.uint64(8 * byte)) & np.uint64(255))
                for n in range(row.size):
                    row[n] += count * weight[min(8 * k + byte, weight.shape[0] - 1), n]
            continue
        mask = np.int64((word * np.uint64(0x0102040810204080)) >> np.uint64(56))
        for i in range(8):
            events[found + i] = 8 * k + places[mask, i]
        found += places[mask, 8]
    whole = found - found % 4
    for k in range(0, whole, 4):
        a, b, c, d = weight[events[k]], weight[events[k + 1]], weight[events[k + 2]], weight[events[k + 3]]
        for n in range(row.size):
            row[n] += (np.int32(a[n]) + np.int32(b[n])) + (np.int32(c[n]) + np.int32(d[n]))
    for k in range(whole, found):
        a = weight[events[k]]
        for n in range(row.size):
            row[n] += a[n]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sample(  # pragma: no cover
    b: int,
    x: np.ndarray,
    weight: np.ndarray,
    own: np.ndarray,
    delay: int,
    places: np.ndarray,
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
    events = np.empty(x.shape[2] * 8 + 8, dtype=np.int64)
    saturated = 0
    for t in range(time):
        row[:] = 0
        _gather(x[t, b], weight, events, places, row)
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
    places: np.ndarray,
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
        saturated += _sample(b, x, weight, own, delay, places, parameters, decay_bits, shift, kept, top, fired, trace)
    return saturated
