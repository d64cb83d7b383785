"""grid: weights that are whole multiples of one step already, as training on a grid leaves them.

Brevitas, snnTorch's ``quant``, torch's fake quantization and others train weights ``k * step`` with small whole ``k``.
Rounded to the largest weight's integers they would fall between the integers; in units of the step they are integers.
"""

from __future__ import annotations

import numpy as np

#: How far a weight may be from its place on a grid, as a part of the largest weight: a float32's rounding, twice.
TOLERANCE = 2.0**-22


#: The most steps that a weight is looked for at: grids of up to 8 bits. With more, any numbers seem to be on one.
MOST = 127
_FEW = 16  # weights of a row that are looked at before all are


def steps(weight: np.ndarray, most: int) -> np.ndarray:
    """The coarsest step of each row of which its weights are whole multiples, up to ``most``: float64 (rows,).

    0 where there is none, or no weight. Args: ``weight`` float64 (rows, weights).
    """
    largest = np.abs(weight).max(axis=1, initial=0.0)
    found, left = np.zeros(len(weight)), np.flatnonzero(largest > 0)
    for k in range(1, min(most, MOST) + 1):
        if not len(left):
            break
        step = largest[left] / k
        maybe = np.flatnonzero(_on(weight[left, :_FEW], step, k))
        there = maybe[_on(weight[left[maybe]], step[maybe], k)]
        found[left[there]] = step[there]
        left = np.delete(left, there)
    return found


def _on(weight: np.ndarray, step: np.ndarray, most: int) -> np.ndarray:
    """Which rows are whole multiples of their step throughout."""
    multiple = weight / step[:, None]
    return np.asarray((np.abs(multiple - np.rint(multiple)) <= most * TOLERANCE).all(axis=1))


def common(steps_: list[np.ndarray], most: int) -> np.ndarray:
    """The coarsest step of which all of these are whole multiples, up to ``most``: float64 (rows,).

    0 where one is missing, or none is found. Args: ``steps_``, each float64 (rows,); infinite where any step will do.
    """
    finest, most = np.min(steps_, axis=0), min(most, MOST)
    found = np.zeros(len(finest))
    left = np.flatnonzero((finest > 0) & np.isfinite(finest))
    for k in range(1, most + 1):
        if not len(left):
            break
        step = finest[left] / k
        multiples = np.array([np.where(np.isfinite(one[left]), one[left], step) / step for one in steps_])
        there = (np.abs(multiples - np.rint(multiples)) <= most * TOLERANCE).all(axis=0)
        found[left[there]] = step[there]
        left = left[~there]
    return found


def units(needed: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The finest unit that is not finer than ``needed`` and divides the step: float64 (rows,).

    ``needed`` where there is no step, or where the step itself is finer.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.floor(step / needed * (1 + TOLERANCE))
        return np.where((step > 0) & (parts >= 1), step / parts, needed)


def noise(rounded: np.ndarray, weight: np.ndarray) -> float:
    """The sum of squares of what rounding changed, beyond what a float32 cannot tell."""
    error = rounded - weight
    return float((np.where(np.abs(error) <= TOLERANCE * np.abs(weight), 0.0, error) ** 2).sum())


def whole(values: np.ndarray) -> np.ndarray:
    """Values that miss a whole number by a rounding of float64 are that number."""
    nearest = np.rint(values)
    return np.where(np.abs(values - nearest) <= 2.0**-40 * np.abs(nearest), nearest, values)
