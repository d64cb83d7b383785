"""A trial is a function of its job: packed and unpacked it is the same; what cannot be measured is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nirdeploy.errors import InternalError, ToolMissing, UsageProblem
from nirdeploy.graph.check import check
from nirdeploy.records import store
from nirdeploy.targets import registry
from nirdeploy.tuning.calibration.task import Task
from nirdeploy.tuning.trials import trial
from nirdeploy.tuning.trials.trial import Job, Outcome, answer, outcome
from tests.unit.tuning.swept import case, faint

BITS = {"lif1": 4, "lif2": 2}


def _job(labels: bool = True, samples: bool = True) -> Job:
    small = case(samples=12)
    graph = check(small.graph)
    data = Task.of(graph, {"input": small.x}, small.labels if labels else None, "outputs")
    return Job(graph, registry.load("fpga"), data, Task.of(graph, {"input": small.samples}) if samples else None)


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("samples", [False, True])
def test_a_packed_job_measures_the_same(labels: bool, samples: bool) -> None:
    job = _job(labels, samples)
    again = Job.unpack(job.pack())
    assert again.identity == job.identity
    assert again.pack() == job.pack()
    for bits in ({}, BITS):
        found = outcome(job, bits)
        assert answer(job.pack(), bits) == found
        assert Outcome.from_dict(found.as_dict()) == found
        assert (found.accuracy is None) != labels


def test_everything_that_decides_a_figure_is_part_of_the_identity() -> None:
    job = _job()
    assert job.samples is not None
    x = {"input": job.data.x["input"].copy()}
    x["input"][0, 0, 0] ^= 1
    others = {
        "model": replace(job, graph=check(case((12, 14, 5)).graph)),
        "target": replace(job, target=registry.load("fpga").with_hardware(state_bits=16)),
        "data": replace(job, data=replace(job.data, x=x)),
        "samples": replace(job, samples=replace(job.samples, x=x)),
    }
    for name, other in others.items():
        assert {key for key, value in other.identity.items() if value != job.identity[key]} == {name}
    relabelled = replace(job, data=replace(job.data, labels=np.zeros(12, dtype=np.int64)))
    assert relabelled.identity["data"] != job.identity["data"]


def test_bits_of_which_nothing_is_left_have_a_reason() -> None:
    job = _job()
    graph = check(faint())
    found = outcome(Job(graph, job.target, replace(job.data, graph=graph)), BITS)
    assert "all weights into node 'lif1' round to zero" in found.reason
    assert (found.loss, found.accuracy, found.weight_bytes, found.choosing) == (None, None, None, None)


def test_integers_that_say_nothing_are_doubted() -> None:
    """All weights into the output excite no longer once they have two bits."""
    job = _job(samples=False)
    small = case()
    weight = small.graph.nodes["fc2"].weight
    weight[:] = np.abs(weight).min() / 100 + 0.4 * np.abs(weight).max()
    weight[:, 0] = -np.abs(weight).max() * 2.6
    graph = check(small.graph)
    quiet = Job(graph, job.target, replace(job.data, graph=graph))
    assert outcome(quiet, {"lif1": 8, "lif2": 8}).doubt == ""
    assert outcome(quiet, {"lif1": 8, "lif2": 2}).doubt == "the output is the same for every sample"


def test_what_keeps_trials_from_being_measured_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    job = _job()
    silent = replace(job, data=replace(job.data, x={"input": 0 * job.data.x["input"]}))
    assert isinstance(answer(silent.pack(), BITS), UsageProblem)
    bug = answer(job.pack(), {"lif1": "four"})  # type: ignore[dict-item]
    assert isinstance(bug, (InternalError, UsageProblem))
    meta, arrays = store.unpack(job.pack(), where="")
    old = answer(store.pack({**meta, "versions": "nirdeploy 0.0.1"}, arrays), BITS)
    assert isinstance(old, ToolMissing)
    assert "nirdeploy 0.0.1" in str(old)

    def outgrown(job: Job, bits: object) -> Outcome:
        raise MemoryError

    monkeypatch.setattr(trial, "outcome", outgrown)
    assert "not memory enough" in str(answer(job.pack(), BITS))
