"""What is said of a cause: in words, as data, beside a verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nirdeploy.errors import InputShapeError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.causes.fault import KINDS
from nirdeploy.proof.causes.search import cause
from nirdeploy.proof.report import html, junit
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim.integer import simulate
from tests.planted import stimulus
from tests.unit.proof.coverage import small

#: Two weights of two neurons.
TWO = (0, (3, 2), 30), (0, (2, 0), -30)


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return small.network("dense")


@pytest.fixture(scope="module")
def x(network: IntegerNetwork) -> np.ndarray:
    return stimulus(network)


def _odd(network: IntegerNetwork, x: np.ndarray, *faults: tuple[int, tuple[int, int], int]) -> SpikeRecord:
    """The record of a device with other weights: (projection, index, weight)."""
    projections = list(network.projections)
    for at, where, value in faults:
        weight = projections[at].weight.copy()
        weight[where] = value
        projections[at] = replace(projections[at], operator=replace(projections[at].operator, weight=weight))
    record = simulate(replace(network, projections=tuple(projections)), x)
    return replace(record, source="device", manifest=simulate(network, x).manifest)


def test_a_weight_is_told_with_its_place_and_both_numbers(network: IntegerNetwork, x: np.ndarray) -> None:
    now = int(network.projections[0].weight[3, 2])
    verdict = verify(simulate(network, x), _odd(network, x, (0, (3, 2), now - 20)), built=network, x=x)
    assert verdict.cause is not None
    first = verdict.cause.faults[0]
    assert (first.kind, first.population, first.source, first.place) == ("weight", "p0", "in0", (3, 2))
    assert first.should == now
    assert first.others is not None
    assert first.others[0] <= now - 20 <= first.others[1]
    assert (
        f"one weight from 'in0' to 'p0': [3, 2] is {first.device} on the device where it should be {now}" in first.text
    )
    assert f"explains {verdict.mismatches:,} of {verdict.mismatches:,} differing cells" in verdict.summary()


def test_the_data_has_always_the_same_keys(network: IntegerNetwork, x: np.ndarray) -> None:
    good = simulate(network, x)
    known = cause(network, x, _odd(network, x, (0, (3, 2), 0)))
    two = cause(network, x, _odd(network, x, *TWO))
    none = cause(network, x, good)
    data = [json.loads(json.dumps(found.as_dict())) for found in (known, two, none)]
    assert data[0].keys() == data[1].keys() == data[2].keys()
    assert [one["known"] for one in data] == [True, False, False]
    assert data[0]["kind"] in KINDS
    assert data[1]["kind"] is None
    assert data[1]["population"] == "p0"
    keys = {"kind", "population", "source", "text", "explains", "place", "should", "device", "others", "likely"}
    assert {frozenset(fault) for one in data for fault in one["faults"]} == {frozenset(keys)}
    assert verify(good, good, built=network, x=x).as_dict()["cause"] is None


def test_of_several_faults_it_is_said_that_the_cause_is_not_known(network: IntegerNetwork, x: np.ndarray) -> None:
    found = cause(network, x, _odd(network, x, *TWO))
    assert not found.known
    first, *nearest = found.lines()
    assert first == (
        f"cause on the device: not known, no single fault explains all {found.differing:,} differing cells; "
        "it begins in 'p0'"
    )
    assert nearest
    assert all(f"of {found.differing:,} differing cells" in line for line in nearest)
    assert all(0 < fault.explains < found.differing for fault in found.faults)


def test_what_explains_the_same_is_listed(network: IntegerNetwork, x: np.ndarray) -> None:
    """A neuron that never spikes: a threshold, a bias, a stuck bit ..."""
    population, often = network.neurons("p1"), simulate(network, x)["p1"].sum(axis=(0, 1)).argmax()
    threshold = np.where(np.arange(3) == often, network.formats.state_max, population.threshold)
    silent = replace(population, threshold=threshold)
    odd = replace(network, populations=(network.populations[0], silent))
    found = cause(network, x, simulate(odd, x))
    assert {"threshold", "stuck bit"} <= {fault.kind for fault in found.faults}
    assert {fault.population for fault in found.faults} == {"p1"}
    assert f"{len(found.faults) - 1} others explain the same:" in found.lines()
    assert all(fault.explains == found.differing for fault in found.faults)


def test_reports_say_it(network: IntegerNetwork, x: np.ndarray) -> None:
    verdict = verify(simulate(network, x), _odd(network, x, (0, (3, 2), 0)), built=network, x=x)
    assert verdict.cause is not None
    page = html.render(html.Report("odd", [verdict]))
    assert "Cause on the device" in page
    assert verdict.cause.faults[0].text.replace("'", "&#39;") in page
    assert verdict.cause.faults[0].text in junit.render([verdict]).decode()


def test_roundings_are_never_a_cause() -> None:
    assert not {"weight rounding", "input", "state", "rounding"} & {*KINDS}


def test_a_record_of_something_else_is_refused(network: IntegerNetwork, x: np.ndarray) -> None:
    with pytest.raises(InputShapeError, match="the stimulus is of 32 steps x 23 samples, the record of 32 x 24"):
        cause(network, x[:, 1:], simulate(network, x))
    other = simulate(small.network("read-out"), x[:, :, :6])
    with pytest.raises(InputShapeError, match="'p0' holds uint8 of shape"):
        cause(network, x, other)


def test_a_single_event_that_is_lost_is_told(network: IntegerNetwork, x: np.ndarray) -> None:
    for step, sample, channel in np.argwhere(x)[np.arange(700, 1700, 40)].tolist():
        odd = x.copy()
        odd[step, sample, channel] = 0
        found = cause(network, x, simulate(network, odd))
        if found.differing > 3:
            said = f"the event of channel {channel} of input 'in0' at step {step} of sample {sample} is lost"
            assert said in [fault.text for fault in found.faults], found.lines()
            return
    raise AssertionError("no event shows")


@pytest.mark.parametrize("steps", [1, -1])
def test_a_record_that_is_shifted_around_is_told(network: IntegerNetwork, x: np.ndarray, steps: int) -> None:
    record = simulate(network, x)
    moved = replace(record, spikes={name: np.roll(v, steps, axis=0) for name, v in record.spikes.items()})
    found = cause(network, x, moved)
    assert found.kind == "step shifted"
    when = "late" if steps > 0 else "early"
    assert found.faults[0].text.startswith(f"all that is recorded is 1 step too {when}")
