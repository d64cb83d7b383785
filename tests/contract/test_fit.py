"""One fit judges a graph: check, build and estimate say the same of it, and nothing of it is made twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nir
import pytest
from hypothesis import HealthCheck, given, settings

import nirdeploy as nd
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.program import Program
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers import quantize as rounding
from nirdeploy.targets import registry as targets
from nirdeploy.targets.estimate import estimate
from nirdeploy.targets.fit import Fit
from nirdeploy.targets.placement import validate
from nirdeploy.targets.tables import Target
from tests import networks
from tests.conftest import examples
from tests.contract.test_every_target import impossible, legal, network
from tests.unit.cli import conftest as terminal

cli = terminal.cli


# --- one judgement ----------------------------------------------------------------------


def refused(target: Target) -> list[nir.NIRGraph]:
    """Several spikes whose reset comes a step late, a projection that does, both."""
    model, dialect = legal(target)
    late = target.connections.delay_max + 9
    return [
        network(model, f"{dialect},spikes=multi,reset_delay=true"),
        network(model, dialect, late),
        impossible(target),
    ]


@pytest.mark.parametrize("name", targets.names())
def test_what_is_rounded_is_what_fits(name: str) -> None:
    target = targets.load(name)
    backend, graph = targets.backend_of(target), check(network(*legal(target)))
    found = backend.fit(graph, target).network
    assert found is not None
    assert backend.rounded(graph, target).digest() == found.digest()
    with pytest.raises(DoesNotFit) as refusal:
        backend.rounded(check(impossible(target)), target)
    assert tuple(refusal.value.problems) == backend.fit(check(impossible(target)), target).problems


def test_what_finds_no_room_is_rounded_all_the_same() -> None:
    target = targets.load("fpga").with_hardware(cores=1, weight_rows=512)
    backend, graph = targets.backend_of(target), check(networks.looped(networks.two_layers(sizes=(400, 400, 10))))
    assert backend.fit(graph, target).problems
    assert backend.rounded(graph, target).population("lif1").size == 400


@pytest.mark.parametrize("name", targets.names())
def test_inputs_of_a_range_fit_or_are_a_problem(name: str) -> None:
    target = targets.load(name)
    model, dialect = legal(target)
    graph = check(network(model, dialect), input_range=(-1, 1))
    found = nd.fit(graph, target)
    if found.network is not None and not found.problems:
        assert found.network.encodings == graph.encodings
        return
    assert all(problem.remedy for problem in found.problems)
    assert any("--input" in problem.remedy for problem in found.problems)


@pytest.mark.parametrize("name", targets.names())
def test_check_build_and_estimate_find_the_same(name: str) -> None:
    target = targets.load(name)
    for graph in refused(target):
        expected = nd.fit(graph, target).problems
        assert expected
        assert estimate(check(graph), target).problems == expected
        with pytest.raises(DoesNotFit) as caught:
            nd.build(graph, target)
        assert caught.value.problems == expected
        assert caught.value.message == "; ".join(map(str, expected))


@pytest.mark.parametrize("name", targets.names())
def test_the_commands_print_the_same(cli: Callable[..., Any], tmp_path: Path, name: str) -> None:
    graph = impossible(targets.load(name))
    nirfile.write(tmp_path / "m.nir", graph)
    expected = nd.fit(graph, name).problems
    as_data, said = [asdict(problem) for problem in expected], [str(problem) for problem in expected]
    assert len(expected) > 1
    refusal = cli("check", tmp_path / "m.nir", "-t", name, "--json")
    assert refusal.json["error"]["problems"] == as_data
    assert refusal.err.splitlines()[1:] == [f"  - {sentence}" for sentence in said]
    again = cli("build", tmp_path / "m.nir", "-t", name, "-o", tmp_path / "b", "--json")
    assert (again.json, again.err) == (refusal.json, refusal.err)
    (row,) = cli("estimate", tmp_path / "m.nir", "-t", name, "--json").json["targets"]
    assert (row["fits"], row["problems"]) == (False, as_data)
    plain = cli("estimate", tmp_path / "m.nir", "-t", name).out.splitlines()
    told = [line for line in plain if line.startswith(f"{name}: ")]
    assert told == [f"{name}: {what}" for what in (targets.load(name).title, *said)]


def test_one_problem_is_one_paragraph(cli: Callable[..., Any], tmp_path: Path) -> None:
    model, dialect = legal(targets.load("fpga"))
    graph = network(model, f"{dialect},spikes=multi,reset_delay=true")
    single = nir.NIRGraph(
        {name: node for name, node in graph.nodes.items() if name not in ("to_last", "last", "out")}
        | {"out": nir.Output({"output": graph.nodes["hidden"].v_threshold.shape})},
        [("in", "to_hidden"), ("to_hidden", "hidden"), ("hidden", "out")],
        metadata=graph.metadata,
        type_check=False,
    )
    nirfile.write(tmp_path / "m.nir", single)
    (problem,) = nd.fit(single, "fpga").problems
    hint = "'nirdeploy estimate MODEL' says which targets hold it"
    assert cli("check", tmp_path / "m.nir", "-t", "fpga").err == f"error[E401]: {problem} (in target fpga); {hint}\n"


def test_a_network_that_only_the_cores_cannot_hold_is_there(tmp_path: Path) -> None:
    small = targets.load("fpga").with_hardware(cores=1, weight_rows=64, neurons=64)
    graph = networks.looped(networks.looped(networks.two_layers(sizes=(40, 100, 90))), "lif2")
    fit = nd.fit(graph, small)
    assert fit.network is not None
    assert fit.placement is None
    assert {problem.node for problem in fit.problems} == {"lif1", "lif2"}
    built = nd.build(graph, small, tmp_path / "b", stop="quantize")
    assert built.network.digest() == fit.network.digest()
    with pytest.raises(DoesNotFit) as caught:
        nd.build(out=tmp_path / "b", start="place")
    assert caught.value.problems == fit.problems


# --- nothing twice ------------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=networks.graphs(max_size=40) | networks.grids(most=90))
def test_every_population_is_rounded_once(graph: CheckedGraph, rounded: Counter[str]) -> None:
    """On every target whose neurons the reference rounds."""
    for name in targets.names():
        rounded.clear()
        fit = nd.fit(graph, name)
        assert _valid(fit)
        if targets.load(name).backend == "fpga" and fit.network is not None:
            assert rounded == Counter(population.name for population in fit.network.populations), name
        else:
            assert max(rounded.values(), default=0) <= 1


def _valid(fit: Fit) -> bool:
    if fit.network is not None and fit.placement is not None:
        validate(fit.placement, fit.network)
    return fit.fits == (fit.placement is not None)


@pytest.fixture
def rounded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each population was rounded."""
    count: Counter[str] = Counter()

    class Counted(rounding._Rounding):
        def result(self) -> Any:
            count[self.population.name] += 1
            return super().result()

    monkeypatch.setattr(rounding, "_Rounding", Counted)
    return count


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The slices of every floorplan that was made, and of every program, with its floorplan's."""
    made: dict[str, list[Any]] = {"floorplans": [], "programs": []}
    of_floorplan, of_program = Floorplan.__init__, Program.__init__

    def floorplan(self: Floorplan, *given: Any) -> None:
        of_floorplan(self, *given)
        made["floorplans"].append(self._slices)

    def program(self: Program, plan: Floorplan, target: Target, slices: Any) -> None:
        of_program(self, plan, target, slices)
        made["programs"].append((plan._slices, tuple(slices)))

    monkeypatch.setattr(Floorplan, "__init__", floorplan)
    monkeypatch.setattr(Program, "__init__", program)
    return made


