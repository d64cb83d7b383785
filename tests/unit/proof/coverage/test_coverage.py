"""Coverage as data, in verdicts and reports."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import UnknownPopulation
from nirdeploy.proof.coverage.report import Coverage, Part, PopulationCoverage
from nirdeploy.proof.coverage.search import stimulus_for
from nirdeploy.proof.report.write import report
from nirdeploy.sim.integer import simulate
from tests import networks
from tests.unit.proof.coverage.small import network
from tests.unit.proof.test_verify import record


def made(*parts: Part) -> Coverage:
    return Coverage(10, 2, (), (PopulationCoverage("p", 4, 3, 9, 9, 0, parts),))


def test_a_percentage_is_of_all_parameters_where_some_were_drawn() -> None:
    found = made(Part("weights", 1000, 100, 90), Part("threshold", 10, 10, 1))
    assert found.parameters == 1010
    assert found.exercised == 901
    assert found.percent == pytest.approx(100 * 901 / 1010)
    assert found.reaches(89)
    assert not found.reaches(90)
    assert "exercised about 901 of 1,010 parameters (89.2 %); 3 of 4 neurons fired" in found.summary()
    assert "100 of 1,000" in found.summary()
    assert found.as_dict()["percent"] == found.percent


def test_what_was_not_judged_counts_as_not_exercised() -> None:
    assert made(Part("weights", 100, 100, 100), Part("threshold", 100, 0, 0)).percent == 50
    assert made(Part("threshold", 100, 0, 0)).percent is None
    assert not made(Part("threshold", 100, 0, 0)).reaches(0)
    assert "not judged" in made(Part("threshold", 100, 0, 0)).summary()


def test_less_than_all_is_never_shown_as_all() -> None:
    found = made(Part("weights", 100_000, 100_000, 99_999))
    assert "(99.9 %)" in found.summary()
    assert found.rows()[0]["weights"] == "99.9 %"


def test_facts_of_populations_and_inputs() -> None:
    good = network("read-out")
    x = networks.spikes(0, (20, 3, 6), rate=0.4)
    x[:, :, 4] = 0
    found, expected = nd.coverage(good, x), simulate(good, x)
    (source,) = found.inputs
    assert (source.channels, source.active, source.codes, source.possible) == (6, 5, 2, 2)
    hidden, out = found.populations
    spikes = expected.spikes["p0"]
    assert hidden.fired == int(spikes.any(axis=(0, 1)).sum())
    assert hidden.spikes == hidden.resets == int(spikes.sum())
    assert (out.spikes, out.resets) == (0, 0)
    assert out.fired == 3
    silent = nd.coverage(good, np.zeros_like(x))
    assert (silent.inputs[0].active, silent.inputs[0].codes) == (0, 1)
    weights = next(part for part in silent.populations[0].parts if part.kind == "weights")
    assert weights.exercised == 0
    assert weights.left == {"whose source never sent anything": 30}


def test_saturation_is_said() -> None:
    good = network("read-out")
    strong = replace(good.projections[0], shift=6)
    forced = nd.coverage(replace(good, projections=(strong, good.projections[1])), np.ones((20, 1, 6), dtype=np.uint8))
    assert forced.populations[0].saturated
    assert nd.coverage(good, np.zeros((20, 1, 6), dtype=np.uint8)).populations[0].saturated == 0


def test_only_populations_that_are_compared_are_judged() -> None:
    good = network("dense")
    x = networks.spikes(0, (20, 3, 8), rate=0.4)
    every, last = nd.coverage(good, x), nd.coverage(good, x, "outputs")
    hidden, out = last.populations
    assert {part.judged for part in hidden.parts} == {0}
    assert out == every.populations[1]
    assert "not compared" in last.summary()
    assert last.parameters == every.parameters
    with pytest.raises(UnknownPopulation):
        nd.coverage(good, x, ["nobody"])


def test_only_the_first_samples_where_there_are_very_many() -> None:
    good, x = network("dense"), networks.spikes(0, (20, 9, 8), rate=0.4)
    some = nd.coverage(good, x, numbers=20 * 17 * 3)
    assert (some.samples, some.given) == (3, 9)
    assert "in the first 3 of 9 samples" in some.summary()
    assert some.exercised == nd.coverage(good, x[:, :3]).exercised


def test_parameters_are_drawn_where_there_are_very_many() -> None:
    good, x = network("convolutional"), networks.spikes(0, (20, 3, 1, 6, 6), rate=0.4)
    drawn = nd.coverage(good, x, most=5, seed=1)
    assert drawn == nd.coverage(good, x, most=5, seed=1)
    weights = [part for p in drawn.populations for part in p.parts if part.kind == "weights"]
    assert [(part.judged, part.total) for part in weights] == [(5, 18), (5, 54)]


def test_a_verdict_asks_for_coverage(tmp_path: Path) -> None:
    found = made(Part("weights", 100, 100, 60))
    equal = nd.verify(record(), record())
    assert replace(equal, coverage=found).equal
    assert "exercised 60 of 100 parameters (60.0 %)" in replace(equal, coverage=found).summary()
    enough, short = (replace(equal, coverage=found, cover=cover) for cover in (60, 60.5))
    assert enough
    assert not short
    assert "is not shown to equal" in short.summary()
    assert "below the 60.5 % asked for" in short.summary()
    assert short.as_dict()["coverage"]["percent"] == 60
    json.dumps(short.as_dict())
    assert not replace(equal, cover=1.0)
    for verdict, failures in ((enough, "0"), (short, "1")):
        report(verdict, tmp_path / "v.xml")
        suite = ET.parse(tmp_path / "v.xml").getroot().find("testsuite")
        assert suite is not None
        assert suite.get("failures") == failures
        assert len(suite.findall("testcase")) == int(suite.get("tests") or 0)
        assert (suite.find("testcase[@classname='coverage']/failure") is not None) == (failures == "1")


@pytest.mark.parametrize("target", ["loihi2", "spinnaker2"])
def test_of_a_chips_own_neurons_who_fired_is_said(target: str, tmp_path: Path) -> None:
    built = nd.build(networks.two_layers(sizes=(6, 8, 3)), target=target, out=tmp_path / "build")
    made = stimulus_for(built, steps=20, samples=3)
    found = nd.coverage(built, made.x)
    assert {p.parts for p in found.populations} == {()}
    assert all(p.fired for p in found.populations)
    assert {p.saturated for p in found.populations} == {p.resets for p in found.populations} == {None}
    assert found.percent is None
    assert not found.reaches(0)
    assert "not judged" in found.summary()
    assert "(neurons of the target's own)" in found.summary()
