"""Each population is rounded once, whether its network fits or not, and read as problems that are data."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.targets import registry
from nirdeploy.targets.fit import Fit
from nirdeploy.targets.tables import Target
from tests.chips import loihi2_networks, speck_graphs, speck_parts, spinnaker2_networks, xylo_networks


@dataclass(frozen=True)
class Chip:
    """A network that a target takes, and changes of the target under which there is no room for it."""

    target: str
    graph: Callable[[], CheckedGraph]
    smaller: dict[str, Any]


def _loihi2() -> CheckedGraph:
    return check(loihi2_networks.network(5), dialect=f"nir,dt={loihi2_networks.DT}")


def _speck() -> CheckedGraph:
    parts = [speck_parts.part(name) for name in ("n", "m")]
    return speck_graphs.graph([p for part in parts for p in part[0]], [p for part in parts for p in part[1]])


def _spinnaker2() -> CheckedGraph:
    parts = [spinnaker2_networks.part("a"), spinnaker2_networks.part("b", "CubaLIF")]
    populations, ways = [p for part in parts for p in part[0]], [p for part in parts for p in part[1]]
    return spinnaker2_networks.graph(populations, ways, spinnaker2_networks.PLAIN)


CHIPS = {
    "loihi2": Chip("loihi2", _loihi2, {"cores": 1, "neurons": 1}),
    "speck": Chip("speck2f", _speck, {"kernel_words": (1,) * 9}),
    "spinnaker2": Chip("spinnaker2", _spinnaker2, {"cores": 153, "system_cores": 152}),
    "xylo": Chip("xylo_a2", lambda: xylo_networks.graph(0), {"hidden": 20}),
}


def too_late(graph: CheckedGraph) -> CheckedGraph:
    """With connections that no chip delays so long."""
    return replace(graph, projections=tuple(replace(p, delay=p.delay + 999) for p in graph.projections))


def neurons(graph: CheckedGraph) -> list[str]:
    return [p.name for p in graph.populations if p.model != "Input"]


@pytest.fixture(params=CHIPS)
def chip(request: pytest.FixtureRequest) -> Chip:
    return CHIPS[request.param]


@pytest.fixture
def rounded(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each population has been rounded."""
    rounding: Any = importlib.import_module(
        f"nirdeploy.backends.{registry.load(chip.target).backend}.rounding"
    ).Rounding
    count: Counter[str] = Counter()
    make = rounding.__init__

    def counted(self: Any, graph: CheckedGraph, population: Any, *others: Any) -> None:
        count[population.name] += 1
        make(self, graph, population, *others)

    monkeypatch.setattr(rounding, "__init__", counted)
    return count


def fit(graph: CheckedGraph, target: Target) -> Fit:
    return registry.backend_of(target).fit(graph, target)


def test_a_network_that_fits(chip: Chip, rounded: Counter[str]) -> None:
    graph = chip.graph()
    found = fit(graph, registry.load(chip.target))
    assert found.fits
    assert found.network is not None
    assert found.placement is not None
    assert rounded == Counter(neurons(graph))
    assert len(rounded) > 1


def test_a_network_without_room(chip: Chip, rounded: Counter[str]) -> None:
    """Its integers are there all the same."""
    graph = chip.graph()
    found = fit(graph, registry.load(chip.target).with_hardware(**chip.smaller))
    assert not found.fits
    assert found.placement is None
    assert found.network is not None
    assert [p.name for p in found.network.populations] == neurons(graph)
    assert rounded == Counter(neurons(graph))


def test_a_network_whose_connections_are_refused(chip: Chip, rounded: Counter[str]) -> None:
    graph = too_late(chip.graph())
    found = fit(graph, registry.load(chip.target))
    assert not found.fits
    assert found.network is None
    assert rounded == Counter(neurons(graph))
    late = {f"{p.source} -> {p.target}" for p in graph.projections}
    assert late >= {problem.node for problem in found.problems if "->" in problem.node}
    assert any(problem.node in late for problem in found.problems)


def test_a_neuron_that_the_chip_does_not_have_is_not_rounded(chip: Chip, rounded: Counter[str]) -> None:
    graph = chip.graph()
    odd = neurons(graph)[0]
    populations = tuple(replace(p, model="Threshold") if p.name == odd else p for p in graph.populations)
    found = fit(replace(graph, populations=populations), registry.load(chip.target))
    assert {problem.node for problem in found.problems} >= {odd}
    assert rounded == Counter(set(neurons(graph)) - {odd})


def test_a_problem_names_its_node_and_says_its_remedy(chip: Chip) -> None:
    for graph in (chip.graph(), too_late(chip.graph())):
        for problem in fit(graph, registry.load(chip.target).with_hardware(**chip.smaller)).problems:
            known = {
                "",
                *(p.name for p in graph.populations),
                *(f"{p.source} -> {p.target}" for p in graph.projections),
            }
            assert problem.node in known, problem
            assert problem.remedy, problem
            assert str(problem).endswith(f"; {problem.remedy}")
