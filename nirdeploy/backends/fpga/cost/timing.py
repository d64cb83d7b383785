"""When one core does what: the design's pipelines as times, word by word, for given spikes.

Not a simulation of values: it follows, per job, the words fetched (``segments.v``), the bits walked (``walk.v``) and
the rows updated (``row_update.v``), each as the cycle at which it happens.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from nirdeploy.backends.fpga import jobs as flags
from nirdeploy.backends.fpga.cost.walks import SpottedWalk, Walk
from nirdeploy.backends.fpga.jobs import Job
from nirdeploy.backends.fpga.layout import WORD
from nirdeploy.backends.fpga.schema import Hardware

# Cycles between registers, counted in the Verilog.
_JOB = 12  # from one job's start (compact: end) to the next one's being read
_AHEAD = 3  # segments between the list and the word being read, without a grid
_GRID = 2  # more of both where segments move with the place in a grid
TO_FULL = 3  # from a message on the bus to the listeners' bitmap being complete
_IN_FLIGHT = 3  # words read, not yet queued
_LOOKED = 6  # cycles more to the first row, where rows are looked up for spikes
_KEPT_BACK = 4  # places of the queue kept for them
_WAITING = 4  # messages that may wait for the bus while rows go on
_OUT_QUEUE = 16


class Bus:
    """One message a cycle; who asks for a cycle that is taken gets the next free one."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def free(self, cycle: int) -> int:
        """The first cycle from this one on that is not taken."""
        path = []
        while cycle in self._next:
            path.append(cycle)
            cycle = self._next[cycle]
        for passed in path:
            self._next[passed] = cycle
        return cycle

    def take(self, cycle: int) -> int:
        taken = self.free(cycle)
        self._next[taken] = taken + 1
        return taken


@dataclass(frozen=True)
class Started:
    """What a job meets, and whom it tells.

    Args:
        complete: when all that it reads is there.
        emptied: when what its group sent two steps ago was read.
        now, before: set bits up to each one of this step's and the last step's bitmaps.
        let_go: told when it has read all.
        through: told when its last message is in the listeners' bitmaps.
    """

    complete: int
    emptied: int
    now: np.ndarray
    before: np.ndarray
    let_go: Callable[[int], None]
    through: Callable[[int], None]


@dataclass(frozen=True)
class Row:
    """What stands behind the last word of a pass of a row."""

    job: Job
    started: Started
    first: bool  # of the job
    whole: bool  # all passes are through
    last: bool


class Word(NamedTuple):
    """A bitmap word that was read: when, its set bits, and what it ends."""

    given: int
    ones: int
    row: Row | None


