"""Speck: integrate-and-fire neurons behind convolutions, one layer on each of its DYNAP-CNN cores.

After the public documentation of samna and sinabs: see ``docs/targets/speck.md``.
"""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.common.fitting import judged
from nirdeploy.backends.common.registers import check_registers
from nirdeploy.backends.speck import configuration, layers, limits, schema
from nirdeploy.backends.speck.dynamics import REGISTERS, SpeckDynamics
from nirdeploy.backends.speck.placement import crowding, estimate, one_layer_each, place
from nirdeploy.backends.speck.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import assembled
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.fit import Fit
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class SpeckBackend(Backend):
    """One chip, through samna."""

    Formats = schema.Formats
    Hardware = schema.Hardware
    dynamics = SpeckDynamics()

    def misfits(self, target: Target) -> list[str]:
        hardware = target.hardware
        counts = {key: len(getattr(hardware, key)) for key in ("kernel_words", "neuron_words", "bias_words")}
        if len(set(counts.values())) == 1:
            return []
        said = ", ".join(f"hardware.{key} has {count}" for key, count in counts.items())
        return [f"{said} entries, one per core is due in each"]

    def fit(self, graph: CheckedGraph, target: Target) -> Fit:
        found = layers.of_graph(graph, target.hardware)
        rounded, problems = judged(
            graph,
            lambda population: limits.of_the_neuron(graph, population, found, target),
            lambda population: Rounding(graph, population, target.formats),
        )
        problems += limits.of_the_connections(graph, found, target)
        problems += limits.of_the_sizes(graph, found, target)
        if problems:
            return Fit((*problems, *crowding(graph, found, target)))
        made = (one.result() for one in rounded.values())
        network = assembled(graph, target.name, target.formats.of_network(), made, dynamics=target.backend)
        return place(network, target)

    def cores(self, target: Target) -> int:
        return len(target.hardware.kernel_words)

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target) -> None:
        check_registers(network, REGISTERS)
        super().validate(placement, network, target)
        one_layer_each(placement)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configuration.written(network, placement, target)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        return estimate(network, target, activity)


BACKEND = SpeckBackend
