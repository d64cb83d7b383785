"""Estimates: where a network fits, what limits it, what a step costs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.estimate import estimate, survey
from tests import hardware, networks
from tests.unit.cli import conftest as terminal

cli = terminal.cli


def test_every_target_is_tried_and_says_why_not() -> None:
    found = survey(check(networks.two_layers()))
    assert [one.target for one in found] == targets.names()
    assert {one.target for one in found if one.fits} >= {"fpga", "loihi2", "spinnaker2"}
    for one in found:
        assert bool(one) == one.fits == bool(one.figures)
        assert one.fits or "lif1" in one.why


def test_cycles_are_those_of_the_rtl_at_the_same_activity() -> None:
    target = hardware.fabric()
    built = nd.build(networks.two_layers(sizes=(150, 60, 10)), target)
    x = (np.random.default_rng(0).random((80, 1, 150)) < 0.2).astype(np.uint8)
    rates = [float((values > 0).mean()) for values in nd.simulate(built, x).spikes.values()]
    with rtl.Fabric(target, built.artifacts) as fabric:
        fabric.load(built.image)
        fabric.run(built.image, x)
    expected = fabric.timing.sustained()
    assert all(0.02 < rate < 0.6 for rate in rates)
    assert estimate(built.graph, target, 0.2).figures["cycles"] == pytest.approx(expected, rel=0.1)


def test_a_step_alone_is_through_later_than_its_period_and_sooner_with_more_lanes() -> None:
    """Two layers on two cores overlap: a step takes less time than its way through both."""
    graph = check(networks.two_layers(sizes=(150, 60, 10)))
    found = (estimate(graph, targets.load("fpga").with_hardware(cores=2, lanes=lanes), 0.4) for lanes in (16, 64))
    few, many = (dict[str, Any](one.figures) for one in found)
    assert few["latency_cycles"] > few["cycles"]
    assert few["latency_cycles"] > 1.2 * float(many["latency_cycles"])
    assert few["latency_us"] == pytest.approx(float(few["latency_cycles"]) / 12)


def test_the_fullest_memory_is_the_one_that_binds() -> None:
    graph = check(networks.two_layers(sizes=(40, 100, 10)))
    found = estimate(graph, targets.load("fpga").with_hardware(cores=1, weight_rows=512))
    name, share = found.fullest()
    assert (name, share) == ("weight_rows", 384 / 512)


def test_a_faster_clock_makes_shorter_steps() -> None:
    graph, target = check(networks.two_layers()), targets.load("fpga")
    slow, fast = (estimate(graph, target.with_hardware(clock_hz=hz)).figures for hz in (12_000_000, 48_000_000))
    assert slow["cycles"] == fast["cycles"]
    assert slow["step_us"] == 4 * float(fast["step_us"])


def test_what_does_not_fit_says_how_to_find_the_targets_that_hold_it(cli: terminal.Cli, tmp_path: Path) -> None:
    graph = networks.looped(networks.two_layers(sizes=(40, 100, 10)))
    small = targets.load("fpga").with_hardware(cores=1, weight_rows=64, neurons=64)
    with pytest.raises(DoesNotFit) as caught:
        nd.build(graph, targets.validate({**small.model_dump(by_alias=True), "name": "small"}, where="small"))
    command = re.fullmatch(r"'nirdeploy (\w+) MODEL' says which targets hold it", caught.value.hint)
    assert command
    nirfile.write(tmp_path / "m.nir", graph)
    rows = cli(command[1], tmp_path / "m.nir", "--json").json["targets"]
    assert {"fpga", "spinnaker2"} <= {row["target"] for row in rows if row["fits"]}


def test_a_refusal_asks_no_other_target(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    found = registry.find_backend

    def counted(name: str, where: str) -> Backend:
        asked.append(name)
        return found(name, where)

    monkeypatch.setattr(registry, "find_backend", counted)
    with pytest.raises(DoesNotFit):
        nd.build(networks.two_layers(), "speck2f")
    assert set(asked) == {"speck"}


def test_what_no_target_holds() -> None:
    nodes = {
        "input": nir.Input({"input": np.array([6000])}),
        "fc": nir.Linear(np.ones((1000, 6000), dtype=np.float32)),
        "lif": nir.CubaLIF(*(np.full(1000, v) for v in (1e-3, 1e-3, 1.0, 0.0, 1.0)), v_reset=np.zeros(1000)),
        "output": nir.Output({"output": np.array([1000])}),
    }
    graph = nir.NIRGraph(nodes, [("input", "fc"), ("fc", "lif"), ("lif", "output")], type_check=False)
    graph = networks.looped(graph, "lif")
    with pytest.raises(DoesNotFit):
        nd.build(graph, dialect="nir,dt=1e-4,reset=subtract")
    assert not any(survey(check(graph, dialect="nir,dt=1e-4,reset=subtract")))


def test_hardware_too_large_for_its_chip_is_said_so() -> None:
    graph = check(networks.two_layers())
    there = estimate(graph, targets.load("fpga-icebreaker"))
    assert there.fits
    assert [use.over for use in there.chip] == [0] * len(there.chip)
    larger = estimate(graph, targets.load("fpga-icebreaker").with_hardware(lanes=256))
    assert not larger.fits
    assert "the hardware does not fit the chip: about" in larger.why
    assert "of 5,280 logic cells" in larger.why
    assert larger.fullest_of_chip()[1] > 2


def test_the_fullest_of_the_chip() -> None:
    found = estimate(check(networks.two_layers()), targets.load("fpga-icebreaker"))
    assert found.fullest_of_chip() == ("single-port RAM (256 kbit)", 1.0)
    assert estimate(check(networks.two_layers()), targets.load("fpga")).fullest_of_chip() == ("", 0.0)


@pytest.mark.parametrize(
    ("target", "cores"), [("fpga", 4), ("loihi2", 128), ("speck2f", 9), ("spinnaker2", 148), ("xylo_a2", 1)]
)
def test_how_many_cores_there_are(target: str, cores: int) -> None:
    chosen = targets.load(target)
    assert registry.backend_of(chosen).cores(chosen) == cores
