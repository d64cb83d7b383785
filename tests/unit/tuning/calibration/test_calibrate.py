"""Calibration never loses, is kept by every rounding behind it, and gives the same for the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import CorruptFile, DoesNotFit, InputShapeError, UsageProblem
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.precision import with_bits
from nirdeploy.targets import registry
from nirdeploy.targets.fitting import rounded
from nirdeploy.tuning.calibration.calibrate import Calibration, calibrated
from nirdeploy.tuning.calibration.task import Task
from tests import networks
from tests.chips import xylo_networks
from tests.conftest import examples
from tests.contract.test_every_target import legal, network

TARGET = registry.load("fpga")


def _task(graph: CheckedGraph, seed: int = 0, samples: int = 12, labels: bool = True) -> Task:
    """Labels are what the float network says: nothing is wrong there."""
    x = networks.stimulus(graph, seed, steps=8, batch=samples)
    record = nd.simulate(graph, x)
    name = next(iter(graph.outputs.values()))
    scores = record.spikes[name] if name in record.spikes else record.volts(name)
    return Task.of(graph, x, scores.reshape(8, samples, -1).sum(axis=0).argmax(axis=1) if labels else None)


@pytest.mark.law
@settings(max_examples=examples(15), deadline=None)
@given(
    graph=st.one_of(networks.graphs(), networks.grids(most=80)),
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([2, 4, 8]),
    labels=st.booleans(),
)
def test_it_is_never_worse_and_always_the_same(graph: CheckedGraph, seed: int, bits: int, labels: bool) -> None:
    graph = with_bits(graph, bits)
    task = _task(graph, seed, labels=labels)
    try:
        before = task.loss(rounded(graph, TARGET))
    except (DoesNotFit, UsageProblem):
        return
    found = calibrated(graph, TARGET, task)
    after = task.loss(rounded(found.graph, TARGET))
    assert found.before == before
    assert found.after == after
    assert after.wrong <= before.wrong
    assert after.value <= before.value
    assert calibrated(graph, TARGET, task).digest() == found.digest()


def test_weights_of_the_result_are_the_integers() -> None:
    """Rounding takes nothing from what calibration chose: the SQNR is infinite wherever it put weights on a grid."""
    graph = with_bits(check(networks.two_layers()), 4)
    found = calibrated(graph, TARGET, _task(graph))
    network = rounded(found.graph, TARGET)
    moved = {row.population for row in found.rows if row.weights != "to nearest"}
    assert moved
    assert {str(row["population"]) for row in network.report if row["weight_sqnr_db"] == np.inf} >= moved
    assert found.after < found.before


def test_less_is_lost_at_few_bits() -> None:
    lost = np.zeros(2)
    for seed in range(4):
        graph = with_bits(check(networks.two_layers(seed)), 2)
        found = calibrated(graph, TARGET, _task(graph, samples=24))
        lost += found.before.value, found.after.value
    assert lost[1] < 0.6 * lost[0]


@pytest.mark.parametrize("name", ["loihi2", "spinnaker2", "xylo_a2", "speck2e"])
def test_chips_are_calibrated_in_their_own_integers(name: str) -> None:
    target = registry.load(name)
    graph = xylo_networks.graph(3) if name == "xylo_a2" else check(network(*legal(target)))
    task = _task(graph)
    before = task.loss(rounded(graph, target))
    found = calibrated(graph, target, task)
    assert found.before == before
    assert found.after.value <= before.value
    assert calibrated(graph, target, task).digest() == found.digest()


def test_a_calibration_is_kept(tmp_path: Path) -> None:
    graph = with_bits(check(networks.two_layers()), {"fc1": 4})
    found = calibrated(graph, TARGET, _task(graph))
    found.save(tmp_path / Calibration.FILE)
    again = Calibration.load(tmp_path / Calibration.FILE)
    assert again.digest() == found.digest()
    assert again.as_dict() == found.as_dict()
    graph.save(tmp_path / "graph.npz")
    with pytest.raises(CorruptFile, match="not a calibration"):
        Calibration.load(tmp_path / "graph.npz")


def test_samples_that_say_nothing_are_refused() -> None:
    graph = check(networks.two_layers())
    with pytest.raises(UsageProblem, match="same for every sample"):
        calibrated(graph, TARGET, Task.of(graph, np.zeros((4, 3, 20))))
    with pytest.raises(InputShapeError, match="no samples"):
        Task.of(graph, np.zeros((4, 0, 20)))
    with pytest.raises(InputShapeError, match=r"labels have the shape \(2,\)"):
        Task.of(graph, np.zeros((4, 3, 20)), [0, 1])
