"""SynSense Xylo: neurons with bit-shift decays, 16-bit states and 8-bit weights, on one core.

After the vendor's simulator and documentation: see ``docs/targets/xylo.md``.
"""

from __future__ import annotations

from typing import Any

from nirdeploy.backends.common.fitting import judged
from nirdeploy.backends.common.latency import first_ways
from nirdeploy.backends.common.registers import check_registers
from nirdeploy.backends.xylo import configuration, limits, schema, silence, wiring
from nirdeploy.backends.xylo.dynamics import REGISTERS, XyloDynamics
from nirdeploy.backends.xylo.placement import estimate, in_order, place, violations
from nirdeploy.backends.xylo.rounding import Rounding, Shifts
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import assembled
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


class XyloBackend(Backend):
    """One chip: its configuration as JSON, and an integer model equal to the vendor's simulator."""

    Formats = schema.Formats
    Hardware = schema.Hardware
    dynamics = XyloDynamics()

    def fit(self, graph: CheckedGraph, target: Target) -> Fit:
        """Synapses are counted after rounding, where there is nothing against it; those of a graph of another order
        of size than the chip not at all."""
        hardware = target.hardware
        beyond: tuple[Problem, ...] = ()
        if not wiring.countable(graph, hardware):
            beyond = violations(wiring.of_graph(graph, hardware), hardware)
        graph = graph if beyond else wiring.merged(graph)
        wires = wiring.of_graph(graph, hardware)
        slack = wiring.slack_of(graph)
        latency = first_ways(graph, slack)
        rounded, of_the_neurons = judged(
            graph,
            lambda population: limits.of_the_neuron(graph, population, target),
            None if beyond else lambda p: Rounding(graph, p, wires, target.formats, latency[p.name]),
        )
        shifts = Shifts(list(rounded.values()), target.formats)
        found = [*limits.of_the_inputs(graph, target), *of_the_neurons, *shifts.problems]
        if found := [*found, *limits.of_the_connections(graph, latency, slack), *beyond]:
            return Fit((*found, *(() if beyond else violations(wires, hardware))))
        made = (one.result(shifts) for one in rounded.values())
        network, silent = silence.marked(
            assembled(graph, target.name, target.formats.of_network(), made, dynamics=target.backend)
        )
        placed = place(network, target)
        return Fit((*silent, *placed.problems)) if silent else placed

    def validate(self, placement: Placement, network: IntegerNetwork, target: Target) -> None:
        check_registers(network, REGISTERS)
        super().validate(placement, network, target)
        in_order(placement, network, target)

    def configuration(self, network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
        return configuration.written(network, placement, target)

    def estimate(
        self, network: IntegerNetwork, placement: Placement, plan: Any, target: Target, activity: float
    ) -> dict[str, float | str]:
        return estimate(network, activity)


BACKEND = XyloBackend
