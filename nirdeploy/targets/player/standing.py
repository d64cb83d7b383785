"""Where signals stand in external memory: of every value, the region, the tile's place in it, and the bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.targets.player.operations import Region
from nirdeploy.targets.slots import Readout
from nirdeploy.targets.wiring import Given

WORD = 32
NOWHERE = -1


@dataclass(frozen=True)
class Entry:
    """What a record of a region holds of one population, from word ``first`` on: ``words``; ``planes`` of spikes, each
    ``plane_words``, or 0 of numbers. ``late``: the steps by which the population says its spikes later."""

    region: Region
    first: int
    words: int
    planes: int
    plane_words: int
    late: int = 0


@dataclass(frozen=True, eq=False)
class Standing:
    """A signal of N values, flat: arrays int64 (N,).

    ``of``: which of the entries holds a value, or :data:`NOWHERE` (it is 0 then); ``tile``: of its region; ``bit``: of
    its lowest bit in the record; ``between``: bits from plane to plane. ``planes``: 0 of numbers (32 bits each).
    """

    entries: tuple[Entry, ...]
    of: np.ndarray
    tile: np.ndarray
    bit: np.ndarray
    between: np.ndarray
    planes: int

    @property
    def size(self) -> int:
        return len(self.of)

    def is_like(self, other: Standing) -> bool:
        """Whether the values stand alike in records of one entry each, so that records can be added as they are."""
        if self.planes != other.planes or len(self.entries) != 1 or len(other.entries) != 1:
            return False
        (one,), (two,) = self.entries, other.entries
        alike = (one.words, one.plane_words, one.late) == (two.words, two.plane_words, two.late)
        return (
            alike
            and (one.region.tiles, one.region.still) == (two.region.tiles, two.region.still)
            and np.array_equal(self.tile, other.tile)
            and np.array_equal(self.bit - WORD * one.first, other.bit - WORD * two.first)
        )

    @property
    def adds_up(self) -> bool:
        """Whether its records can be a source of a sum."""
        return (
            len(self.entries) == 1
            and not self.entries[0].region.still
            and bool((self.of != NOWHERE).all())
            and self.entries[0].words == max(self.planes, 1) * self.entries[0].plane_words
        )


def in_order(region: Region, size: int, planes: int, order: np.ndarray | None = None) -> Standing:
    """Values one after the other in a region of one tile: plane by plane, or as numbers.

    ``order``: which value stands where.
    """
    place = np.arange(size)
    if order is not None:
        place[order] = np.arange(size)
    zeros = np.zeros(size, dtype=np.int64)
    if not planes:
        return Standing((Entry(region, 0, size, 0, size),), zeros, zeros, WORD * place, zeros, 0)
    words = -(-size // WORD)
    entry = Entry(region, 0, planes * words, planes, words)
    return Standing((entry,), zeros, zeros, place, zeros + WORD * words, planes)


def words_of(readout: Readout) -> list[int]:
    """Of a record: what each part of a population takes."""
    return [-(-readout.part_bytes(part) // 4) for part in readout.parts]


def given_by(pieces: Sequence[tuple[Given, Readout, Entry, tuple[int, ...]]], size: int) -> Standing:
    """What passes gave of one population: of each, where it goes, its read-out, the entry, and the shape of a box."""
    of = np.full(size, NOWHERE, dtype=np.int64)
    tile, bit, between = (np.zeros(size, dtype=np.int64) for _ in range(3))
    planes = pieces[0][2].planes
    for number, (given, readout, entry, shape) in enumerate(pieces):
        inside, apart = _in_record(readout, entry)
        index = np.arange(size).reshape(given.grid)
        for nth, first in enumerate(given.firsts):
            box = index[tuple(slice(a, a + n) for a, n in zip(first, shape, strict=True))].ravel()
            of[box], tile[box], bit[box], between[box] = number, nth, inside, apart
    return Standing(tuple(entry for _, _, entry, _ in pieces), of, tile, bit, between, planes)


def _in_record(readout: Readout, entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    """Of each value of a population, flat: its lowest bit in the record, and bits from plane to plane."""
    size = math.prod(readout.shape)
    bits, between = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    at = WORD * entry.first
    for part, words in zip(readout.parts, words_of(readout), strict=True):
        own = slice(part.first, part.first + part.count)
        bits[own] = at + (part.places() if entry.planes else WORD * np.arange(part.count))
        between[own] = part.plane_bits
        at += WORD * words
    return readout.arranged(bits).ravel(), readout.arranged(between).ravel()
