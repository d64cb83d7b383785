"""neurons: all neurons of a population step, in any dialect: :func:`nirdeploy.sim.integer.step`, compiled.

In float64, which holds every integer here exactly (at most 2^53) and which the compiler makes vectors of. Neurons step
tile by tile, so that what is done to one tile stays in the cache from one step to the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nirdeploy.sim.engine.loops import loop

LARGEST = 2.0**50  # of what enters a step: beyond it every state saturates, and below it float64 is exact
TILE = 512  # neurons, about: what a step needs of them fits a first-level cache
#: The rows of the parameters.
DECAY, BIAS, THRESHOLD, RESET_VALUE, SPIKE_SIZE, SYNAPSE_DECAY, SYNAPSE_BIAS = range(7)


class How(NamedTuple):
    """The rules of a population, and what its numbers are in; 0 or 1 where nothing else is said.

    ``plain``: it spikes, and nothing else is to be done than to decay, add, compare and reset at once.
    """

    plain: int
    spiking: int
    synaptic: int
    sees_old: int  # the membrane sees the synaptic current of the step before
    guard: int
    late: int  # the reset is
    before: int  # and acts before the membrane is integrated
    zero: int  # a reset to the reset value
    subtract: int  # by the reset value
    multi: int
    most: float  # spikes of a step
    delayed: int  # spikes leave a step late
    bounded: int
    unit: float  # of a decay
    top: float  # of a state


@loop(error_model="numpy")
def step(
    sums: np.ndarray,  # flat: the chunk's, (steps x samples x width)
    gain: float,
    states: tuple[np.ndarray, np.ndarray, np.ndarray],  # float64 (samples, width): membrane, synaptic current, spikes
    parameters: np.ndarray,  # float64 (tiles, 7, tile): one for all tiles, or one for each
    late: np.ndarray,  # float64 (parts, tiles, tile): what is missing of the bias, and before which steps
    begins: np.ndarray,
    how: How,
    chunk: tuple[int, int, int, int],  # first sample, samples, first step, steps
    first: int,
    last: int,
    fired: np.ndarray,  # uint8 (T, B, width)
    trace: np.ndarray,  # int32 (T, B, width), or empty
) -> int:  # pragma: no cover
    """Neurons ``first`` (of a tile the first) to ``last`` through all steps of a chunk; how often one saturated."""
    sample, samples, begin, steps = chunk
    width, tile, tiles = states[0].shape[1], parameters.shape[2], parameters.shape[0]
    entering, before, compared = np.empty(tile), np.empty(tile), np.empty(tile)
    lost = np.empty(tile, np.int64)
    saturated, all_there = 0, begins.max() if begins.size else 0
    for s in range(samples):
        b = sample + s
        for n in range(first, last, tile):
            end = min(n + tile, last)
            own = parameters[n // tile % tiles]
            v, i, z = states[0][s, n:end], states[1][s, n:end], states[2][s, n:end]
            for k in range(steps):
                t, at = begin + k, (k * samples + s) * width + n
                own_sums = sums[at : at + v.size]
                if how.plain and t >= all_there:
                    saturated += _plain(v, own_sums, gain, own, how, fired[t, b, n:end])
                    if trace.shape[0]:
                        _keep(v, trace[t, b, n:end])
                    continue
                _enter(own_sums, gain, entering, lost, v.size)
                for part in range(begins.size):
                    if t < begins[part]:
                        _take(entering, late[part, n // tile % tiles], v.size)
                if how.delayed:
                    _send(z, fired[t, b, n:end])
                _any(v, i, z, entering, own, how, lost, compared, before)
                if how.spiking and not how.delayed:
                    _send(z, fired[t, b, n:end])
                if trace.shape[0]:
                    _keep(v, trace[t, b, n:end])
                saturated += _count(lost, v.size)
    return saturated


@loop(error_model="numpy")
def _plain(
    v: np.ndarray, sums: np.ndarray, gain: float, own: np.ndarray, how: How, fired: np.ndarray
) -> int:  # pragma: no cover
    """A step of plain neurons in one loop: what most networks are made of."""
    kept, taken = 1.0 - how.zero, float(how.zero - how.subtract)
    lowest = -np.inf if how.zero else -how.top - 1.0  # a reset to a value is no sum that saturates
    highest = np.inf if how.zero else how.top
    saturated = 0
    for m in range(v.size):
        total = _decayed(v[m], own[DECAY, m], how.unit) + sums[m] * gain + own[BIAS, m]
        value = min(max(total, -how.top - 1.0), how.top)
        spikes = value > own[THRESHOLD, m]
        lower = kept * value + taken * own[RESET_VALUE, m]
        after = min(max(lower, lowest), highest)
        saturated += (value != total) | (spikes & (after != lower))
        fired[m] = spikes
        v[m] = after if spikes else value
    return saturated


@loop(error_model="numpy")
def _any(
    v: np.ndarray,
    i: np.ndarray,
    z: np.ndarray,
    entering: np.ndarray,
    own: np.ndarray,
    how: How,
    lost: np.ndarray,
    compared: np.ndarray,
    before: np.ndarray,
) -> None:  # pragma: no cover
    """A step of neurons of any kind, but for what is sent; ``compared``, ``before``: room."""
    if how.synaptic:
        _synapse(i, entering, own, how, lost)
    if not how.spiking:
        _integrate(v, entering, own, how, lost)
        return
    if how.guard:
        _fire(v, own, how, before)
    if how.late and how.before:
        _reset(v, z, own, how, lost)
    _integrate(v, entering, own, how, lost)
    if how.late and not how.before:
        _reset(v, z, own, how, lost)
    if how.guard:
        for m in range(v.size):
            compared[m] = v[m]
        _reset(compared[: v.size], before, own, how, lost)
        _fire(compared[: v.size], own, how, z)
    else:
        _fire(v, own, how, z)
    if not how.late:
        _reset(v, z, own, how, lost)
    if how.bounded:
        for m in range(v.size):
            v[m] = max(v[m], -own[SPIKE_SIZE, m])


@loop(error_model="numpy")
def _enter(
    sums: np.ndarray, gain: float, entering: np.ndarray, lost: np.ndarray, size: int
) -> None:  # pragma: no cover
    for m in range(size):
        entering[m] = sums[m] * gain
        lost[m] = 0


@loop(error_model="numpy")
def _take(entering: np.ndarray, late: np.ndarray, size: int) -> None:  # pragma: no cover
    for m in range(size):
        entering[m] -= late[m]


@loop(error_model="numpy")
def _decayed(value: float, decay: float, unit: float) -> float:  # pragma: no cover
    """round(value * decay * unit), to nearest, ties away from zero."""
    product = value * decay
    magnitude: float = np.floor(abs(product) * unit + 0.5)
    return -magnitude if product < 0 else magnitude


@loop(error_model="numpy")
def _integrate(
    v: np.ndarray, entering: np.ndarray, own: np.ndarray, how: How, lost: np.ndarray
) -> None:  # pragma: no cover
    for m in range(v.size):
        total = _decayed(v[m], own[DECAY, m], how.unit) + entering[m] + own[BIAS, m]
        v[m] = min(max(total, -how.top - 1.0), how.top)
        lost[m] |= v[m] != total


@loop(error_model="numpy")
def _synapse(
    i: np.ndarray, entering: np.ndarray, own: np.ndarray, how: How, lost: np.ndarray
) -> None:  # pragma: no cover
    """The synaptic current steps, and what enters the membrane is it, or what it was."""
    for m in range(i.size):
        old = i[m]
        total = _decayed(old, own[SYNAPSE_DECAY, m], how.unit) + entering[m] + own[SYNAPSE_BIAS, m]
        new = min(max(total, -how.top - 1.0), how.top)
        lost[m] |= new != total
        i[m] = new
        entering[m] = old if how.sees_old else new


@loop(error_model="numpy")
def _fire(v: np.ndarray, own: np.ndarray, how: How, z: np.ndarray) -> None:  # pragma: no cover
    """Spikes of a membrane: 0 or 1, or how often the spike size must go until it is not above threshold."""
    if how.multi:
        for m in range(v.size):
            z[m] = min(max(np.ceil((v[m] - own[THRESHOLD, m]) / own[SPIKE_SIZE, m]), 0.0), how.most)
    else:
        for m in range(v.size):
            z[m] = 1.0 if v[m] > own[THRESHOLD, m] else 0.0


@loop(error_model="numpy")
def _reset(v: np.ndarray, z: np.ndarray, own: np.ndarray, how: How, lost: np.ndarray) -> None:  # pragma: no cover
    if how.subtract:
        for m in range(v.size):
            total = v[m] - z[m] * own[RESET_VALUE, m]
            v[m] = min(max(total, -how.top - 1.0), how.top)
            lost[m] |= v[m] != total
    elif how.zero:
        for m in range(v.size):
            v[m] = own[RESET_VALUE, m] if z[m] > 0 else v[m]


@loop(error_model="numpy")
def _send(z: np.ndarray, fired: np.ndarray) -> None:  # pragma: no cover
    for m in range(fired.size):
        fired[m] = np.uint8(z[m])


@loop(error_model="numpy")
def _keep(v: np.ndarray, trace: np.ndarray) -> None:  # pragma: no cover
    for m in range(trace.size):
        trace[m] = np.int32(v[m])


@loop(error_model="numpy")
def _count(lost: np.ndarray, size: int) -> int:  # pragma: no cover
    found = 0
    for m in range(size):
        found += lost[m]
    return found
