"""settle: what stands between sums of weights and a membrane: a maximum over windows, a shift, other sums."""

from __future__ import annotations

import math

import numpy as np

from nirdeploy.semantics.operators import Maximum
from nirdeploy.sim.engine.loops import loop


def windows(maximum: Maximum) -> tuple[np.ndarray, np.ndarray]:
    """The positions that each window sees: where each window's begin (one more for the end), and all (int64)."""
    high, wide = maximum.shape[1:]
    rows, columns = maximum.out_shape[1:]
    seen = []
    for row, column in np.ndindex(rows, columns):
        top, left = row * maximum.stride[0] - maximum.padding[0][0], column * maximum.stride[1] - maximum.padding[1][0]
        down = np.arange(max(top, 0), min(top + maximum.kernel[0], high))
        right = np.arange(max(left, 0), min(left + maximum.kernel[1], wide))
        seen.append((down[:, None] * wide + right).ravel())
    begin = np.cumsum([0, *map(len, seen)])
    return begin, np.concatenate(seen) if math.prod((rows, columns)) else np.zeros(0, dtype=np.int64)


@loop(error_model="numpy")
def settle(
    sums: np.ndarray,  # flat
    before: int,  # numbers of a row of it
    total: np.ndarray,  # float64, flat
    width: int,
    first: int,
    last: int,
    lanes: int,
    windows: tuple[np.ndarray, np.ndarray],  # or two empty ones: no maximum
    shift: int,
) -> None:  # pragma: no cover
    """Rows ``first`` to ``last``: the maximum of each window, times 2^shift to nearest (ties away from zero), is added
    to ``total``."""
    begin, place = windows
    gain = 2.0**shift
    row = np.empty(width)
    for r in range(first, last):
        if begin.size:
            for p in range(begin.size - 1):
                for n in range(lanes):
                    row[p * lanes + n] = -np.inf
                for k in range(begin[p], begin[p + 1]):
                    start = r * before + place[k] * lanes
                    for n in range(lanes):
                        row[p * lanes + n] = max(row[p * lanes + n], sums[start + n])
        else:
            for n in range(width):
                row[n] = sums[r * before + n]
        if shift >= 0:
            for n in range(width):
                row[n] *= gain
        else:
            for n in range(width):
                magnitude = np.floor(abs(row[n]) * gain + 0.5)
                row[n] = -magnitude if row[n] < 0 else magnitude
        for n in range(width):
            total[r * width + n] += row[n]
