"""A chip's way from a graph to its cores: everything judged in one order, and each population rounded once.

The order of the problems: of the inputs; of each neuron, then of its numbers; of the connections; of the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.targets.fit import Problem


class Rounded(Protocol):
    """A population's rounding. ``problems``: what the chip's numbers cannot hold of it."""

    @property
    def problems(self) -> Sequence[Problem]: ...


R = TypeVar("R", bound=Rounded)


def neurons(graph: CheckedGraph) -> list[Population]:
    """The populations that are no inputs."""
    return [population for population in graph.populations if population.model != "Input"]


def judged(
    graph: CheckedGraph,
    neuron: Callable[[Population], Iterable[Problem]],
    rounding: Callable[[Population], R] | None,
) -> tuple[dict[str, R], list[Problem]]:
    """Each population judged as a neuron and, where nothing is against it, rounded: once. None: none is rounded."""
    rounded: dict[str, R] = {}
    found: list[Problem] = []
    for population in neurons(graph):
        own = list(neuron(population))
        if not own and rounding is not None:
            rounded[population.name] = rounding(population)
            own = list(rounded[population.name].problems)
        found += own
    return rounded, found
