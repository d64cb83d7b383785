"""Figures of a report on rounding that several backends give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sqnr_db(power: float, noise: float) -> float:
    """The ratio of the weights' power to their rounding's (dB); infinite where nothing was rounded."""
    return float(10 * np.log10(power / noise)) if noise and power else float("inf")


def lost_weights(rounded: Sequence[np.ndarray], exact: Sequence[np.ndarray]) -> float:
    """Which part of all weights rounding made zero."""
    zero, there = (np.concatenate([weights.ravel() == 0 for weights in each]) for each in (rounded, exact))
    return float(np.mean(zero & ~there))


def largest(signed: np.ndarray) -> float:
    """The value that is furthest from zero, with its sign."""
    flat = signed.ravel()
    return float(flat[np.abs(flat).argmax()])
