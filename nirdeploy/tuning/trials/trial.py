"""trials: one network at one choice of bits, measured on data: a function of the job and the bits, and of nothing else.

A job is packed into bytes, which processes and machines that measure are given once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.errors import DoesNotFit, InternalError, NirdeployError, ToolMissing
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.precision import with_bits
from nirdeploy.processes.work import Work
from nirdeploy.proof.evaluate import evaluate
from nirdeploy.records import manifest, store
from nirdeploy.records.brief import Brief
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.targets import registry
from nirdeploy.targets.fitting import rounded
from nirdeploy.targets.tables import Target
from nirdeploy.tuning.calibration.calibrate import calibrated
from nirdeploy.tuning.calibration.task import Task

#: Bits of the weights into each population; none at all: the float network.
Bits = Mapping[str, int]


@dataclass(frozen=True, repr=False)
class Outcome(Brief):
    """What a trial came to, on the data.

    ``weight_bytes`` and ``network`` (digest): of the integers. ``accuracy``, its 95 % ``interval`` and the samples that
    are ``wrong``: where there are labels. ``loss``: as :class:`nirdeploy.tuning.calibration.task.Loss` has it;
    ``calibration_loss``: the same on the samples that the integers were calibrated on. ``reason``: why there are no
    figures; ``doubt``: why they say little.
    """

    bits: Bits
    weight_bytes: int | None = None
    network: str | None = None
    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    wrong: int | None = None
    loss: float | None = None
    calibration_loss: float | None = None
    reason: str = ""
    doubt: str = ""

    @property
    def choosing(self) -> float | None:
        """The loss by which it is chosen: on the samples, where there are any, else on the data."""
        return self.loss if self.calibration_loss is None else self.calibration_loss

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "interval": None if self.interval is None else list(self.interval)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Outcome:
        """The inverse of :meth:`as_dict`. Raises TypeError if it is none."""
        made = cls(**values)
        return made if made.interval is None else replace(made, interval=(made.interval[0], made.interval[1]))


@dataclass(frozen=True, eq=False)
class Job:
    """What all trials of a sweep share. ``samples``: to calibrate on; None: weights are rounded plainly."""

    graph: CheckedGraph
    target: Target
    data: Task
    samples: Task | None = None

    @functools.cached_property
    def identity(self) -> dict[str, str]:
        """Digests of everything that decides a figure, by what they are of."""
        target = self.target.model_dump(mode="json", by_alias=True, exclude={"home"})
        return {
            "model": self.graph.digest(),
            "target": store.digest(target, {}),
            "data": store.digest({}, _arrays(self.data)),
            "samples": "" if self.samples is None else store.digest({}, _arrays(self.samples)),
            "versions": manifest.deciding(),
        }

    @property
    def work(self) -> Work:
        """The job as processes and machines do it, trial by trial."""
        return Work(answer, self.pack(), "a trial", lambda bits: ", ".join(f"{key}={own}" for key, own in bits.items()))

    def pack(self) -> bytes:
        """The job for :func:`answer`."""
        graph, arrays = self.graph.parts()
        parts = {"graph": arrays, "data": _arrays(self.data)}
        if self.samples is not None:
            parts["samples"] = _arrays(self.samples)
        target = self.target.model_dump(mode="json", by_alias=True)
        meta = {"graph": graph, "target": target, "versions": manifest.deciding(), "parts": list(parts)}
        return store.pack(meta, {f"{part}.{name}": a for part, own in parts.items() for name, a in own.items()})

    @classmethod
    def unpack(cls, blob: bytes) -> Job:
        """The inverse of :meth:`pack`. Raises :class:`ToolMissing` where this process is of other versions."""
        meta, arrays = store.unpack(blob, where="a sweep's job")
        own: dict[str, dict[str, np.ndarray]] = {part: {} for part in meta["parts"]}
        for name, values in arrays.items():
            part, _, rest = name.partition(".")
            own[part][rest] = values
        graph = CheckedGraph.of_parts(meta["graph"], own["graph"], where="a sweep's job")
        tasks = {part: _task(graph, own[part], part) for part in ("data", "samples") if part in own}
        made = cls(graph, registry.validate(meta["target"], where="a sweep's job"), **tasks)
        manifest.check_deciding(meta["versions"])
        return made


def _arrays(task: Task) -> dict[str, np.ndarray]:
    return {**{f"x.{name}": values for name, values in task.x.items()}, **_labels(task)}


def _labels(task: Task) -> dict[str, np.ndarray]:
    return {} if task.labels is None else {"labels": task.labels}


def _task(graph: CheckedGraph, arrays: Mapping[str, np.ndarray], part: str) -> Task:
    x = {name.removeprefix("x."): values for name, values in arrays.items() if name != "labels"}
    return Task(graph, x, arrays.get("labels"), "outputs" if part == "data" else "all")


def answer(blob: bytes, bits: Bits) -> Outcome | NirdeployError:
    """The outcome of one trial, wherever it is measured; or what keeps every trial from being measured."""
    try:
        return outcome(_job(blob), bits)
    except NirdeployError as error:
        return error
    except MemoryError:
        return ToolMissing("there is not memory enough for a trial", hint="take fewer workers, or fewer samples")
    except Exception as error:  # noqa: BLE001 - the boundary of another process: nothing else leaves it
        return InternalError(f"this is a bug in nirdeploy: {type(error).__name__}: {error}", where=f"the trial {bits}")


@functools.lru_cache(maxsize=1)
def _job(blob: bytes) -> Job:
    """Kept from trial to trial, with what the float network does on its data."""
    return Job.unpack(blob)


def outcome(job: Job, bits: Bits) -> Outcome:
    """Measure one trial. Bits of which the target has none of the network left are no error: they have a reason.

    Raises:
        UsageProblem: the float network says the same of all data. InputShapeError: the data is not what inputs take.
    """
    if not bits:
        return _measured(job, Outcome(bits), job.data.exact)
    graph, calibration_loss = with_bits(job.graph, bits), None
    try:
        if job.samples is not None:
            found = calibrated(graph, job.target, job.samples)
            graph, calibration_loss = found.graph, found.after.value
        network = rounded(graph, job.target)
    except DoesNotFit as error:
        return Outcome(bits, reason=error.message)
    made = Outcome(bits, network.weight_memory, network.digest(), calibration_loss=calibration_loss)
    return _measured(job, made, job.data.record(network))


def _measured(job: Job, made: Outcome, record: SpikeRecord) -> Outcome:
    """With the figures of what the trial's network said of the data."""
    loss, labels = job.data.lost(record), job.data.labels
    read = evaluate(record, np.zeros(record.samples) if labels is None else labels)
    doubt = "" if read.scores[-1].var(axis=0).any() else "the output is the same for every sample"
    made = replace(made, loss=loss.value, doubt=doubt)
    if labels is None:
        return made
    return replace(made, accuracy=read.accuracy, interval=read.interval, wrong=loss.wrong)