class Core:
    """One core on its way through the steps. What it does goes as far as it can without the bus: ``wants`` is the cycle
    from which on the next message of the row under way asks for it, and :meth:`send` goes on from there.
    """

    first_word: ClassVar = 4  # from a start to its first bitmap word, without a grid
    to_walk: ClassVar = 4  # from a word's reading to its first bit
    to_row: ClassVar = 6  # from a row's last bit to its sums being complete
    to_push: ClassVar = 12  # from a neuron's issue to its word on the way to the bus
    behind: ClassVar = 0  # cycles that a row's end takes the walk, where the row has bits
    to_release: ClassVar = 0  # from the last word's reading to its group being let go

    def __init__(self, jobs: Sequence[Job], hardware: Hardware, bus: Bus, split: int = 0) -> None:
        self.jobs = list(jobs)
        self._lists = [(0, split), (split, len(self.jobs))] if split else [(0, len(self.jobs))]
        ahead = _AHEAD + _GRID * hardware.spatial
        spots = int(hardware.looks_ahead)
        self.walks = [SpottedWalk(job, hardware, ahead) if spots else Walk(job, hardware, ahead) for job in self.jobs]
        self.releases = flags.releases(self.jobs)
        self.hears = frozenset[int]().union(*(job.wait | job.wait_before for job in self.jobs))
        self._at, self._steps = [first for first, _ in self._lists], [0] * len(self._lists)  # of each list's next job
        self._turn = 0  # the list whose next job is fetched first
        self.wants: int | None = None
        self.spent = {"fetch": 0, "walk": 0, "update": 0, "wait": 0}
        self._update, self._bus = int(hardware.update), bus
        self._hardware = hardware
        self._first_word = self.first_word + _GRID * hardware.spatial
        self._to_walk, self._to_release = self.to_walk + spots, self.to_release + spots
        self._depth = 1 if hardware.compact else hardware.queue - _KEPT_BACK + _IN_FLIGHT
        self._words: Iterator[Word] | None = None  # of the job whose words are read
        self._queue: deque[Word] = deque()  # read, not walked
        self._messages: Iterator[int] = iter(())  # of the row that is updated
        self._given = self._free = self._hold = self._drained = self._idle = self._started = 0
        self._taken_last: Job | None = None  # the job whose rows are updated
        self._fill = 0  # bits of the word that spikes are packed into
        self._waiting = 0  # jobs that the update has not begun
        self._taken = deque([0, 0], maxlen=2)  # of the last two that it has: the first row, into the hold chain
        self._fetched = deque([0, 0], maxlen=2)  # of the last two jobs: the last word, read
        self._popped = deque([0] * self._depth, maxlen=self._depth)  # of the words walked: when they left the queue
        self._sent = deque([(0, 0)], maxlen=_OUT_QUEUE)  # (pushed, taken by the bus)

    @property
    def to_come(self) -> bool:
        """Whether a job that was started is not through."""
        return self._words is not None or bool(self._queue) or self.wants is not None

    @property
    def step(self) -> int:
        """The step up to which it has begun all."""
        return self._steps[-1]

    @property
    def startable(self) -> bool:
        """Whether it is known when the next job may start, but for what it waits for."""
        return self._words is None and self._waiting < 2

    def choices(self) -> list[tuple[int, int]]:
        """(job, its step) of what may be next: what is fetched first, then what it is given up for."""
        ahead = self._steps[0] - self._steps[-1]
        whole = bool(self.jobs[self._at[self._turn]].flags & flags.FIRST_JOB)  # a group's jobs stay together
        own = [self._turn, 1 - self._turn] if len(self._lists) > 1 and ahead == 1 and whole else [self._turn]
        return [(self._at[each], self._steps[each]) for each in own]

    def ready(self, complete: int, nth: int = 0) -> int:
        """The first cycle at which the ``nth`` choice may start, whose sources are there from ``complete`` on."""
        fetched = self._started + _JOB * (1 + nth)
        if len(self._lists) > 1 and self._turn == nth and complete > fetched and self._steps[0] > self._steps[1]:
            complete += _JOB  # while neither has one to start, the second list's job is the one that is fetched
        return max(fetched, self._idle, self._fetched[0], self._taken[self._waiting], complete)

    def start(self, job: Started, nth: int = 0) -> None:
        """A choice, as far as it goes without the bus."""
        at, _ = self.choices()[nth]
        self.spent["wait"] += self.ready(job.complete, nth) - self.ready(0)
        self._started = self.ready(job.complete, nth)
        self._waiting += 1
        self._words = self._read(self.jobs[at], self.walks[at], job)
        own = self._turn if nth == 0 else 1 - self._turn
        first, end = self._lists[own]
        self._at[own] = first if at + 1 == end else at + 1
        self._steps[own] += at + 1 == end
        self._turn = own
        if len(self._lists) > 1 and self.jobs[at].flags & flags.LAST_JOB:
            ahead = self._steps[0] - self._steps[1]
            self._turn = 1 - own if ahead == 1 else ahead // 2
        self._go_on()

    def send(self) -> None:
        """The message that is wanted takes the bus."""
        self.wants = next(self._messages, None)
        if self.wants is None:
            self._go_on()

    def _go_on(self) -> None:
        """Reads while the queue has room; walks up to a row that waits for the messages of the row before."""
        while True:
            while self._words is not None and len(self._queue) < self._depth:
                if (word := next(self._words, None)) is None:
                    self._words = None
                else:
                    self._queue.append(word)
            if not self._queue or (self._queue[0].row is not None and self.wants is not None):
                return
            self._walk(self._queue.popleft())

    def _read(self, job: Job, walk: Walk, started: Started) -> Iterator[Word]:
        """The words of all rows; what shows nothing goes no further than the queue, and is left out."""
        read = walk.read(started.now, started.before)
        last, passes = -1, 0
        looked = len(job.segments) + _LOOKED if job.windows else 0
        self._given = max(self._given, self._started + self._first_word + looked - 1)
        self.spent["fetch"] += read.cycles
        self.spent["walk"] += int(np.maximum(read.ones + self.behind * read.ends, 1).sum())
        for at, ones, ends, whole in zip(
            *(x.tolist() for x in (read.at, read.ones, read.ends, read.whole)), strict=True
        ):
            # Of the word whose place this one takes: those in the queue come before it.
            self._given = max(self._given + at - last, self._popped[len(self._queue)])
            last = at
            row = None
            if ends:
                passes += 1
                row = Row(job, started, passes == 1, whole, passes == walk.passes)
            if passes == walk.passes:
                self._idle = max(self._given - read.last, self._started) + 1
                self._fetched.append(self._given)
                started.let_go(self._given + self._to_release)
            yield Word(self._given, ones, row)

    def _walk(self, word: Word) -> None:
        """Bit by bit, and behind the last one of a row its sums move on."""
        popped = max(word.given + self._to_walk, self._free)
        self._popped.append(popped)
        self._free = popped + max(word.ones + (self.behind if word.row else 0), 1)
        if word.row is not None:
            summed = self._free + self.to_row
            taken = max(summed, self._hold, self._drained if self._waits(word.row) else 0)
            if word.row.first:
                self._taken.append(taken)
                self._waiting -= 1
            self._free += taken - summed
            self._messages = self._update_row(word.row, taken)
            self.wants = next(self._messages, None)

    def _waits(self, row: Row) -> bool:
        """Whether it waits for all before it: as the first of its group, if its neurons do something else."""
        if not row.first:
            return False
        before, self._taken_last = self._taken_last, row.job
        return bool(row.job.flags & flags.FIRST_JOB) and not (before is not None and before.does_as(row.job))

    def _update_row(self, row: Row, taken: int) -> Iterator[int]:
        yield from self._move(row, taken)
        if row.last:
            row.started.through(self._sent[-1][1] + TO_FULL)

    def _move(self, row: Row, taken: int) -> Iterator[int]:
        """A row through the hold chain: a pass into the partial sums, or neurons onto the bus."""
        job = row.job
        slots = math.ceil(job.neurons / self._update)
        to_push = self.to_push + self._hardware.beyond(job.plain)
        issued = taken + slots
        self._drained = issued + to_push
        if row.whole and job.flags & flags.VALUES:
            at, left = taken + 1, job.neurons
            while left > 0:
                issued = self._room(at)
                for value in range(min(self._update, left)):
                    yield from self._send(issued + to_push + value, row)
                    self._drained = issued + to_push + value
                at, left = issued + self._hardware.value_pace(job.plain), left - self._update
        elif row.whole:
            first = self._room(taken + 1)
            issued = first + slots - 1
            filled = self._fill + slots * self._update
            for word in range(filled // WORD):
                pushed = first + ((word + 1) * WORD - self._fill) // self._update - 1 + to_push
                yield from self._send(pushed, row)
            self._fill = filled % WORD
            if row.last and job.flags & flags.LAST_JOB and self._fill:
                yield from self._send(issued + to_push, row)
                self._fill = 0
            self._drained = issued + to_push
        self.spent["update"] += issued - taken
        self._hold = issued + (not row.whole)

    def _send(self, cycle: int, row: Row) -> Iterator[int]:
        """A word of spikes, each plane a message, or a value."""
        taken = self._sent[-1][1]
        for _ in range(row.job.planes):
            wanted = max(cycle, row.started.emptied, taken + 1)
            yield wanted
            taken = self._bus.take(wanted)
        self._sent.append((cycle, taken))

    def _room(self, cycle: int) -> int:
        """When at most ``_WAITING`` messages are queued, one that has just left among them."""
        while len(queued := [taken for pushed, taken in self._sent if pushed <= cycle <= taken + 1]) > _WAITING:
            cycle = queued[-_WAITING - 1] + 2
        return cycle


class CompactCore(Core):
    """One job and one neuron at a time; the next word is found while one is walked."""

    first_word = 3
    to_walk = 1
    to_row = 3
    to_release = 2
    behind = 1

    @property
    def startable(self) -> bool:
        return not self.to_come

    def ready(self, complete: int, nth: int = 0) -> int:
        return max(self._drained + _JOB, complete)

    def _waits(self, row: Row) -> bool:
        return row.first

    def _move(self, row: Row, taken: int) -> Iterator[int]:
        job = row.job
        pace = self._hardware.pace(job.plain)
        at, left = max(taken + 1, self._drained), job.neurons
        if not row.whole:
            self._hold = at + left
            return
        values, issued = bool(job.flags & flags.VALUES), at
        while left > 0:
            count = 1 if values else min(left, WORD - self._fill)
            issued = at + (count - 1) * pace
            at, left = issued + pace, left - count
            self._fill = 0 if values else (self._fill + count) % WORD
            if values or self._fill == 0:
                at = yield from self._after(at, row)
        if row.last and job.flags & flags.LAST_JOB and self._fill:
            at = yield from self._after(at + WORD - self._fill, row)  # its bits move down to where they belong
            self._fill = 0
        self.spent["update"] += at - taken
        self._drained = at
        self._hold = issued + 1

    def _after(self, cycle: int, row: Row) -> Generator[int, None, int]:
        """The cycle after a message that may leave from ``cycle`` on."""
        yield from self._send(cycle, row)
        return self._sent[-1][1] + 1
