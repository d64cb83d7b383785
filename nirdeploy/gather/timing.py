"""When one core does what: the design's pipelines as times, word by word, for given spikes.

Not a simulation of values: it follows, per job, the words fetched (``segments.v``), the bits walked (``walk.v``) and
the rows updated (``row_update.v``), each as the cycle at which it happens.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from nirdeploy.gather import jobs as flags
from nirdeploy.gather.hardware import Hardware
from nirdeploy.gather.jobs import Job
from nirdeploy.gather.layout import WORD

# Cycles between registers, counted in the Verilog.
_JOB = 12  # from one job's start (compact: end) to the next one's being read
_AHEAD = 3  # segments between the list and the word being read, without a grid
_GRID = 2  # more of both where segments move with the place in a grid
TO_FULL = 3  # from a message on the bus to the listeners' bitmap being complete
_IN_FLIGHT = 3  # words read, not yet queued
_KEPT_BACK = 4  # places of the queue kept for them
_WAITING = 4  # messages that may wait for the bus while rows go on
_OUT_QUEUE = 16


class Walk:
    """The bitmap words that a job reads, in order: which bits of which bitmap, and where a row's pass ends."""

    def __init__(self, job: Job, hardware: Hardware) -> None:
        line, column = (index.reshape(-1, 1) for index in np.mgrid[: job.lines, : job.columns])
        of = {
            name: np.array([getattr(segment, name) for segment in job.segments])
            for name in ("address", "line_step", "first", "column_step", "bits", "line_bits", "before", "ends_plane")
        }
        first = of["first"] + column * of["column_step"]
        low, high = np.maximum(first, 0), np.minimum(first + of["bits"], of["line_bits"])
        base = of["address"] + line * of["line_step"]
        start, stop = (base + low).ravel(), (base + np.maximum(low, high)).ravel()
        ends = of["ends_plane"].astype(bool)
        ends[-1] = True
        words = np.where(stop > start, (stop - 1) // WORD - start // WORD + 1, 1)
        segment = np.repeat(np.arange(len(words)), words)
        nth = np.arange(len(segment)) - np.repeat(np.cumsum(words) - words, words)
        word = start[segment] // WORD + nth
        self.start = np.maximum(start[segment], word * WORD)
        self.stop = np.maximum(np.minimum(stop[segment], (word + 1) * WORD), self.start)
        self.before = np.tile(of["before"].astype(bool), len(line))[segment]
        self.ends = np.tile(ends, len(line))[segment] & (nth == words[segment] - 1)
        self.length = len(segment)
        self.at = np.arange(self.length) + hardware.compact * segment  # when each is read, if nothing holds it up
        ahead = _AHEAD + _GRID * hardware.spatial
        self.ahead = int(words[-ahead:].sum()) if len(words) > ahead else self.length
        self.passes = int(ends.sum())  # of a row

    def bits(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Set bits in every word. ``now``, ``before``: set bits up to each one of a step's bitmaps."""
        late, new = before[self.stop] - before[self.start], now[self.stop] - now[self.start]
        return np.asarray(np.where(self.before, late, new))


class Bus:
    """One message a cycle; who asks for a cycle that is taken gets the next free one."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def take(self, cycle: int) -> int:
        path = []
        while cycle in self._next:
            path.append(cycle)
            cycle = self._next[cycle]
        for passed in path:
            self._next[passed] = cycle + 1
        self._next[cycle] = cycle + 1
        return cycle


class Core:
    """One core on its way through the steps."""

    first_word: ClassVar = 4  # from a start to its first bitmap word, without a grid
    to_walk: ClassVar = 4  # from a word's reading to its first bit
    to_row: ClassVar = 5  # from a row's last bit to its sums being complete
    to_push: ClassVar = 9  # from a neuron's issue to its word on the way to the bus
    to_release: ClassVar = 1  # from the last word's reading to its group being let go

    def __init__(self, jobs: Sequence[Job], hardware: Hardware, bus: Bus) -> None:
        self.jobs = list(jobs)
        self.walks = [Walk(job, hardware) for job in self.jobs]
        self.releases = flags.releases(self.jobs)
        self.hears = frozenset[int]().union(*(job.wait | job.wait_before for job in self.jobs))
        self.step = self.at = 0
        self.read = self.sent = 0  # of the last job: when it had read all, when its group's bitmap was complete
        self.spent = {"fetch": 0, "walk": 0, "update": 0, "wait": 0}
        self._update, self._bus = int(hardware.update), bus
        self._first_word = self.first_word + _GRID * hardware.spatial
        self._given = self._free = self._hold = self._drained = self._idle = self._started = 0
        self._fill = 0  # bits of the word that spikes are packed into
        self._taken = deque([0, 0], maxlen=2)  # of the last two jobs: the first row, into the hold chain
        self._fetched = deque([0, 0], maxlen=2)  # and the last word, read
        self._popped = deque([0], maxlen=hardware.queue - _KEPT_BACK + _IN_FLIGHT)
        self._sent = deque([(0, 0)], maxlen=_OUT_QUEUE)  # (pushed, taken by the bus)

    def ready(self, complete: int) -> int:
        """The first cycle at which the next job may start, whose sources are there from ``complete`` on."""
        return max(self._started + _JOB, self._idle, self._fetched[0], self._taken[0], complete)

    def work(self, complete: int, emptied: int, now: np.ndarray, before: np.ndarray) -> Iterator[int]:
        """The next job, a row at a time: yields the cycle each was through at; then ``read`` and ``sent`` are its.

        ``complete``: when all that it reads is there; ``emptied``: when what its group sent two steps ago was read.
        """
        job, walk = self.jobs[self.at], self.walks[self.at]
        self.spent["wait"] += self.ready(complete) - self.ready(0)
        self._started = self.ready(complete)
        bits = walk.bits(now, before)
        yield from self._walk(job, walk, bits, emptied)
        self.spent["fetch"] += walk.length
        self.spent["walk"] += int(bits.sum()) + walk.passes * job.lines * job.columns
        self._idle = max(self._given - walk.ahead, self._started) + 1
        self._fetched.append(self._given)
        self.at = (self.at + 1) % len(self.jobs)
        self.step += self.at == 0
        self.read, self.sent = self._given + self.to_release, self._sent[-1][1] + TO_FULL

    def _walk(self, job: Job, walk: Walk, bits: np.ndarray, emptied: int) -> Iterator[int]:
        """All rows: words that show nothing go no further than the queue, the others are walked bit by bit."""
        seen = np.flatnonzero((bits > 0) | walk.ends)
        last, passes = -1, 0
        self._given = max(self._given, self._started + self._first_word - 1)
        rows = job.lines * job.columns * walk.passes
        for k, ones, ends in zip(seen.tolist(), bits[seen].tolist(), walk.ends[seen].tolist(), strict=True):
            self._given = max(self._given + int(walk.at[k]) - last, self._popped[0])
            last = int(walk.at[k])
            popped = max(self._given + self.to_walk, self._free)
            self._popped.append(popped)
            self._free = popped + max(ones + ends, 1)
            if ends:
                summed = self._free + self.to_row
                taken = max(summed, self._hold, 0 if passes else self._drained)
                if not passes:
                    self._taken.append(taken)
                passes += 1
                self._free += taken - summed
                self._move(job, taken, passes % walk.passes == 0, passes == rows, emptied)
                yield self._hold

    def _move(self, job: Job, taken: int, whole: bool, last: bool, emptied: int) -> None:
        """A row through the hold chain: a bit plane into the partial sums, or neurons onto the bus."""
        slots = math.ceil(job.neurons / self._update)
        issued = taken + slots
        self._drained = issued + self.to_push
        if whole and job.flags & flags.VALUES:
            at, left = taken + 1, job.neurons
            while left > 0:
                issued = self._room(at)
                for value in range(min(self._update, left)):
                    self._send(issued + self.to_push + value, emptied)
                    self._drained = issued + self.to_push + value
                at, left = issued + self._update, left - self._update
        elif whole:
            first = self._room(taken + 1)
            issued = first + slots - 1
            filled = self._fill + slots * self._update
            for word in range(filled // WORD):
                self._send(first + ((word + 1) * WORD - self._fill) // self._update - 1 + self.to_push, emptied)
            self._fill = filled % WORD
            if last and job.flags & flags.LAST_JOB and self._fill:
                self._send(issued + self.to_push, emptied)
                self._fill = 0
            self._drained = issued + self.to_push
        self.spent["update"] += issued - taken + 1
        self._hold = issued + 1

    def _send(self, cycle: int, emptied: int) -> None:
        self._sent.append((cycle, self._bus.take(max(cycle, emptied, self._sent[-1][1] + 1))))

    def _room(self, cycle: int) -> int:
        """When at most ``_WAITING`` messages wait for the bus."""
        while len(waiting := [taken for pushed, taken in self._sent if pushed <= cycle < taken]) > _WAITING:
            cycle = waiting[-_WAITING - 1]
        return cycle


class CompactCore(Core):
    """One job and one neuron at a time; the next word is found while one is walked."""

    first_word = 3
    to_walk = 1
    to_row = 3
    to_release = 2

    def __init__(self, jobs: Sequence[Job], hardware: Hardware, bus: Bus) -> None:
        super().__init__(jobs, hardware, bus)
        self._pace = hardware.pace
        self._popped = deque([0], maxlen=1)

    def ready(self, complete: int) -> int:
        return max(self._drained + _JOB, complete)

    def _move(self, job: Job, taken: int, whole: bool, last: bool, emptied: int) -> None:
        at, left = max(taken + 1, self._drained), job.neurons
        if not whole:
            self._hold = at + left
            return
        values, issued = bool(job.flags & flags.VALUES), at
        while left > 0:
            count = 1 if values else min(left, WORD - self._fill)
            issued = at + (count - 1) * self._pace
            at, left = issued + self._pace, left - count
            self._fill = 0 if values else (self._fill + count) % WORD
            if values or self._fill == 0:
                at = self._after(at, emptied)
        if last and job.flags & flags.LAST_JOB and self._fill:
            at = self._after(at + WORD - self._fill, emptied)  # its bits move down to where they belong
            self._fill = 0
        self.spent["update"] += at - taken
        self._drained = at
        self._hold = issued + 1

    def _after(self, cycle: int, emptied: int) -> int:
        """The cycle after a message that may leave from ``cycle`` on."""
        self._send(cycle, emptied)
        return self._sent[-1][1] + 1
