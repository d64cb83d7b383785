"""Weights on one grid in mantissas and exponents: into how many activation units a step of the grid is divided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nirdeploy.backends.loihi2.synapses import Mantissas
from nirdeploy.integers import grid


def step_of(relative: Sequence[np.ndarray]) -> float:
    """The step of which the weights of all matrices and kernels are whole multiples; 0: there is none."""
    each = [grid.of_rows(weight[weight != 0].reshape(1, -1), grid.MOST) for weight in relative]
    return float(grid.common(each, grid.MOST)[0])


def exponent(overrun: float, largest: int) -> int:
    """The smallest, up to ``largest``, with which mantissas hold a weight that is so many times what they can be."""
    return min(0 if overrun <= 1.0 else int(np.ceil(np.log2(overrun) - 1e-9)), largest)


def parts(whole: Sequence[np.ndarray], allowed: Sequence[Mantissas], largest: Sequence[int], most: int) -> np.ndarray:
    """How many units, up to ``most``, a step may be: float64 (n,), the finest first, without those that lose a bit.

    Args:
        whole: the weights in steps, int64, of each projection; ``allowed`` and ``largest``: its mantissas and its
            largest exponent.
    """
    each = [
        (a, a.overrun(w), int(np.gcd.reduce(w, axis=None)), e) for w, a, e in zip(whole, allowed, largest, strict=True)
    ]
    found: list[int] = []
    for units in range(most, 0, -1):
        if found and 2 * units <= found[0]:
            break
        if all(_hold(a, overrun * units, divisor * units, e) for a, overrun, divisor, e in each):
            found.append(units)
    return np.array(found, dtype=np.float64)


def _hold(allowed: Mantissas, overrun: float, divisor: int, largest: int) -> bool:
    """Whether mantissas of one exponent hold multiples of ``divisor`` exactly."""
    own = exponent(overrun, largest)
    return overrun <= 1 << own and divisor % (allowed.step << own) == 0
