"""SpiNNaker 2: neurons in single precision on ARM cores, 8-bit weights, one step per projection.

After py-spinnaker2's public conversion of NIR and a recording of a chip: see ``docs/targets/spinnaker2.md``.
"""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.common.fitting import judged
from nirdeploy.backends.common.latency import first_ways
from nirdeploy.backends.common.registers import check_registers
from nirdeploy.backends.spinnaker2 import configuration, limits, schema
from nirdeploy.backends.spinnaker2.dynamics import REGISTERS, SpiNNaker2Dynamics
from nirdeploy.backends.spinnaker2.placement import as_laid_out, estimate, place
from nirdeploy.backends.spinnaker2.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import assembled
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.fit import Fit
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class SpiNNaker2Backend(Backend):
    """One chip, through py-spinnaker2."""

    Formats = schema.Formats
    Hardware = schema.Hardware
    dynamics = SpiNNaker2Dynamics()

    def fit(self, graph: CheckedGraph, target: Target) -> Fit:
        latency = first_ways(graph, limits.slack)
        rounded, of_the_neurons = judged(
            graph,
            lambda population: limits.of_the_neuron(graph, population, target),
            lambda population: Rounding(graph, population, target.formats, latency[population.name]),
        )
        found = [*limits.of_the_inputs(graph), *of_the_neurons]
        if found := [*found, *limits.of_the_connections(graph, target, latency)]:
            return Fit(tuple(found))
        made = (one.result() for one in rounded.values())
        network = assembled(graph, target.name, target.formats.of_network(), made, dynamics=target.backend)
        return place(network, target)

    def cores(self, target: Target) -> int:
        """But for the system's own."""
        return int(target.hardware.cores - target.hardware.system_cores)

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target) -> None:
        check_registers(network, REGISTERS)
        super().validate(placement, network, target)
        as_laid_out(placement, network, target)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configuration.written(network, placement)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        return estimate(network, placement, target, activity)


BACKEND = SpiNNaker2Backend
