"""A placed network as the JSON that the rendered script builds the chip's simulation or its configuration from."""

from __future__ import annotations

from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Population
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target

#: Of the configuration file's fields.
VERSION = 1
#: Registers of a hidden neuron that only repeats another: it never spikes on its own.
_SILENT = {"dash_mem": 0, "dash_syn": 0, "bias": 0}


def written(network: IntegerNetwork, placement: Placement, target: Target) -> dict[str, Any]:
    """The chip's registers and memories, in plain lists by number of input, hidden neuron and output.

    ``synapses``: by source [number of the target, weight], of inputs to hidden, hidden to hidden, hidden to output;
    ``weight_shift`` of each of the three; ``alias``: by hidden neuron the one that repeats it, or -1.
    ``populations``: where the network's neurons are, in its order. ``reach``: how many hidden neurons, the first and
    the last, the chip's matrices of input and output weights hold. ``input_events``: the most of a channel and step.
    """
    layout = placement.layout
    synapses, shifts = _synapses(network, placement, target)
    silent = {**_SILENT, "threshold": target.formats.state_max}
    alias = np.full(layout["hidden_neurons"], -1, dtype=np.int64)
    for number, copy in layout["aliases"]:
        alias[number] = copy
    populations = [_population(p, placement) for p in network.populations]
    inputs = [{"name": name, "shape": list(shape), "numbers": layout["inputs"][name]} for name, shape in network.inputs]
    return {
        "version": VERSION,
        "target": target.name,
        "network": network.digest(),
        "dt": network.dt,
        "rockpool": target.hardware.rockpool,
        "reach": {"input": target.hardware.input_reach, "output": target.hardware.output_reach},
        "input_events": target.formats.input_events,
        "inputs": inputs,
        "populations": populations,
        "outputs": dict(network.outputs),
        "hidden": _registers(network, layout["hidden"], layout["hidden_neurons"], silent),
        "output": _registers(network, layout["outputs"], sum(map(len, layout["outputs"].values())), silent),
        "alias": alias.tolist(),
        "synapses": synapses,
        "weight_shift": shifts,
        "memory": [{"used": dict(c.used), "limits": dict(c.limits)} for c in placement.cores],
    }


def _population(p: Population, placement: Placement) -> dict[str, Any]:
    kind = "hidden" if p.name in placement.layout["hidden"] else "output"
    numbers = placement.layout["hidden" if kind == "hidden" else "outputs"][p.name]
    return {"name": p.name, "shape": list(p.shape), "kind": kind, "numbers": numbers, "latency": p.latency}


def _registers(
    network: IntegerNetwork, numbers: dict[str, list[int]], size: int, silent: dict[str, int]
) -> dict[str, list[int]]:
    registers = {name: np.full(size, value, dtype=np.int64) for name, value in silent.items()}
    for population, own in numbers.items():
        for name, values in registers.items():
            values[own] = network.on_chip(population).registers[name]
    return {name: values.tolist() for name, values in registers.items()}


def _synapses(
    network: IntegerNetwork, placement: Placement, target: Target
) -> tuple[dict[str, list[list[list[int]]]], dict[str, int]]:
    layout = placement.layout
    made: dict[str, list[list[list[int]]]] = {
        "input": [[] for of in layout["inputs"].values() for _ in of],
        "hidden": [[] for _ in range(layout["hidden_neurons"])],
        "output": [[] for _ in range(layout["hidden_neurons"])],
    }
    shifts = dict.fromkeys(made, 0)
    for p in network.projections:
        kind = "input" if p.source in layout["inputs"] else "hidden" if p.target in layout["hidden"] else "output"
        sources = layout["inputs" if kind == "input" else "hidden"][p.source]
        targets = layout["outputs" if kind == "output" else "hidden"][p.target]
        shifts[kind] = p.shift
        for neuron, source in zip(*np.nonzero(p.weight), strict=True):
            made[kind][sources[source]].append([targets[neuron], int(p.weight[neuron, source])])
    _share(made, dict(map(tuple, layout["aliases"])), target.hardware.fan_out)
    return made, shifts


def _share(made: dict[str, list[list[list[int]]]], alias: dict[int, int], fan_out: int) -> None:
    """What of a neuron's synapses is beyond its fan-out goes to its alias, and so on; hidden targets first."""
    for number, copy in sorted(alias.items()):
        hidden, output = made["hidden"][number], made["output"][number]
        there = max(fan_out - len(hidden), 0)
        made["hidden"][number], made["hidden"][copy] = hidden[:fan_out], hidden[fan_out:]
        made["output"][number], made["output"][copy] = output[:there], output[there:]