def test_a_build_makes_each_floorplan_and_program_once(plans: dict[str, list[Any]], tmp_path: Path) -> None:
    """One floorplan of whole blocks and a program of each, to weigh them by; the final one, a program per core."""
    graph = check(networks.two_layers(sizes=(40, 100, 10)))
    built = nd.build(graph, "fpga", tmp_path / "b")
    assert all(any(core.used.values()) for core in built.placement.cores)
    expected = {"floorplans": 2, "programs": 2 + len(built.placement.cores)}
    assert {kind: len(made) for kind, made in plans.items()} == expected
    assert {kind: len(set(made)) for kind, made in plans.items()} == expected
    for made in plans.values():
        made.clear()
    assert estimate(graph, targets.load("fpga")).fits
    assert {kind: len(made) for kind, made in plans.items()} == expected


@pytest.mark.parametrize("start", ["emit", "image"])
def test_a_build_that_is_loaded_makes_its_plan_once(plans: dict[str, list[Any]], tmp_path: Path, start: str) -> None:
    whole = nd.build(check(networks.two_layers(sizes=(40, 100, 10))), "fpga", tmp_path / "b")
    for made in plans.values():
        made.clear()
    again = nd.build(out=tmp_path / "b", start=start)
    assert again.image.blob == whole.image.blob
    assert {kind: len(made) for kind, made in plans.items()} == {
        "floorplans": 1,
        "programs": len(whole.placement.cores),
    }
