"""Weight rows: how many of few bits stand together in the place of one, and the numbers that say so.

A place is ``lanes`` weights of ``weight_bits``. The rows of a population whose weights all fit a half or a quarter of
these bits (signed) stand there by two or four, the first in the lowest bits. A row's number says how it stands
(``weight_place.v``): places have ``bits`` bits; rows that stand alone have their place's number, those that stand by
two are counted from 2^(bits + 1) on, by four from 2^(bits + 2), from the first row of place 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from nirdeploy.backends.fpga.schema import Hardware
from nirdeploy.integers.parts import Formats


def bits_of(weights: Iterable[np.ndarray]) -> int:
    """The fewest that hold each of these integers, signed; 1 where there is none."""
    least = 0
    for values in weights:
        if values.size:
            least = max(least, int(values.max()), -1 - int(values.min()))
    return least.bit_length() + 1


def together(bits: int, formats: Formats, hardware: Hardware) -> int:
    """How many rows of weights of so many bits stand in the place of one: 1, 2 or 4."""
    most = hardware.packs(formats.weight_bits)
    return max(count for count in (1, 2, 4) if count == 1 or (count <= most and count * bits <= formats.weight_bits))


def number(place: int, count: int, hardware: Hardware) -> int:
    """Of the first of ``count`` rows that stand together at a place; those that follow have the following ones."""
    start = 0 if count == 1 else count << hardware.place_bits
    return start + place * count


def places(rows: int, count: int) -> int:
    """That so many rows take, ``count`` of them together."""
    return math.ceil(rows / count)


def packed(rows: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Rows (n, lanes) as places (n / count, rounded up, lanes), numbers of ``bits`` bits without a sign."""
    part = bits // count
    padded = np.zeros((places(len(rows), count) * count, rows.shape[1]), dtype=np.int64)
    padded[: len(rows)] = rows & (2**part - 1)
    apart = padded.reshape(-1, count, rows.shape[1]) << (np.arange(count) * part)[:, None]
    return np.asarray(apart.sum(axis=1))
