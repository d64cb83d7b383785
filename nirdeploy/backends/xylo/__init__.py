"""SynSense Xylo: neurons with bit-shift decays, 16-bit states and 8-bit weights, on one core.

After the vendor's simulator and documentation: see ``docs/targets/xylo.md``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nirdeploy.backends.xylo import limits, schema, silence, wiring
from nirdeploy.backends.xylo import placement as placing
from nirdeploy.backends.xylo.configuration import configuration as configured
from nirdeploy.backends.xylo.dynamics import XyloDynamics
from nirdeploy.backends.xylo.rounding import Rounding
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class XyloBackend(Backend):
    """One chip: its configuration as JSON, and an integer model equal to the vendor's simulator."""

    Formats = schema.Formats
    Hardware = schema.Hardware
    dynamics = XyloDynamics()

    def problems(self, graph: CheckedGraph, target: Target) -> list[str]:
        return limits.problems(graph, target)

    def quantize(self, graph: CheckedGraph, target: Target) -> IntegerNetwork:
        """The graph in integers. Raises :class:`DoesNotFit` where a population can no longer spike."""
        network = Rounding(wiring.merged(graph), target).network()
        able = silence.able(network)
        if silent := list(silence.diagnosis(network, able)):
            raise DoesNotFit("; ".join(silent), where=f"target {target.name}")
        report = ({**row, "cannot_spike": int((~able[str(row["population"])]).sum())} for row in network.report)
        return replace(network, report=tuple(report))

    def place(self, network: IntegerNetwork, target: Target) -> Placement:
        return placing.place(network, target)

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target) -> None:
        super().validate(placement, network, target)
        placing.validate(placement, network, target)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configured(network, placement, target)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        """Synaptic events per step at ``activity``, and the steps from input to output; the vendor publishes no
        energy or time per event."""
        return {
            "synaptic_events": activity * sum(int((p.weight != 0).sum()) for p in network.projections),
            "latency_steps": float(max(network.population(name).latency for name in network.outputs.values())),
        }


BACKEND = XyloBackend
