"""rounding: products and sums cut to a device's integers, to nearest, ties away from zero."""

from __future__ import annotations

import numpy as np


def decayed(v: np.ndarray, decay: np.ndarray, decay_bits: int) -> np.ndarray:
    """round(decay v / 2^decay_bits), to nearest, ties away from zero (int64)."""
    magnitude = (np.abs(v) * np.abs(decay) + (1 << (decay_bits - 1))) >> decay_bits
    return np.asarray(np.where((v < 0) != (decay < 0), -magnitude, magnitude))


def shifted(acc: np.ndarray, shift: int) -> np.ndarray:
    """acc * 2^shift, to nearest, ties away from zero (int64)."""
    if shift >= 0:
        return np.asarray(acc << shift)
    magnitude = (np.abs(acc) + (1 << (-shift - 1))) >> -shift
    return np.asarray(np.where(acc < 0, -magnitude, magnitude))
