"""sweep: what bits cost: accuracy at each width, with each population alone at it, and within several memories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nirdeploy.graph import inputs
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.processes.doing import check_workers, measuring
from nirdeploy.processes.work import Measure
from nirdeploy.proof.report import sweep as report
from nirdeploy.records import cache, store
from nirdeploy.records.brief import brief
from nirdeploy.records.inputs import shaped
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target
from nirdeploy.tuning.calibration.task import Task
from nirdeploy.tuning.trials import kept
from nirdeploy.tuning.trials.plan import Plan
from nirdeploy.tuning.trials.trial import Bits, Job, Outcome

if TYPE_CHECKING:
    import nir


@dataclass(frozen=True)
class Point:
    """Of all trials within a ``memory`` (bytes), the one that loses least."""

    memory: int
    outcome: Outcome

    def as_dict(self) -> dict[str, Any]:
        return {"memory_bytes": self.memory, **self.outcome.as_dict()}


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """``weights``: how many lead into each population. ``samples``: of the data; ``calibration_samples``: 0 without.

    ``exact``: the float network. ``uniform``: by the width that all populations have. ``alone``: by a population and
    the width that it alone has, all others the widest. ``curve``: from the least memory to the most. ``warnings``: what
    of the figures says less than it seems to.
    """

    FILE: ClassVar[str] = "sweep.json"
    PAGE: ClassVar[str] = "sweep.html"

    identity: Mapping[str, str]
    target: str
    weights: Mapping[str, int]
    samples: int
    calibration_samples: int
    labelled: bool
    exact: Outcome
    uniform: Mapping[int, Outcome]
    alone: Mapping[tuple[str, int], Outcome]
    curve: tuple[Point, ...]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        widths = ", ".join(map(str, self.uniform))
        return brief(self, f"{self.target}, {self.samples:,} samples: {widths} bits, {len(self.alone):,} alone")

    def as_dict(self) -> dict[str, Any]:
        told = ("target", "samples", "calibration_samples", "labelled")
        return {
            **{name: getattr(self, name) for name in told},
            "of": dict(self.identity),
            "widths": list(self.uniform),
            "weights": dict(self.weights),
            "float": self.exact.as_dict(),
            "uniform": [{"width": width, **one.as_dict()} for width, one in self.uniform.items()],
            "alone": [
                {"population": name, "width": width, **one.as_dict()} for (name, width), one in self.alone.items()
            ],
            "curve": [point.as_dict() for point in self.curve],
            "warnings": list(self.warnings),
        }

    def save(self, folder: Path) -> None:
        """As JSON, and as a page."""
        told = self.as_dict()
        store.write_atomic(folder / self.FILE, json.dumps(told, indent=1).encode() + b"\n")
        report.write(folder / self.PAGE, told)


def sweep(
    source: CheckedGraph | nir.NIRGraph | str | Path,
    x: Any,
    labels: Any = None,
    target: str | Path | Target | None = None,
    *,
    out: str | Path,
    calibrate: Any = None,
    calibrate_labels: Any = None,
    scheduler: str | None = None,
    workers: int | None = None,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: inputs.Bits = None,
    input_range: inputs.Ranges = None,
    input_scale: inputs.Scales = None,
    on_trial: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Measure a network at every width that a target has, each population alone at each, and within several memories.

    Each trial is kept in the folder ``out`` as it comes: a sweep that was cut off goes on from there. The same network
    and data give the same figures, whoever measures them.

    Args:
        source, target, dialect, dt, input_bits, input_range, input_scale: as :func:`nirdeploy.build`.
        x, labels: the data: (T, B, ...) as :func:`nirdeploy.simulate` takes it, and the class of each sample, int (B,).
            Without labels only the loss against the float network is told.
        calibrate, calibrate_labels: samples to choose the integers of each trial by; else weights are rounded plainly.
        scheduler: address of a Dask scheduler whose workers measure. workers: else so many processes of this machine;
            by default as many as it has processors.
        on_trial: called with how many trials are done and how many are known of.

    Raises:
        ModelFileError, GraphError: the model. DoesNotFit: the target. InputShapeError: data or samples. UsageProblem:
        the folder holds another sweep, or the float network says the same of all data. ToolMissing: the workers.
    """
    check_workers(scheduler, workers)
    if not isinstance(source, CheckedGraph):
        source = check(
            source, dialect=dialect, dt=dt, input_bits=input_bits, input_range=input_range, input_scale=input_scale
        )
    data = _task(source, x, labels, "outputs")
    samples = None if calibrate is None else _task(source, calibrate, calibrate_labels, "all")
    job, folder = Job(source, registry.load(target), data, samples), Path(out)
    plan = Plan.of(job)
    with cache.alone(folder / kept.FILE):
        outcomes = kept.Kept(folder, job.identity)
        with measuring(job.work, scheduler, workers) as measure:
            first = plan.first()
            _measure(outcomes, measure, first, on_trial)
            trials = [*first, *plan.second(outcomes.__getitem__)]
            _measure(outcomes, measure, trials, on_trial)
        outcomes.finish(trials)
        found = _result(job, plan, [outcomes[bits] for bits in trials])
        found.save(folder)
    return found


