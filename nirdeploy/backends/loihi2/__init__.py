"""Loihi 2: current-based integrate-and-fire neurons in lava's fixed point, on 128 neurocores."""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.loihi2 import limits, schema
from nirdeploy.backends.loihi2 import placement as placing
from nirdeploy.backends.loihi2.configuration import configuration as configured
from nirdeploy.backends.loihi2.dynamics import Loihi2Dynamics
from nirdeploy.backends.loihi2.latency import latencies
from nirdeploy.backends.loihi2.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import assembled
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class Loihi2Backend(Backend):
    """The chip through lava: configuration file, script, and an integer model equal to lava's simulation."""

    Formats = schema.Formats
    Hardware = schema.Hardware
    dynamics = Loihi2Dynamics()

    def problems(self, graph: CheckedGraph, target: Target) -> list[str]:
        return limits.problems(graph, target)

    def quantize(self, graph: CheckedGraph, target: Target) -> IntegerNetwork:
        latency, _ = latencies(graph)
        rounded = (
            Rounding(graph, population, target.formats, latency).result()
            for population in graph.populations
            if population.model != "Input"
        )
        return assembled(graph, target.name, target.formats.of_network(), rounded)

    def place(self, network: IntegerNetwork, target: Target) -> Placement:
        return placing.place(network, target)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configured(network, placement, target)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        return placing.estimate(network, target, activity)


BACKEND = Loihi2Backend
