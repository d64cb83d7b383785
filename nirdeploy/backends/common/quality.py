"""Figures of a report on rounding that several backends give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nirdeploy.integers import grid


def sqnr_db(power: float, noise: float) -> float:
    """The ratio of the weights' power to their rounding's (dB); infinite where nothing was rounded."""
    return float(10 * np.log10(power / noise)) if noise and power else float("inf")


def noise(rounded: np.ndarray, exact: np.ndarray) -> float:
    """The sum of squares of what rounding changed; 0 where nothing is changed but what a float32 does not tell."""
    error = rounded - exact
    if np.abs(error).max(initial=0.0) <= grid.TOLERANCE * np.abs(exact).max(initial=0.0):
        return 0.0
    return float((error**2).sum())


def common_factor(rounded: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """By what all weights of a row are larger rounded than they are, if it is the same for all: (rows,), else 1.

    So it is with a grid, whose weights become whole numbers beside a threshold that rounds: the threshold errs.
    """
    furthest = np.abs(exact).argmax(axis=1)[:, None]
    one, other = (np.take_along_axis(values, furthest, axis=1) for values in (exact, rounded))
    factor = np.where(one == 0, 1.0, other / np.where(one == 0, 1.0, one))
    same = (np.abs(rounded - exact * factor) <= grid.TOLERANCE * np.abs(one)).all(axis=1)
    return np.where(same & (factor[:, 0] > 0), factor[:, 0], 1.0)


def lost_weights(rounded: Sequence[np.ndarray], exact: Sequence[np.ndarray]) -> float:
    """Which part of all weights rounding made zero."""
    zero, there = (np.concatenate([weights.ravel() == 0 for weights in each]) for each in (rounded, exact))
    return float(np.mean(zero & ~there))


def largest(signed: np.ndarray) -> float:
    """The value that is furthest from zero, with its sign."""
    flat = signed.ravel()
    return float(flat[np.abs(flat).argmax()])
