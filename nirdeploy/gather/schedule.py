"""When the cores do what, step by step: bitmaps completed and freed (``core.v``, ``fabric.v``) between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nirdeploy.errors import InternalError
from nirdeploy.gather import jobs as flags
from nirdeploy.gather.hardware import Hardware
from nirdeploy.gather.jobs import Job
from nirdeploy.gather.timing import TO_FULL, Bus, CompactCore, Core


class Schedule:
    """All cores, step by step, as fast as the input comes: one bitmap word per cycle.

    Args:
        programs: the jobs of each core that has any.
        bitmaps: uint8 (T, bits), the spikes of every step (:mod:`nirdeploy.gather.activity`).
        input_words: of the input's bitmap.
        apart: a step's input comes when all is done with the step before.
    """

    def __init__(
        self,
        programs: Sequence[Sequence[Job]],
        hardware: Hardware,
        bitmaps: np.ndarray,
        input_words: int,
        apart: bool = False,
    ) -> None:
        self._bus = Bus()
        kind = CompactCore if hardware.compact else Core
        self.cores: list[Core] = [kind(jobs, hardware, self._bus) for jobs in programs]
        self._input_words, self._apart = input_words, apart
        none = np.zeros((1, bitmaps.shape[1] + 1), dtype=np.int64)
        counted = np.cumsum(bitmaps, axis=1, dtype=np.int64)
        self._ones = np.concatenate([none, np.pad(counted, ((0, 0), (1, 0)))])  # of step -1 first: none
        self._complete: dict[tuple[int, int], int] = {}  # (group, step): when it is
        self._emptied: dict[tuple[int, int], list[int]] = {}  # (group, step): when each listener has let go
        self._listeners = {g: sum(g in core.hears for core in self.cores) for core in self.cores for g in core.hears}
        self._under_way: dict[Core, tuple[int, Iterator[int]]] = {}  # the last row is through, and the others
        self.begun, self.finished = np.zeros((2, len(bitmaps)), dtype=np.int64)
        self._run()

    def _run(self) -> None:
        """What is furthest behind goes on first, as the cores share the bus."""
        steps, fed = len(self.finished), 0
        while fed < steps or any(core.step < steps for core in self.cores):
            emptied = self._when_wanted(fed) if fed < steps else None
            if emptied is not None:
                self._feed(fed, emptied)
                fed += 1
            times = [(self._next(core), number) for number, core in enumerate(self.cores) if core.step < steps]
            able = [(cycle, number) for cycle, number in times if cycle is not None]
            if able:
                self._advance(min(able)[1])
            elif emptied is None:
                raise InternalError("the schedule does not move any more: a job waits for a group that never completes")

    def _feed(self, step: int, emptied: int) -> None:
        sent = max(self._complete.get((flags.INPUT_GROUP, step - 1), 0) - TO_FULL, emptied)
        for word in range(self._input_words):
            sent = self._bus.take(sent + 1)
            if word == 0:
                self.begun[step] = sent
        self._complete[flags.INPUT_GROUP, step] = sent + TO_FULL

    def _when_wanted(self, step: int) -> int | None:
        """When a step's input may come; None while that is not known."""
        if self._apart and step:
            return int(self.finished[step - 1]) if all(core.step >= step for core in self.cores) else None
        return self._when_emptied(flags.INPUT_GROUP, step - 2)

    def _next(self, core: Core) -> int | None:
        """The cycle at which a core goes on; None while it is not known when what its job waits for is there."""
        if core in self._under_way:
            return self._under_way[core][0]
        complete = [self._complete.get(source) for source in self._sources(core)]
        if None in complete or self._when_emptied(core.jobs[core.at].group, core.step - 2) is None:
            return None
        return core.ready(max((cycle for cycle in complete if cycle is not None), default=0))

    def _sources(self, core: Core) -> list[tuple[int, int]]:
        job, step = core.jobs[core.at], core.step
        return [(g, step) for g in job.wait] + [(g, step - 1) for g in job.wait_before if step]

    def _advance(self, number: int) -> None:
        """Another row of a core's job; behind the last one, what the job leaves to others."""
        core = self.cores[number]
        job, at, step = core.jobs[core.at], core.at, core.step
        if core not in self._under_way:
            complete = max((self._complete[source] for source in self._sources(core)), default=0)
            emptied = self._when_emptied(job.group, step - 2) or 0
            self._under_way[core] = 0, core.work(complete, emptied, self._ones[step + 1], self._ones[step])
        rows = self._under_way[core][1]
        if (through := next(rows, None)) is not None:
            self._under_way[core] = through, rows
            return
        del self._under_way[core]
        now, before = core.releases[at]
        for group, of in [(g, step) for g in now] + [(g, step - 1) for g in before if step]:
            self._emptied.setdefault((group, of), []).append(core.read)
        if job.flags & flags.LAST_JOB:
            self._complete[job.group, step] = core.sent
            self.finished[step] = max(self.finished[step], core.sent)

    def _when_emptied(self, group: int, step: int) -> int | None:
        """When every listener has let go of a bitmap; None while that is not known."""
        let_go = self._emptied.get((group, step), [])
        if step < 0 or group not in self._listeners:
            return 0
        return max(let_go) if len(let_go) == self._listeners[group] else None

    def latency(self) -> float:
        """Cycles from a step's first input word to its last message, the mean of the steps."""
        return float((self.finished - self.begun).mean())

    def period(self) -> float:
        """Cycles per step once all is under way: the slope of the steps' ends, the first quarter left out."""
        first = len(self.finished) // 4
        return float(self.finished[-1] - self.finished[first]) / (len(self.finished) - 1 - first)
