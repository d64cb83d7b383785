"""What one job costs a core that has nothing else to do, and the lists that a core's jobs stand in by it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nirdeploy.backends.fpga import jobs as flags
from nirdeploy.backends.fpga.cost.walks import Walk
from nirdeploy.backends.fpga.jobs import Job
from nirdeploy.backends.fpga.schema import Hardware

#: Spikes per neuron and step assumed where nobody says how many there are.
ASSUMED_ACTIVITY = 0.1


def job(work: Job, hardware: Hardware, activity: float = ASSUMED_ACTIVITY) -> float:
    """What a job alone costs at so many spikes per neuron and step: the slowest of fetching, walking and updating."""
    walk, rows = Walk(work, hardware), work.columns * work.lines
    bits = float((walk.stop - walk.start).sum()) * activity
    slots = math.ceil(work.neurons / hardware.update) * hardware.pace(work.plain)
    if hardware.compact:
        walked, per_row = bits + walk.passes, slots + 1
    else:
        walked, per_row = max(bits, walk.passes), slots
    slowest = max(walk.length, walked, per_row * walk.passes)
    return slowest + min(per_row, slowest / rows)


def splits(programs: Sequence[Sequence[Job]], hardware: Hardware) -> list[int]:
    """Per core, how many of its jobs stand in the first of two lists (0: there is one).

    The first list may be a step ahead of the second one: while the jobs of later layers wait for what earlier ones
    send, the earlier ones take up the next step. Nothing may read the step before then: what it reads would be held
    until the second list is through, and the first one would wait for that room.
    """
    if hardware.job_lists == 1 or any(work.wait_before for jobs in programs for work in jobs):
        return [0] * len(programs)
    return [_halved(jobs, hardware) for jobs in programs]


def _halved(jobs: Sequence[Job], hardware: Hardware) -> int:
    """The first job of the group with which the halves cost most alike."""
    starts = [n for n, work in enumerate(jobs) if n and work.flags & flags.FIRST_JOB]
    if not starts:
        return 0
    costs = [job(work, hardware) for work in jobs]
    return min(starts, key=lambda n: abs(sum(costs[:n]) - sum(costs[n:])))
