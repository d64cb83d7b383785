"""SpiNNaker 2: neurons in single precision on ARM cores, 8-bit weights, one step per projection.

After py-spinnaker2's public conversion of NIR and a recording of a chip: see ``docs/targets/spinnaker2.md``.
"""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.spinnaker2 import cores, limits, rounding
from nirdeploy.backends.spinnaker2.configuration import configuration as configured
from nirdeploy.backends.spinnaker2.dynamics import FloatNeurons
from nirdeploy.backends.spinnaker2.schema import Formats, Hardware
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class SpiNNaker2Backend(Backend):
    """One chip, through py-spinnaker2."""

    Formats = Formats
    Hardware = Hardware
    dynamics = FloatNeurons()

    def problems(self, graph: CheckedGraph, target: Target) -> list[str]:
        return limits.problems(graph, target)

    def quantize(self, graph: CheckedGraph, target: Target) -> IntegerNetwork:
        return rounding.quantize(graph, target)

    def cores(self, target: Target) -> int:
        """But for the system's own."""
        return int(target.hardware.cores - target.hardware.system_cores)

    def place(self, network: IntegerNetwork, target: Target) -> Placement:
        return cores.place(network, target)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configured(network, placement)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        """Synaptic events per step at ``activity`` (spikes per neuron and step), and the time the busiest core
        needs for them at the chip paper's highest rate: a step cannot be shorter."""
        each = {p.name: sum(q.synapses() for q in network.into(p.name)) / p.size for p in network.populations}
        events = [activity * each[part.population] * part.count for part in placement.slices]
        return {
            "synaptic_events": float(sum(events)),
            "busiest_core_events": float(max(events)),
            "step_us": 1e6 * float(max(events)) / target.hardware.events_per_second,
        }


BACKEND = SpiNNaker2Backend
