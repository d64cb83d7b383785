"""How many cycles a step takes, of all cores together, by their schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nirdeploy.backends.fpga.cost import activity as spikes
from nirdeploy.backends.fpga.cost.schedule import Schedule
from nirdeploy.backends.fpga.cost.work import ASSUMED_ACTIVITY
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.jobs import Job
from nirdeploy.backends.fpga.schema import Hardware

_STEPS = 16  # drawn: enough for the mean of a step, whose spikes are drawn independently


@dataclass(frozen=True)
class Prediction:
    """``period``: cycles per step, sustained; ``busy``: of them, by core; ``limits``: what each core's come from."""

    period: float
    busy: Mapping[int, float]
    limits: Mapping[int, str]


def predict(
    plan: Floorplan,
    hardware: Hardware,
    programs: Mapping[int, Sequence[Job]],
    activity: float | Mapping[str, float] = ASSUMED_ACTIVITY,
) -> Prediction:
    """How long a step takes when inputs come as fast as they can be taken.

    Args:
        programs: the jobs of every core, by its number.
        activity: the probability that a neuron spikes in a step, for all or by the name of input and population.

    A core is limited by the words it fetches, the spikes it walks, the neurons it updates, or by others: "sources".
    """
    busy, limits = dict.fromkeys(programs, 0.0), dict.fromkeys(programs, "")
    working = {number: jobs for number, jobs in programs.items() if jobs}
    schedule = Schedule(list(working.values()), hardware, spikes.drawn(plan, activity, _STEPS), plan.input_words)
    for number, core in zip(working, schedule.cores, strict=True):
        work = {name: spent / _STEPS for name, spent in core.spent.items()}
        waits = work.pop("wait")
        most = max(work, key=lambda name: work[name])
        busy[number] = min(max(schedule.period() - waits, work[most]), schedule.period())
        limits[number] = most if work[most] >= waits else "sources"
    return Prediction(schedule.period(), busy, limits)


def latency(
    plan: Floorplan,
    hardware: Hardware,
    programs: Mapping[int, Sequence[Job]],
    activity: float | Mapping[str, float] = ASSUMED_ACTIVITY,
) -> float:
    """Cycles from the first word of a step's input to the last that any population sends, when nothing else goes on.

    Args:
        programs: the jobs of every core, by its number.
        activity: as for :func:`predict`.
    """
    working = [jobs for jobs in programs.values() if jobs]
    drawn = spikes.drawn(plan, activity, _STEPS)
    return Schedule(working, hardware, drawn, plan.input_words, apart=True).latency()
