"""The operations of a program in external memory, and the words that say them (docs/player.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

#: Streams of one RUN or COPY, and sources of one SUM, at most.
MOST_STREAMS = MOST_SOURCES = 15
MOST_PLANES = 32
#: The stream of a descriptor that reads nothing: zeros.
ZEROS = 15


class Code(IntEnum):
    """Bits 31..24 of an operation's first word."""

    END = 0
    LOAD = 1
    PROBE = 2
    RUN = 3
    COPY = 4
    SUM = 5


@dataclass(eq=False)
class Region:
    """Words of the memory: [sample][tile][step][record of ``words``].

    ``still``: there is one step of each sample, which all of its steps are. ``born``, ``last``: the operations that
    write it and that read it last, by their place in the program (-1: it is there before).
    """

    tiles: int
    steps: int
    words: int
    still: bool = False
    born: int = -1
    last: int = -1
    offset: int = 0  # words, of one sample's room: where all regions are laid out for one

    @property
    def per_step(self) -> int:
        return 0 if self.still else self.words

    @property
    def per_tile(self) -> int:
        """Words from tile to tile."""
        return self.words * (1 if self.still else self.steps)

    @property
    def per_sample(self) -> int:
        return self.tiles * self.per_tile


#: Where a region stands, for so many samples.
Addresses = Callable[[Region], int]


@dataclass(frozen=True, eq=False)
class Load:
    """``words``: how many go to the cores' memories."""

    list_at: int
    words: int

    def encode(self, samples: int, at: Addresses) -> list[int]:
        return [Code.LOAD << 24, self.list_at]


@dataclass(frozen=True, eq=False)
class Probe:
    """``entries``: (group, kind, address, bytes), as of BEGIN, whole words each."""

    entries: tuple[tuple[int, int, int, int], ...]

    def encode(self, samples: int, at: Addresses) -> list[int]:
        table = [
            word for group, kind, address, size in self.entries for word in (group | kind << 8 | address << 16, size)
        ]
        return [Code.PROBE << 24 | len(self.entries), *table]


@dataclass(frozen=True, eq=False)
class Gather:
    """RUN or COPY: ``tiles`` gather lists, whose addresses stand at ``table_at``, of ``streams`` (a region, and by how
    many steps it is late), to ``to``.

    ``number``: of the pass that runs; None: what is gathered is copied. ``ahead_at``: the list that is loaded
    meanwhile, of ``ahead`` words. ``descriptors`` and ``chunks``: of all tiles' lists together.
    """

    steps: int
    tiles: int
    streams: tuple[tuple[Region, int], ...]
    table_at: int
    to: Region
    descriptors: int
    chunks: int
    number: int | None = None
    ahead_at: int = 0
    ahead: int = 0

    def encode(self, samples: int, at: Addresses) -> list[int]:
        code = Code.COPY if self.number is None else Code.RUN
        streams = [
            word for region, delay in self.streams for word in (at(region), region.per_sample, region.per_step, delay)
        ]
        head = [code << 24 | self.steps, samples, self.tiles, at(self.to), self.ahead_at, self.table_at]
        return [*head, len(self.streams), *streams]


@dataclass(frozen=True)
class Source:
    """Of a sum: words ``first`` on of every record of a region; ``planes``: 0 of numbers."""

    region: Region
    first: int
    planes: int


@dataclass(frozen=True, eq=False)
class Sum:
    """The bits of sums of ``values`` in every record."""

    planes: int
    values: int
    to: Region
    sources: tuple[Source, ...] = field(default=())

    def encode(self, samples: int, at: Addresses) -> list[int]:
        records = samples * self.to.tiles * self.to.steps
        sources = [word for one in self.sources for word in (at(one.region) + one.first, one.region.words, one.planes)]
        return [Code.SUM << 24 | self.planes, records, self.values, at(self.to), len(self.sources), *sources]


Operation = Load | Probe | Gather | Sum


def reads(operation: Operation) -> list[Region]:
    """The regions that an operation reads."""
    if isinstance(operation, Gather):
        return [region for region, _ in operation.streams]
    return [one.region for one in operation.sources] if isinstance(operation, Sum) else []


def program(operations: Sequence[Operation], samples: int, at: Addresses) -> np.ndarray:
    """The words of a whole program, uint32; equally many for any number of samples."""
    words = [word for operation in operations for word in operation.encode(samples, at)]
    return np.array([*words, Code.END << 24], dtype=np.uint32)
