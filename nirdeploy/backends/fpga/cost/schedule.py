"""When the cores do what, step by step: bitmaps completed and freed (``core.v``, ``fabric.v``) between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nirdeploy.backends.fpga import jobs as flags
from nirdeploy.backends.fpga.cost import work
from nirdeploy.backends.fpga.cost.timing import TO_FULL, Bus, CompactCore, Core, Started
from nirdeploy.backends.fpga.jobs import Job
from nirdeploy.backends.fpga.schema import Hardware
from nirdeploy.errors import InternalError


class Schedule:
    """All cores, step by step, as fast as the input comes: one bitmap word per cycle.

    Args:
        programs: the jobs of each core that has any.
        bitmaps: uint8 (T, bits), the spikes of every step (:mod:`nirdeploy.backends.fpga.cost.activity`).
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
        splits = work.splits(programs, hardware)
        self.cores: list[Core] = [
            kind(jobs, hardware, self._bus, split) for jobs, split in zip(programs, splits, strict=True)
        ]
        self._input_words, self._apart = input_words, apart
        none = np.zeros((1, bitmaps.shape[1] + 1), dtype=np.int64)
        counted = np.cumsum(bitmaps, axis=1, dtype=np.int64)
        self._ones = np.concatenate([none, np.pad(counted, ((0, 0), (1, 0)))])  # of step -1 first: none
        self._complete: dict[tuple[int, int], int] = {}  # (group, step): when it is
        self._emptied: dict[tuple[int, int], list[int]] = {}  # (group, step): when each listener has let go
        self._listeners = {g: sum(g in core.hears for core in self.cores) for core in self.cores for g in core.hears}
        self.begun, self.finished = np.zeros((2, len(bitmaps)), dtype=np.int64)
        self._run()

    def _run(self) -> None:
        """The bus goes to who asks first; of several the first and the last core take turns (``fabric.v``)."""
        fed = 0
        while fed < len(self.finished) or any(self._to_come(core, len(self.finished)) for core in self.cores):
            moved = False
            if fed < len(self.finished) and (emptied := self._when_wanted(fed)) is not None:
                self._feed(fed, emptied)
                fed, moved = fed + 1, True
            for core in self.cores:
                while core.startable and self._start(core):
                    moved = True
            if moved:  # it may let the input go on, which is served first
                continue
            wanting = [(self._bus.free(core.wants), core) for core in self.cores if core.wants is not None]
            cycle = min((at for at, _ in wanting), default=None)
            if any(core.startable and self._start(core, cycle) for core in self.cores):
                continue
            if cycle is None:
                raise InternalError("the schedule does not move any more: a job waits for a group that never completes")
            at_once = [core for at, core in wanting if at == cycle]
            at_once[-1 if cycle % 2 else 0].send()

    @staticmethod
    def _to_come(core: Core, steps: int) -> bool:
        """Whether a core has not done so many steps."""
        return core.step < steps or core.to_come

    def _feed(self, step: int, emptied: int) -> None:
        sent = max(self._complete.get((flags.INPUT_GROUP, step - 1), 0) - TO_FULL, emptied - 1)
        for word in range(self._input_words):
            sent = self._bus.take(sent + 1)
            if word == 0:
                self.begun[step] = sent
        self._complete[flags.INPUT_GROUP, step] = sent + TO_FULL

    def _when_wanted(self, step: int) -> int | None:
        """When a step's input may come; None while that is not known."""
        if self._apart and step:
            return int(self.finished[step - 1]) if not any(self._to_come(core, step) for core in self.cores) else None
        return self._when_emptied(flags.INPUT_GROUP, step - 2)

    def _start(self, core: Core, until: float | None = -1) -> bool:
        """A core's next job, if it is known when what it waits for is there.

        ``until``: no message crosses the bus before (None: none will); what may start by then need not wait to see
        whether what is fetched first does.
        """
        choices = core.choices()
        known = [(nth, self._when_there(core.jobs[at], step)) for nth, (at, step) in enumerate(choices)]
        starts = [(core.ready(there[0], nth), nth, *there) for nth, there in known if there is not None]
        if not starts or (known[0][1] is None and until is not None and starts[0][0] > until):
            return False
        _, nth, there, emptied = min(starts)
        at, step = choices[nth]
        job = core.jobs[at]
        now, before = core.releases[at]
        released = [(g, step) for g in now] + [(g, step - 1) for g in before if step]

        def let_go(cycle: int) -> None:
            for group in released:
                self._emptied.setdefault(group, []).append(cycle)

        def through(cycle: int) -> None:
            if job.flags & flags.LAST_JOB:
                self._complete[job.group, step] = cycle
                self.finished[step] = max(self.finished[step], cycle)

        core.start(Started(there, emptied, self._ones[step + 1], self._ones[step], let_go, through), nth)
        return True

    def _when_there(self, job: Job, step: int) -> tuple[int, int] | None:
        """When all that a job reads is there, and the room for what it sends; None while that is not known."""
        if step >= len(self.finished):
            return None
        sources = [(g, step) for g in job.wait] + [(g, step - 1) for g in job.wait_before if step]
        complete = [self._complete.get(source) for source in sources]
        emptied = self._when_emptied(job.group, step - 2)
        if None in complete or emptied is None:
            return None
        return max((cycle for cycle in complete if cycle is not None), default=0), emptied

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
