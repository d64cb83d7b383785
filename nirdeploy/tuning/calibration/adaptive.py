"""adaptive: weights put on a grid so that what arrives changes least, not so that each weight does.

Each row's step may be finer than its largest weight asks for (that weight is then clipped) where the whole row loses
less. Weights are rounded one column after the other, and what a column's rounding does to the sum is made up for by the
columns that are still to come, as their inputs go together (GPTQ: Frantar et al. 2022, arXiv 2210.17323; the idea is
Optimal Brain Surgeon's: Hassibi and Stork 1992).
"""

from __future__ import annotations

import numpy as np

#: Steps that are tried, in parts of the one at which nothing is clipped.
CLIPPINGS = np.linspace(1.0, 0.3, 29)
_DAMPING = 0.01  # of the mean of the correlation's diagonal: columns that never spike have none
_MOST_COLUMNS = 4096  # more would take minutes; those rows are rounded to nearest


def nearest(weight: np.ndarray, step: np.ndarray, most: int) -> np.ndarray:
    """Weights (rows, columns) as whole numbers of their row's step (rows,), up to ``most``."""
    return np.asarray(np.clip(np.rint(weight / step[:, None]), -most, most))


def steps(weight: np.ndarray, correlation: np.ndarray, most: int, shares: np.ndarray) -> np.ndarray:
    """The step of each row at which rounding to nearest costs least: float64 (rows,).

    Args:
        weight: (rows, columns). correlation: (columns, columns) of what they see. most: the largest whole number.
        shares: int (rows,): rows of one number have one step.
    """
    largest = np.zeros(shares.max() + 1)
    np.maximum.at(largest, shares, np.abs(weight).max(axis=1, initial=0.0))
    full = np.where(largest > 0, largest, 1.0)[shares] / most
    best, least = full, np.full(shares.max() + 1, np.inf)
    for part in CLIPPINGS:
        off = weight - nearest(weight, full * part, most) * (full * part)[:, None]
        cost = np.bincount(shares, np.einsum("ri,ij,rj->r", off, correlation, off, optimize=True))
        better = cost < least * (1 - 1e-9)
        best, least = np.where(better[shares], full * part, best), np.where(better, cost, least)
    return np.asarray(best)


def rounded(weight: np.ndarray, step: np.ndarray, correlation: np.ndarray, most: int) -> np.ndarray:
    """Weights as whole numbers of their step, the errors of each column made up for by those behind it."""
    columns = len(correlation)
    if columns > _MOST_COLUMNS or columns < 2:
        return nearest(weight, step, most)
    order = np.argsort(-correlation.diagonal(), kind="stable")
    damped = correlation[np.ix_(order, order)] + np.eye(columns) * max(_DAMPING * correlation.trace() / columns, 1e-12)
    # The upper Cholesky factor of the inverse holds, row by row, what the rest makes up for one column.
    inverse = np.linalg.inv(damped)
    factor = np.linalg.cholesky((inverse + inverse.T) / 2 + np.eye(columns) * 1e-12 * inverse.trace() / columns).T
    left, found = weight[:, order].copy(), np.zeros_like(weight)
    for at in range(columns):
        found[:, at] = np.clip(np.rint(left[:, at] / step), -most, most)
        off = (left[:, at] - found[:, at] * step) / factor[at, at]
        left[:, at + 1 :] -= off[:, None] * factor[at, at + 1 :]
    back = np.zeros_like(found)
    back[:, order] = found
    return back
