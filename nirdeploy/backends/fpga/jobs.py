"""Jobs: what a core works off in a step, and the words in which it is told (``job_fetch.v``, ``segment_place.v``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

WORDS = 16  # per job
INPUT_GROUP = 0

# Flags of a job's word 4
FIRES, SUBTRACT, VALUES, FIRST_JOB, LAST_JOB, LAST_OF_LIST, SHARES = (1 << bit for bit in range(7))
SYNAPTIC, LATE, GUARD, BOUNDED = (1 << bit for bit in range(12, 16))
OLD, UNIFORM = 1 << 21, 1 << 22

# Flags of a segment's word 0
BEFORE, ENDS_PLANE, MOVES, ENDS_POSITION, ENDS_WINDOW = (1 << bit for bit in range(20, 25))

MOST_ABSENT = 7  # columns at either end of a line that have no such position of a window

MOST_COLUMNS = MOST_LINES = 4095
MOST_STEP = 65535  # bits from one column or line to the next
MOST_STRETCH = 127  # rows that are looked up for spikes together
MOST_UNIFORM = 8  # segments of a row that are looked up for spikes together
_LOOKED_UP = 128  # bits of a line that are looked up at once, from the start of a word on


@dataclass(frozen=True)
class PlacedSegment:
    """A segment of a job with its addresses, in the order of its fields in memory.

    ``ends_position``: of a window whose maximum is taken, ``ends_window``: that is its last one; ``absent``: how many
    columns at the start and at the end of a line have no such position. ``together``: how many of its weight rows stand
    at a place, which its rows' numbers say.
    """

    address: int
    before: bool
    ends_plane: bool
    moves: bool
    row: int
    bits: int
    first: int
    line_bits: int
    column_step: int
    line_step: int = 0
    ends_position: bool = False
    ends_window: bool = False
    absent: tuple[int, int] = (0, 0)
    together: int = 1

    def moved(self, places: int) -> PlacedSegment:
        """Where its weight rows stand so many places further up."""
        return replace(self, row=self.row + places * self.together)

    @property
    def ends_pass(self) -> bool:
        """Whether what was summed up so far moves on."""
        return self.ends_plane or self.ends_position or self.ends_window

    def encode(self, words: int) -> list[int]:
        """``words``: 4, or 2 where the hardware knows no grid."""
        flags = self.before * BEFORE | self.ends_plane * ENDS_PLANE | self.moves * MOVES
        flags |= self.ends_position * ENDS_POSITION | self.ends_window * ENDS_WINDOW
        flags |= self.absent[0] << 25 | self.absent[1] << 28
        return [
            self.address | flags,
            self.row | self.bits << 16,
            self.first & 0xFFFF | self.line_bits << 16,
            self.column_step | self.line_step << 16,
        ][:words]


@dataclass(frozen=True)
class Windows:
    """How alike segments move from row to row (``spotted_rows.v``), in bits.

    ``address``: where the first one's window starts for the first row; ``pitch``: from one segment to the next;
    ``stretch``: rows that are looked up at once; ``reach``: how far a window may reach from the byte that it was looked
    up from.
    """

    address: int
    pitch: int
    line_step: int
    stretch: int
    step: int
    reach: int

    def encode(self) -> list[int]:
        return [
            self.address & 0xFFFFF,
            self.pitch | self.line_step << 16,
            self.stretch * self.step | self.stretch << 16,
            self.step | self.reach << 8,
        ]


def windows(segments: Sequence[PlacedSegment], columns: int) -> Windows | None:
    """Of the rows of a job, if its segments are so alike and so narrow that several rows can be looked up at once."""
    one, last = segments[0], segments[-1]
    pitch = (last.address - one.address) // max(len(segments) - 1, 1)
    alike = [replace(one, address=one.address + n * pitch, row=s.row) for n, s in enumerate(segments)] == list(segments)
    if not alike or one.before or one.ends_pass or one.absent != (0, 0):
        return None
    if not (len(segments) <= MOST_UNIFORM and 0 <= pitch <= MOST_STEP and one.bits and one.column_step < 128):
        return None
    steps = one.address + one.first, pitch, one.line_step, one.column_step
    in_byte, in_word = 8 - math.gcd(8, *steps), 32 - math.gcd(32, *steps)  # how far into these a stretch may start
    reach = one.bits - 1 + in_byte
    room = _LOOKED_UP - 1 - in_word // 8 * 8 - reach  # for the windows to move in
    stretch = min(room // one.column_step + 1 if one.column_step else MOST_STRETCH, columns, MOST_STRETCH)
    if room < 0 or stretch < 2:
        return None
    return Windows(one.address + one.first, pitch, one.line_step, stretch, one.column_step, reach)


@dataclass
class Job:
    """Rows of one slice that read the same segments; fields as in ``job_fetch.v``."""

    wait: frozenset[int]
    wait_before: frozenset[int]
    flags: int
    shift: int
    group: int
    segments: tuple[PlacedSegment, ...]
    columns: int
    lines: int
    neurons: int
    slot: int
    parameter_slot: int
    destination: int
    row_step: int
    first_segment: int = 0
    plane_words: int = 0
    most: int = 0
    windows: Windows | None = None

    def look_ahead(self) -> None:
        """Have rows looked up for spikes together where they can be: of a line; of all, if they all read the same."""
        alike = self.columns == 1 and self.lines <= MOST_COLUMNS and not any(s.line_step for s in self.segments)
        columns, lines = (self.lines, 1) if alike else (self.columns, self.lines)
        if found := windows(self.segments, columns):
            self.windows, self.columns, self.lines = found, columns, lines

    @property
    def plain(self) -> bool:
        """Whether it asks for nothing of a dialect."""
        return self.most <= 1 and not self.flags & (LATE | GUARD | BOUNDED | OLD)

    def does_as(self, other: Job) -> bool:
        """Whether other neurons than these spike, and alike: they may follow closely."""
        does = FIRES | SUBTRACT | VALUES | SYNAPTIC | LATE | GUARD | BOUNDED | OLD
        alike = (self.flags ^ other.flags) & does == 0 and (self.shift, self.most) == (other.shift, other.most)
        return alike and not self.flags & VALUES and self.group != other.group

    @property
    def planes(self) -> int:
        """Bitmaps that its spikes fill: the bits of their number in a step."""
        return max(self.most.bit_length(), 1)

    def encode(self, release: Iterable[int], release_before: Iterable[int]) -> list[int]:
        uniform = self.windows.encode() if self.windows else []
        words = [
            mask(self.wait),
            mask(self.wait_before),
            mask(release),
            mask(release_before),
            self.flags | self.shift << 8 | self.group << 16 | (UNIFORM if uniform else 0),
            self.first_segment | len(self.segments) << 16,
            self.columns | self.lines << 12 | self.neurons - 1 << 24,
            self.slot | self.parameter_slot << 16,
            self.destination | self.plane_words << 16,
            self.row_step | self.most << 16 | self.planes - 1 << 24,
            *uniform,
        ]
        return words + [0] * (WORDS - len(words))


def releases(jobs: Sequence[Job]) -> list[tuple[frozenset[int], frozenset[int]]]:
    """Per job of a core's whole list: the groups it lets go of, of this step and of the one before.

    A bitmap that is read in the next step again is released there, by the last job to read it.
    """
    held = frozenset[int]().union(*(job.wait_before for job in jobs))
    later = later_before = frozenset[int]()
    found = []
    for job in reversed(jobs):
        found.append((job.wait - later - held, job.wait_before - later_before))
        later |= job.wait
        later_before |= job.wait_before
    return found[::-1]


def encode(jobs: Sequence[Job], split: int = 0) -> list[int]:
    """The words of a core's whole list, or of two: the first ``split`` jobs are one of their own."""
    ends = {split - 1, len(jobs) - 1}
    ended = [replace(job, flags=job.flags | LAST_OF_LIST) if n in ends else job for n, job in enumerate(jobs)]
    return [word for job, own in zip(ended, releases(jobs), strict=True) for word in job.encode(*own)]


def mask(groups: Iterable[int]) -> int:
    return sum(1 << group for group in groups)
