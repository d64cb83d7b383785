"""When the cores do what: the design's pipelines as times, word by word, for given spikes.

Not a simulation of values: it follows, per job, the words fetched (``segments.v``), the bits walked (``walk.v``), the
rows updated (``row_update.v``), and the bitmaps completed and freed (``core.v``, ``fabric.v``), each as the cycle at
which it happens.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from nirdeploy.errors import InternalError
from nirdeploy.gather import jobs as flags
from nirdeploy.gather.hardware import Hardware
from nirdeploy.gather.jobs import Job
from nirdeploy.gather.layout import WORD

# Cycles between registers, counted in the Verilog.
_JOB = 12  # from one job's start to the next one's being read
_FIRST_WORD = 6  # from a start to its first bitmap word
_AHEAD = 5  # segments between the list and the word being read
_TO_WALK = 4  # from a word's reading to its first bit
_TO_ROW = 5  # from a row's last bit to its sums being complete
_TO_PUSH = 9  # from a neuron's issue to its word on the way to the bus
_TO_FULL = 3  # from there to the listeners' bitmap being complete
_IN_FLIGHT = 3  # words read, not yet queued
_KEPT_BACK = 4  # places of the queue kept for them
_WAITING = 4  # messages that may wait for the bus while rows go on
_OUT_QUEUE = 16


class Walk:
    """The bitmap words that a job reads, in order: which bits of which bitmap, and where a row's pass ends."""

    def __init__(self, job: Job) -> None:
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
        self.ahead = int(words[-_AHEAD:].sum()) if len(words) > _AHEAD else self.length
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

    def __init__(self, jobs: Sequence[Job], hardware: Hardware, bus: Bus) -> None:
        self.jobs = list(jobs)
        self.walks = [Walk(job) for job in self.jobs]
        self.releases = flags.releases(self.jobs)
        self.hears = frozenset[int]().union(*(job.wait | job.wait_before for job in self.jobs))
        self.step = self.at = 0
        self.spent = {"fetch": 0, "walk": 0, "update": 0, "wait": 0}
        self._update, self._bus = int(hardware.update), bus
        self._given = self._free = self._hold = self._drained = self._idle = self._started = 0
        self._fill = 0  # bits of the word that spikes are packed into
        self._taken = deque([0, 0], maxlen=2)  # of the last two jobs: the first row, into the hold chain
        self._fetched = deque([0, 0], maxlen=2)  # and the last word, read
        self._popped = deque([0], maxlen=hardware.queue - _KEPT_BACK + _IN_FLIGHT)
        self._sent = deque([(0, 0)], maxlen=_OUT_QUEUE)  # (pushed, taken by the bus)

    def work(self, complete: int, emptied: int, now: np.ndarray, before: np.ndarray) -> tuple[int, int]:
        """The next job: the cycles at which it has read all, and at which its group's bitmap is complete.

        ``complete``: when all that it reads is there; ``emptied``: when what its group sent two steps ago was read.
        """
        job, walk = self.jobs[self.at], self.walks[self.at]
        ready = max(self._started + _JOB, self._idle, self._fetched[0], self._taken[0])
        self._started = max(ready, complete)
        self.spent["wait"] += self._started - ready
        bits = walk.bits(now, before)
        self._walk(job, walk, bits, emptied)
        self.spent["fetch"] += walk.length
        self.spent["walk"] += int(bits.sum()) + walk.passes * job.lines * job.columns
        self._idle = max(self._given - walk.ahead, self._started) + 1
        self._fetched.append(self._given)
        self.at = (self.at + 1) % len(self.jobs)
        self.step += self.at == 0
        return self._given + 1, self._sent[-1][1] + _TO_FULL

    def _walk(self, job: Job, walk: Walk, bits: np.ndarray, emptied: int) -> None:
        """All rows: words that show nothing go no further than the queue, the others are walked bit by bit."""
        seen = np.flatnonzero((bits > 0) | walk.ends)
        last, passes = -1, 0
        self._given = max(self._given, self._started + _FIRST_WORD - 1)
        rows = job.lines * job.columns * walk.passes
        for k, ones, ends in zip(seen.tolist(), bits[seen].tolist(), walk.ends[seen].tolist(), strict=True):
            self._given = max(self._given + k - last, self._popped[0])
            last = k
            popped = max(self._given + _TO_WALK, self._free)
            self._popped.append(popped)
            self._free = popped + max(ones + ends, 1)
            if ends:
                summed = self._free + _TO_ROW
                taken = max(summed, self._hold, 0 if passes else self._drained)
                if not passes:
                    self._taken.append(taken)
                passes += 1
                self._free += taken - summed
                self._move(job, taken, passes % walk.passes == 0, passes == rows, emptied)

    def _move(self, job: Job, taken: int, whole: bool, last: bool, emptied: int) -> None:
        """A row through the hold chain: a bit plane into the partial sums, or neurons onto the bus."""
        slots = math.ceil(job.neurons / self._update)
        issued = taken + slots
        self._drained = issued + _TO_PUSH
        if whole and job.flags & flags.VALUES:
            at, left = taken + 1, job.neurons
            while left > 0:
                issued = self._room(at)
                for value in range(min(self._update, left)):
                    self._send(issued + _TO_PUSH + 1 + value, emptied)
                    self._drained = issued + _TO_PUSH + 1 + value
                at, left = issued + self._update + 1, left - self._update
        elif whole:
            first = self._room(taken + 1)
            issued = first + slots - 1
            filled = self._fill + slots * self._update
            for word in range(filled // WORD):
                self._send(first + ((word + 1) * WORD - self._fill) // self._update - 1 + _TO_PUSH, emptied)
            self._fill = filled % WORD
            if last and job.flags & flags.LAST_JOB and self._fill:
                self._send(issued + _TO_PUSH, emptied)
                self._fill = 0
            self._drained = issued + _TO_PUSH
        self.spent["update"] += issued - taken + 1
        self._hold = issued + 1

    def _send(self, cycle: int, emptied: int) -> None:
        self._sent.append((cycle, self._bus.take(max(cycle, emptied, self._sent[-1][1] + 1))))

    def _room(self, cycle: int) -> int:
        """When at most ``_WAITING`` messages wait for the bus."""
        while len(waiting := [taken for pushed, taken in self._sent if pushed <= cycle < taken]) > _WAITING:
            cycle = waiting[-_WAITING - 1]
        return cycle


class Schedule:
    """All cores, step by step, as fast as the input comes: one bitmap word per cycle.

    Args:
        programs: the jobs of each core that has any.
        bitmaps: uint8 (T, bits), the spikes of every step (:mod:`nirdeploy.gather.activity`).
        input_words: of the input's bitmap.
    """

    def __init__(
        self, programs: Sequence[Sequence[Job]], hardware: Hardware, bitmaps: np.ndarray, input_words: int
    ) -> None:
        self._bus = Bus()
        self.cores = [Core(jobs, hardware, self._bus) for jobs in programs]
        self._input_words = input_words
        none = np.zeros((1, bitmaps.shape[1] + 1), dtype=np.int64)
        counted = np.cumsum(bitmaps, axis=1, dtype=np.int64)
        self._ones = np.concatenate([none, np.pad(counted, ((0, 0), (1, 0)))])  # of step -1 first: none
        self._complete: dict[tuple[int, int], int] = {}  # (group, step): when it is
        self._emptied: dict[tuple[int, int], list[int]] = {}  # (group, step): when each listener has let go
        self._listeners = {g: sum(g in core.hears for core in self.cores) for core in self.cores for g in core.hears}
        self.finished = np.zeros(len(bitmaps), dtype=np.int64)
        self._run()

    def _run(self) -> None:
        steps, fed = len(self.finished), 0
        while fed < steps or any(core.step < steps for core in self.cores):
            moved = False
            if fed < steps and (emptied := self._when_emptied(flags.INPUT_GROUP, fed - 2)) is not None:
                sent = max(self._complete.get((flags.INPUT_GROUP, fed - 1), 0) - _TO_FULL, emptied)
                for _ in range(self._input_words):
                    sent = self._bus.take(sent + 1)
                self._complete[flags.INPUT_GROUP, fed] = sent + _TO_FULL
                fed, moved = fed + 1, True
            for core in self.cores:
                while core.step < steps and self._advance(core):
                    moved = True
            if not moved:
                raise InternalError("the schedule does not move any more: a job waits for a group that never completes")

    def _advance(self, core: Core) -> bool:
        """Work off the core's next job, if all is known that it waits for."""
        job, step = core.jobs[core.at], core.step
        sources = [(g, step) for g in job.wait] + [(g, step - 1) for g in job.wait_before if step]
        emptied = self._when_emptied(job.group, step - 2)
        if emptied is None or any(source not in self._complete for source in sources):
            return False
        number = core.at
        read, sent = core.work(
            max((self._complete[source] for source in sources), default=0),
            emptied,
            self._ones[step + 1],
            self._ones[step],
        )
        now, before = core.releases[number]
        for group, of in [(g, step) for g in now] + [(g, step - 1) for g in before if step]:
            self._emptied.setdefault((group, of), []).append(read)
        if job.flags & flags.LAST_JOB:
            self._complete[job.group, step] = sent
            self.finished[step] = max(self.finished[step], sent)
        return True

    def _when_emptied(self, group: int, step: int) -> int | None:
        """When every listener has let go of a bitmap; None while that is not known."""
        let_go = self._emptied.get((group, step), [])
        if step < 0 or group not in self._listeners:
            return 0
        return max(let_go) if len(let_go) == self._listeners[group] else None

    def period(self) -> float:
        """Cycles per step once all is under way: the slope of the steps' ends, the first quarter left out."""
        first = len(self.finished) // 4
        return float(self.finished[-1] - self.finished[first]) / (len(self.finished) - 1 - first)
