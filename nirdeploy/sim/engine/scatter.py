"""scatter: the sums of weights that the spikes of a signal make: compiled loops over :mod:`.links`' tables.

Rows are the steps of samples: row r of a chunk is step r // samples of its sample r % samples. The loops index whole
arrays: a slice costs a counted reference, more than what is done with it.
"""

from __future__ import annotations

import numpy as np

from nirdeploy.sim.engine import vectors
from nirdeploy.sim.engine.loops import loop

BURST = 256  # rows of weights of 8 bits that 16 bits hold
GROUP = 8  # rows whose spikes are added block by block, so that a block's weights stay near


@loop()
def find(signal: np.ndarray, at: int, size: int, events: np.ndarray, first: int) -> int:  # pragma: no cover
    """Where the ``size`` numbers from ``at`` on are not 0: into ``events`` from ``first`` on; returns the end."""
    found, whole = first, size // 64 * 64
    for begin in range(0, whole, 64):
        word = vectors.nonzero(signal, at + begin)
        while word != 0:
            events[np.uint64(found)] = begin + vectors.lowest(word)
            found += 1
            word &= word - 1
    for j in range(whole, size):
        if signal[at + j] != 0:
            events[found] = j
            found += 1
    return found


@loop()
def _row_of(row: int, samples: int, sample: int, step: int, batch: int) -> int:  # pragma: no cover
    """Which row of a signal (T x B rows) is meant by a row of a chunk; below 0: none."""
    time = step + row // samples
    return time * batch + sample + row % samples if time >= 0 else -1


@loop()
def rows(
    signal: np.ndarray,  # flat
    size: int,
    batch: int,
    chunk: tuple[int, int, int],  # sample, step (less the delay), samples
    first: int,
    last: int,
    scaled: bool,
    fresh: bool,
    weight: np.ndarray,
    block: int,
    events: np.ndarray,
    narrow: np.ndarray,  # (block,): 0, of a type that holds BURST weights
    sums: np.ndarray,  # flat
    width: int,
) -> None:  # pragma: no cover
    """Rows ``first`` to ``last`` of a chunk's sums of a matrix. ``fresh``: they are 0 before; ``scaled``: a signal
    is numbers, not 0 or 1."""
    sample, step, samples = chunk
    ends = np.empty(GROUP + 1, np.int64)
    for group in range(first, last, GROUP):
        count = min(GROUP, last - group)
        ends[0] = 0
        for r in range(count):
            at = _row_of(group + r, samples, sample, step, batch)
            ends[r + 1] = ends[r] if at < 0 else find(signal, at * size, size, events, ends[r])
            if fresh:
                vectors.clear(sums, (group + r) * width, width)
        for begin in range(0, width, block):
            length = min(block, width - begin)
            for r in range(count):
                into, start = (group + r) * width + begin, begin * size
                if scaled:
                    at = _row_of(group + r, samples, sample, step, batch) * size
                    for i in range(ends[r], ends[r + 1]):
                        factor = sums.dtype.type(signal[at + events[i]])
                        _add_scaled(sums, into, weight, start + events[i] * block, length, factor)
                else:
                    for part in range(ends[r], ends[r + 1], BURST):
                        last_of = min(part + BURST, ends[r + 1])
                        _add_rows(narrow, weight, start, block, events, part, last_of)
                        _add(sums, into, narrow, 0, length)
                        vectors.clear(narrow, 0, block)


@loop()
def _add_rows(
    narrow: np.ndarray, weight: np.ndarray, start: int, block: int, events: np.ndarray, first: int, last: int
) -> None:  # pragma: no cover
    """Adds the weight rows of some events, four at a time."""
    fours = first + (last - first) // 4 * 4
    for i in range(first, fours, 4):
        a, b = start + events[i] * block, start + events[i + 1] * block
        c, d = start + events[i + 2] * block, start + events[i + 3] * block
        m = 0
        while m + 32 <= block:
            vectors.add_four_32(narrow, m, weight, (a + m, b + m, c + m, d + m))
            m += 32
        if m + 16 <= block:
            vectors.add_four_16(narrow, m, weight, (a + m, b + m, c + m, d + m))
            m += 16
        while m < block:
            vectors.add_four_4(narrow, m, weight, (a + m, b + m, c + m, d + m))
            m += 4
    for i in range(fours, last):
        _add(narrow, 0, weight, start + events[i] * block, block)


@loop()
def _add(sums: np.ndarray, into: int, weight: np.ndarray, start: int, length: int) -> None:  # pragma: no cover
    m = 0
    while m + 32 <= length:
        vectors.add_32(sums, into + m, weight, (start + m,))
        m += 32
    if m + 16 <= length:
        vectors.add_16(sums, into + m, weight, (start + m,))
        m += 16
    while m < length:
        vectors.add_4(sums, into + m, weight, (start + m,))
        m += 4


@loop()
def _add_scaled(
    sums: np.ndarray, into: int, weight: np.ndarray, start: int, length: int, factor: float
) -> None:  # pragma: no cover
    m = 0
    while m + 32 <= length:
        vectors.add_scaled_32(sums, into + m, weight, (start + m,), factor)
        m += 32
    if m + 16 <= length:
        vectors.add_scaled_16(sums, into + m, weight, (start + m,), factor)
        m += 16
    while m < length:
        vectors.add_scaled_4(sums, into + m, weight, (start + m,), factor)
        m += 4


@loop()
def runs(
    signal: np.ndarray,
    size: int,
    batch: int,
    chunk: tuple[int, int, int],
    first: int,
    last: int,
    scaled: bool,
    fresh: bool,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    weight: np.ndarray,
    events: np.ndarray,
    sums: np.ndarray,
    width: int,
) -> None:  # pragma: no cover
    """The same of any operator, by its tables (place, base, begin, offset, row, length)."""
    place, base, begin, offset, row, length = tables
    sample, step, samples = chunk
    for r in range(first, last):
        if fresh:
            vectors.clear(sums, r * width, width)
        at = _row_of(r, samples, sample, step, batch)
        found = find(signal, at * size, size, events, 0) if at >= 0 else 0
        for i in range(found):
            j = events[i]
            start = base[j]
            for k in range(begin[place[j]], begin[place[j] + np.uint32(1)]):
                into, weights = r * width + offset[k], np.int64(start + row[k])
                if scaled:
                    factor = sums.dtype.type(signal[at * size + j])
                    _add_scaled(sums, into, weight, weights, np.int64(length[k]), factor)
                else:
                    _add(sums, into, weight, weights, np.int64(length[k]))


@loop()
def place(
    signal: np.ndarray,
    size: int,
    first: int,
    last: int,
    to: np.ndarray,
    events: np.ndarray,
    out: np.ndarray,
    width: int,
) -> None:  # pragma: no cover
    """Rows ``first`` to ``last`` of a signal (flat), each value to where ``to`` says: ``out`` (flat) is 0 elsewhere."""
    for r in range(first, last):
        for i in range(find(signal, r * size, size, events, 0)):
            j = events[i]
            out[r * width + to[j]] = signal[r * size + j]


@loop()
def by_channel(
    sums: np.ndarray, rows: int, channels: int, positions: int, lanes: int, out: np.ndarray
) -> None:  # pragma: no cover
    """Sums (flat) that lie position by position, channel by channel: into ``out`` (flat)."""
    for r in range(rows):
        for first in range(0, positions, 16):
            last = min(first + 16, positions)
            for c in range(channels):
                for p in range(first, last):
                    out[(r * channels + c) * positions + p] = sums[(r * positions + p) * lanes + c]
