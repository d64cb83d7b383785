"""wiring: how the passes of a network read what came before them, and whose spikes and sums they give.

A signal is what an input or a population sends in all steps, kept by whoever plays the passes. A pass reads boxes of
signals, as its inputs, and gives boxes of signals, from its read-outs. It does so for one tile or for several, where
parts of a population are the same network: then only the places of the boxes differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

Place = tuple[int, ...]


class Form(StrEnum):
    """How a pass takes a signal. A sum is a signed number, of ``of_sum`` bits."""

    AS_IT_IS = ""
    LOW = "low"  # a sum without its sign: all bits but the highest, as they stand
    SIGN = "sign"  # 1 where a sum is negative: the highest bit
    BOTH = "both"  # both channel by channel, the sign's bit in its place


@dataclass(frozen=True)
class Taken:
    """An input of a pass: boxes of the sum of ``signals``, seen in ``grid``, ``delay`` steps late; beyond it 0 is read.

    ``firsts``: where the box begins, by tile; its shape is the input's.
    """

    input: str
    signals: tuple[str, ...]
    grid: tuple[int, ...]
    firsts: tuple[Place, ...]
    delay: int = 0
    form: Form = Form.AS_IT_IS
    of_sum: int = 0


@dataclass(frozen=True)
class Given:
    """What a population of a pass gives: boxes of a signal that is seen in ``grid``.

    ``adds``: they are added to what other passes give of it, so that it is a sum.
    """

    population: str
    signal: str
    grid: tuple[int, ...]
    firsts: tuple[Place, ...]
    adds: bool = False


End = TypeVar("End", Taken, Given)


@dataclass(frozen=True)
class Wiring:
    """All inputs of a pass and all that it gives; ``tiles``: how often it is played for each sample."""

    takes: tuple[Taken, ...]
    gives: tuple[Given, ...]
    tiles: int

    def as_dict(self) -> dict[str, Any]:
        """For a header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Wiring:
        """The inverse of :meth:`as_dict`. Raises KeyError, TypeError or ValueError if it is none."""

        def ends(entry: Mapping[str, Any]) -> dict[str, Any]:
            firsts = tuple(tuple(place) for place in entry["firsts"])
            return {**entry, "grid": tuple(entry["grid"]), "firsts": firsts}

        def taken(entry: Mapping[str, Any]) -> Taken:
            return Taken(**{**ends(entry), "signals": tuple(entry["signals"]), "form": Form(entry["form"])})

        takes = tuple(taken(entry) for entry in values["takes"])
        return cls(takes, tuple(Given(**ends(entry)) for entry in values["gives"]), values["tiles"])


def joined(wirings: Sequence[Wiring]) -> Wiring:
    """The wiring of all tiles, from that of each: they differ in their places only."""
    first, tiles = wirings[0], sum(one.tiles for one in wirings)
    takes = (_joined([one.takes[at] for one in wirings]) for at in range(len(first.takes)))
    gives = (_joined([one.gives[at] for one in wirings]) for at in range(len(first.gives)))
    return Wiring(tuple(takes), tuple(gives), tiles)


def _joined(ends: Sequence[End]) -> End:
    return replace(ends[0], firsts=tuple(first for end in ends for first in end.firsts))


def formed(values: np.ndarray, form: Form, of_sum: int) -> np.ndarray:
    """Numbers (..., *grid) in a form: not negative, of the same grid but for BOTH, which has twice the channels."""
    if form is Form.AS_IT_IS:
        return values
    low = values & ((1 << of_sum - 1) - 1)
    if form is Form.LOW:
        return low
    sign = (values < 0).astype(values.dtype)
    if form is Form.SIGN:
        return sign
    both = np.stack([low, sign << of_sum - 1], axis=-3)  # (..., channels, 2, height, width)
    return both.reshape(*values.shape[:-3], 2 * values.shape[-3], *values.shape[-2:])


def cropped(values: np.ndarray, first: Place, shape: tuple[int, ...]) -> np.ndarray:
    """The box of signals (T, B, *grid) that begins at ``first``: (T, B, *shape), 0 beyond the grid."""
    inside = [(max(f, 0), min(f + size, end)) for f, size, end in zip(first, shape, values.shape[2:], strict=True)]
    every = slice(None), slice(None)
    seen = values[(*every, *(slice(a, max(a, b)) for a, b in inside))]
    if seen.shape[2:] == shape:
        return seen
    made = np.zeros((*values.shape[:2], *shape), dtype=values.dtype)
    if all(b > a for a, b in inside):
        made[(*every, *(slice(a - f, b - f) for (a, b), f in zip(inside, first, strict=True)))] = seen
    return made
