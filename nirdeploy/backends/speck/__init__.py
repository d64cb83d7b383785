"""Speck: integrate-and-fire neurons behind convolutions, one layer on each of its DYNAP-CNN cores.

After the public documentation of samna and sinabs: see ``docs/targets/speck.md``.
"""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.speck import cores, limits, rounding
from nirdeploy.backends.speck.configuration import configuration as configured
from nirdeploy.backends.speck.dynamics import IntegrateAndFire
from nirdeploy.backends.speck.schema import Formats, Hardware
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets import placement as place
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class SpeckBackend(Backend):
    """One chip, through samna."""

    Formats = Formats
    Hardware = Hardware
    dynamics = IntegrateAndFire()

    def misfits(self, target: Target) -> list[str]:
        hardware = target.hardware
        counts = {key: len(getattr(hardware, key)) for key in ("kernel_words", "neuron_words", "bias_words")}
        if len(set(counts.values())) == 1:
            return []
        said = ", ".join(f"hardware.{key} has {count}" for key, count in counts.items())
        return [f"{said} entries, one per core is due in each"]

    def problems(self, graph: CheckedGraph, target: Target) -> list[str]:
        return limits.problems(graph, target)

    def quantize(self, graph: CheckedGraph, target: Target) -> IntegerNetwork:
        return rounding.quantize(graph, target)

    def cores(self, target: Target) -> int:
        return len(target.hardware.kernel_words)

    def place(self, network: IntegerNetwork, target: Target) -> Placement:
        return cores.place(network, target)

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target) -> None:
        place.validate(placement, network)
        cores.validate(placement)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configured(network, placement, target)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        """Synaptic operations per step, all cores and the busiest, where each neuron and input spikes ``activity``
        times a step: what sinabs' documentation names as a core's limit, without a figure."""
        found = cores.layers(network, target)
        operations = {name: activity * layer.synapses() for name, layer in found.layers.items()}
        busiest = max(operations, key=lambda name: operations[name])
        return {
            "synaptic_events": sum(operations.values()),
            "busiest_core_events": operations[busiest],
            "busiest": busiest,
        }


BACKEND = SpeckBackend
