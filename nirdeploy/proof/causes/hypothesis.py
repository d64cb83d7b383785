"""hypothesis: a fault that may be, said in words, and how likely it is that such a fault looks as the device does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nirdeploy.proof.causes.fault import Fault

#: Of the changes of a number: those of one bit, those of its own size (from the least of it to all of it), all others.
_FLIP, _OWN, _ANY = 0.4, 0.3, 0.3
_LEAST = 0.05


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """``population``: whose it is, or that which does not see its source as it is. ``source``: then that one.
    ``place``: what of it, such as a weight's index. ``should``, ``device``: the number as it should be and as it would
    be. ``others``: other numbers that explain the same, the least and the largest. ``mass``: which part of all faults
    of its kind does what the device does, so that kinds can be told apart where several explain all.
    ``left``: cells of the population that differ all the same.
    """

    kind: str
    population: str
    text: str
    fault: Fault
    mass: float
    left: int = 0
    source: str = ""
    place: tuple[int, ...] = ()
    should: int | None = None
    device: int | None = None
    others: tuple[int, int] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def share(changes: np.ndarray, now: np.ndarray | int, span: int) -> float:
    """Which part of all changes of a number these are: :data:`_FLIP` of them are of one bit, :data:`_OWN` of the
    number's own size, of the others half as often small as large by their logarithm, half by their number.

    Args:
        changes: int (n,), those that explain the same; what lies between them does. now: the number, or all those that
            change alike. span: the largest change there is.
    """
    found, bits, size = 0.0, span.bit_length(), float(np.abs(now).max())
    for signed in (changes[changes > 0], changes[changes < 0]):
        if len(signed):
            least, most = sorted((abs(int(signed.min())), abs(int(signed.max()))))
            sign = 1 if signed[0] > 0 else -1
            sizes = [1 << bit for bit in range(bits) if least <= 1 << bit <= most]
            found += _FLIP * sum(_flip(now, sign * size, bits) for size in sizes) / bits
            found += _OWN / 2 * _logarithms(least, most, max(_LEAST * size, 1), size)
            found += _ANY / 2 * (_logarithms(least, most, 1, span) / 2 + (most - least + 1) / span)
    return found


def _logarithms(least: int, most: int, low: float, high: float) -> float:
    """Which part of the sizes between two these are, by their logarithm."""
    least_part, most_part = max(least, low) - 0.5, min(most, high) + 0.5
    return max(math.log(most_part / least_part), 0.0) / math.log((high + 0.5) / (low - 0.5)) if high >= low else 0.0


def _flip(now: np.ndarray | int, change: int, bits: int) -> bool:
    """Whether it is one bit of numbers of so many, the same of all."""
    odd = np.unique(((now + np.int64(change)) ^ now) & ((1 << bits) - 1))
    return len(odd) == 1 and int(odd[0]).bit_count() == 1


def slipped(steps: int) -> float:
    """How likely so many steps too late or too early are beside one: a clock slips once, a register holds any delay."""
    return 10.0 ** (1 - abs(steps))


def likeliest(changes: np.ndarray, now: np.ndarray | int, span: int) -> int:
    """The change to name: one bit that flipped, else the smallest."""
    flips = [d for d in changes.tolist() if _flip(now, d, span.bit_length())]
    return int(min(flips or changes.tolist(), key=lambda d: (abs(d), -d)))


def grid(low: float, high: float, now: int, least: int, most: int, many: int = 24) -> np.ndarray:
    """Changes between two bounds that leave a number within its limits, all or as many: int64, without 0."""
    low, high = max(low, least - now), min(high, most - now)
    if not low <= high:
        return np.zeros(0, dtype=np.int64)
    first, last = math.ceil(low), math.floor(high)
    if last - first < many:
        found = np.arange(first, last + 1)
    else:
        sizes = np.unique(np.geomspace(1, max(abs(first), abs(last)), many // 2).astype(np.int64))
        bits = np.left_shift(np.int64(1), np.arange(int(most - least).bit_length()))
        edges = [first, first + 1, first + 2, last - 2, last - 1, last]
        spread = np.linspace(first, last, many // 2).astype(np.int64)
        found = np.unique(np.concatenate([sizes, -sizes, bits, -bits, edges, spread]))
        found = found[(found >= first) & (found <= last)]
    return np.asarray(found[found != 0], dtype=np.int64)


def named(place: tuple[int, ...]) -> str:
    """An index as it is written: 3, or [3, 17]."""
    return str(place[0]) if len(place) == 1 else str(list(place))


def index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def span_text(others: tuple[int, int] | None) -> str:
    return "" if others is None or others[0] == others[1] else f" ({others[0]:,} to {others[1]:,} explain the same)"
