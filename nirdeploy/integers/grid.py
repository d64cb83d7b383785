"""grid: weights that are whole multiples of one step already, as training on a grid leaves them.

Brevitas, snnTorch's ``quant``, torch's fake quantization and others train weights ``k * step`` with small whole ``k``.
Rounded to the largest weight's integers they would fall between the integers; in units of the step they are integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: How far a weight may be from its place on a grid, as a part of the largest weight: a float32's rounding, twice.
TOLERANCE = 2.0**-22


#: The most steps that a weight is looked for at: grids of up to 8 bits, those of fake quantization with a zero point
#: (0 to 255 steps, less the zero point) too. With more, any numbers seem to be on one.
MOST = 255
_FEW = 16  # weights of a row that are looked at before all are
_TRIED = 64  # ways to divide a step


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


def of_rows(weight: np.ndarray, most: int) -> np.ndarray:
    """As :func:`steps`; infinite where all weights of a row are 0: any step will do."""
    return np.where(weight.any(axis=1), steps(weight, most), np.inf)


def of_all(weights: Sequence[np.ndarray], most: int) -> float:
    """As :func:`steps`, of all weights that share one scale; 0 where there is no weight either."""
    together = np.concatenate([weight.ravel() for weight in weights])
    return float(steps(together[together != 0][None], most)[0])


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
        divided = np.floor(step / needed * (1 + TOLERANCE))
        return np.where((step > 0) & (divided >= 1), step / divided, needed)


def parts(candidates: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Into how many units to divide each step, so that its threshold is as nearly a whole number of units as can be.

    Args:
        candidates: (rows, n), the finest first; 0: none.
        threshold: (rows,), in steps.

    Returns:
        float64 (rows,): the finest of equals; 0 where there is no candidate.
    """
    whole = candidates * threshold[:, None]
    off = np.abs(whole - np.rint(whole)) / np.where(whole > 0, whole, 1.0)
    off = np.where(candidates > 0, np.where(off <= TOLERANCE, 0.0, off), np.inf)
    return np.asarray(np.take_along_axis(candidates, off.argmin(axis=1)[:, None], axis=1)[:, 0])


def parts_up_to(most: np.ndarray, every: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """As :func:`parts`, of the multiples of ``every`` up to ``most`` but not to half of it, all (rows,)."""
    top = np.floor(most * (1 + TOLERANCE) / every)
    down = top[:, None] - np.arange(_TRIED)
    return parts(np.where(2 * down > top[:, None], down, 0.0) * every[:, None], threshold)


def moves_little(weight: Any, threshold: Any, rounded: Any) -> Any:
    """Whether a threshold that rounds moves, seen from it, a weight (of so many units) by less than half a unit.

    Where it moves one further, the weights had better round beside a threshold that is exact.
    """
    return weight * np.abs(rounded / threshold - 1) < 0.5


def noise(rounded: np.ndarray, weight: np.ndarray) -> float:
    """The sum of squares of what rounding changed, beyond what a float32 cannot tell: of a weight, or of the largest
    of its row where that is so of all."""
    error, largest = (np.abs(values).reshape(len(weight), -1) for values in (rounded - weight, weight))
    changed = error > TOLERANCE * largest
    changed &= (error > TOLERANCE * largest.max(axis=1, keepdims=True, initial=0.0)).any(axis=1, keepdims=True)
    return float((np.where(changed, error, 0.0) ** 2).sum())


def multiples(values: np.ndarray, unit: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Values in units; where weights are ``kept`` on a grid, what a float32 keeps of a whole number is that number."""
    found = values / unit
    return np.where(kept, whole(found, TOLERANCE), found)


def whole(values: np.ndarray, tolerance: float = 2.0**-40) -> np.ndarray:
    """Values that miss a whole number by a rounding (of float64, unless said otherwise) are that number."""
    nearest = np.rint(values)
    return np.where(np.abs(values - nearest) <= tolerance * np.abs(nearest), nearest, values)
