"""Loihi 2: current-based integrate-and-fire neurons in lava's fixed point, on 128 neurocores."""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.common.fitting import judged
from nirdeploy.backends.common.latency import longest_ways
from nirdeploy.backends.common.registers import check_registers
from nirdeploy.backends.loihi2 import configuration, limits, schema
from nirdeploy.backends.loihi2.dynamics import REGISTERS, Loihi2Dynamics
from nirdeploy.backends.loihi2.placement import estimate, place
from nirdeploy.backends.loihi2.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import assembled
from nirdeploy.targets.backend import Backend, PublishedEnergy
from nirdeploy.targets.fit import Fit
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class Loihi2Backend(Backend):
    """The chip through lava: configuration file, script, and an integer model equal to lava's simulation."""

    Formats = schema.Formats
    Hardware = schema.Hardware
    dynamics = Loihi2Dynamics()

    def fit(self, graph: CheckedGraph, target: Target) -> Fit:
        latency, loop = longest_ways(graph)
        rounded, of_the_neurons = judged(
            graph,
            lambda population: limits.of_the_neuron(graph, population, target),
            None if loop else lambda population: Rounding(graph, population, target.formats, latency),
        )
        found = [*limits.of_the_inputs(graph, target), *of_the_neurons]
        if found := [*found, *limits.of_the_connections(graph, target, latency, loop)]:
            return Fit(tuple(found))
        made = (one.result() for one in rounded.values())
        network = assembled(graph, target.name, target.formats.of_network(), made, dynamics=target.backend)
        return place(network, target)

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target) -> None:
        check_registers(network, REGISTERS)
        super().validate(placement, network, target)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configuration.written(network, placement, target)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        return estimate(network, target, activity)

    def published_energy(self, target: Target) -> PublishedEnergy:
        source = target.sources.get("hardware.synaptic_event_pj", "the target's file")
        operation, update = target.hardware.synaptic_event_pj, target.hardware.neuron_update_pj
        return PublishedEnergy(target.title, 2018, source, operation, update)


BACKEND = Loihi2Backend
