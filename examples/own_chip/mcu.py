"""A backend of one's own: a microcontroller that steps dense networks of IF and LIF neurons in C.

Its neurons are those of nirdeploy's reference, so that it needs no dynamics; docs/adding-a-target.md has all hooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nirdeploy.backends.common.support import unsupported
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerPopulation
from nirdeploy.integers.quantize import quantize
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.placement import CoreUse, Placement, Slice
from nirdeploy.targets.tables import Formats, Positive, Table, Target


class Hardware(Table):
    """The [hardware] of the target file."""

    flash_bytes: Positive
    ram_bytes: Positive


McuTarget = Target[Formats, Hardware]


class Mcu(Backend[Formats, Hardware]):
    """One core, which steps layer after layer."""

    Hardware = Hardware

    def fit(self, graph: CheckedGraph, target: McuTarget) -> Fit:
        """The graph in integers, or everything that keeps it from them."""
        problems = [*unsupported(graph, target), *beyond(graph)]
        if problems:
            return Fit(tuple(problems))
        network = replace(quantize(graph, target.formats.of_network()), target=target.name)
        use = CoreUse(0, memories(network), {"flash": target.hardware.flash_bytes, "ram": target.hardware.ram_bytes})
        over = [
            Problem(
                "",
                f"the network takes {used:,} bytes of {name}",
                f"the chip has {use.limits[name]:,}",
                "use fewer neurons",
            )
            for name, used in use.used.items()
            if used > use.limits[name]
        ]
        if over:
            return Fit(tuple(over), network)
        slices = tuple(Slice(p.name, 0, group, 0, p.size) for group, p in enumerate(network.populations))
        return Fit((), network, Placement(network.digest(), target.name, slices, (use,)))

    def configuration(self, network: IntegerNetwork, placement: Placement, target: McuTarget) -> dict[str, Any]:
        """What the templates write into network.h: plain numbers and lists."""
        ((source, shape),) = network.inputs
        places = {source: 0} | {p.name: place for place, p in enumerate(network.populations, 1)}
        return {
            "inputs": int(shape[0]),
            "populations": [
                {
                    "name": p.name,
                    "size": p.size,
                    "decay": p.decay.tolist(),
                    "bias": p.bias.tolist(),
                    "threshold": p.threshold.tolist(),
                    "reset": p.reset_value.tolist(),
                    "into": [
                        {"source": places[q.source], "shift": p.shift + q.shift, "weights": q.weight.ravel().tolist()}
                        for q in network.into(p.name)
                    ],
                }
                for p in network.populations
                if isinstance(p, IntegerPopulation)  # which those of the reference are
            ],
        }


def beyond(graph: CheckedGraph) -> Iterator[Problem]:
    """What main.c does not do."""
    if len(graph.inputs) > 1 or len(graph.population(next(iter(graph.inputs))).shape) > 1:
        yield Problem("", "the inputs are several, or have rows", "the chip takes one vector", "flatten the input")
    if graph.input_bits > 1:
        yield Problem("", f"the inputs have numbers of {graph.input_bits} bits", "the chip takes spikes", "encode them")
    for p in graph.projections:
        if p.pool is not None or p.maximum is not None or not isinstance(p.operator, Dense):
            yield Problem(p.target, f"what leads into {p.target!r} is no matrix", "the chip has", "use nn.Linear")


def memories(network: IntegerNetwork) -> dict[str, int]:
    """Bytes of each memory."""
    neurons = sum(p.size for p in network.populations)
    weights = sum(q.weight.size for q in network.projections)
    return {"flash": weights + 16 * neurons, "ram": 5 * neurons + sum(int(shape[0]) for _, shape in network.inputs)}