def _task(graph: CheckedGraph, x: Any, labels: Any, probe: str) -> Task:
    return Task.of(graph, shaped(x, [(name, graph.population(name).shape) for name in graph.inputs]), labels, probe)


def _count(task: Task) -> int:
    return int(next(iter(task.x.values())).shape[1])


def _measure(
    outcomes: kept.Kept, measure: Measure, trials: Sequence[Bits], on_trial: Callable[[int, int], None] | None
) -> None:
    """Those of the trials that have not been measured yet."""
    missing = [bits for bits in trials if bits not in outcomes]
    for done, outcome in enumerate(measure(missing), start=len(trials) - len(missing) + 1):
        outcomes.add(outcome)
        if on_trial:
            on_trial(done, len(trials))


def _result(job: Job, plan: Plan, trials: list[Outcome]) -> Sweep:
    by_bits = {frozenset(one.bits.items()): one for one in trials}

    def of(bits: Bits) -> Outcome:
        return by_bits[frozenset(bits.items())]

    several = plan.widths if len(plan.widths) > 1 else ()
    best = [(limit, plan.best(trials, limit)) for limit in plan.limits()]
    return Sweep(
        identity=job.identity,
        target=job.target.name,
        weights=plan.weights,
        samples=_count(job.data),
        calibration_samples=0 if job.samples is None else _count(job.samples),
        labelled=job.data.labels is not None,
        exact=of({}),
        uniform={width: of(plan.uniform(width)) for width in plan.widths},
        alone={(name, width): of(plan.alone(name, width)) for name in plan.weights for width in several},
        curve=tuple(Point(-(-limit // 8), one) for limit, one in best if one is not None),
        warnings=tuple(_doubts(job, plan, trials)),
    )


def _doubts(job: Job, plan: Plan, trials: list[Outcome]) -> Iterator[str]:
    """What of the figures says less than it seems to."""
    labels = job.data.labels
    if len(plan.widths) == 1:
        yield f"the target has one width, {plan.widths[0]} bits: there is nothing to compare it with"
    if labels is None:
        yield "there are no labels: no accuracy is told, only what is lost against the float network"
    elif len(np.unique(labels)) == 1:
        yield f"all labels are {labels[0]}: a network that says the same of everything has all of them right"
    if job.samples is None:
        yield "weights are rounded plainly, and what loses least within a memory is chosen by the data it is told of"
    elif all(np.array_equal(values, job.samples.x[name]) for name, values in job.data.x.items()):
        yield "the data is what the integers were calibrated on: on other data more may be lost"
    for one in trials:
        if one.doubt:
            yield f"with --bits {report.argument(one.bits)} {one.doubt}"
