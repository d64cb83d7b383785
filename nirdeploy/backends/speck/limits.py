"""What of a graph the chip cannot do: everything at once, one sentence each, with node, limit and remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from nirdeploy.backends.speck.cores import assigned, memories
from nirdeploy.backends.speck.layers import Layers, layers_of
from nirdeploy.backends.speck.rounding import Core
from nirdeploy.graph.check import CheckedGraph, Population
from nirdeploy.semantics import neuron
from nirdeploy.targets.tables import Target


def problems(graph: CheckedGraph, target: Target) -> list[str]:
    """Sentences in the order of the graph: neurons, connections, sizes, cores."""
    neurons = [p for p in graph.populations if p.model != "Input"]
    layers = layers_of(
        {name: graph.population(name).shape for name in graph.inputs},
        {population.name: population.shape for population in neurons},
        graph.projections,
        graph.outputs.values(),
        target.hardware,
    )
    found: list[str] = []
    for population in neurons:
        own = list(_of_the_neuron(graph, population, target))
        found += own or _of_the_values(graph, population, layers, target)
    found += _of_the_connections(graph, target)
    found += layers.problems
    found += _of_the_sizes(layers, target)
    found += _of_the_readout(graph, layers, target)
    needs = {name: layer.memory(bool(graph.population(name).bias.any())) for name, layer in layers.layers.items()}
    return found + assigned(needs, memories(target.hardware))[1]


def _of_the_neuron(graph: CheckedGraph, population: Population, target: Target) -> Iterator[str]:
    node = f"node {population.name!r}"
    if population.model not in target.models:
        yield (
            f"{node} is a {population.model}, the chip's neurons are {', '.join(target.models)} (integrate and fire, "
            "without leak or synaptic current); train with them, or choose another target"
        )
        return
    rules, dialect = graph.rules(population.name), graph.dialect_of(population.name)
    wanted = {
        "spikes=multi": not rules.multi,
        "max_spikes=0": rules.multi and rules.max_spikes > 0,
        "threshold=>=": rules.threshold != ">=",
        "reset=subtract or reset=zero": rules.reset not in target.models[population.model].reset,
        "reset_delay=false": rules.reset_delay,
        "reset_guard=false": rules.reset_guard,
        "spike_delay=false": rules.spike_delay,
    }
    odd = [text for text, wrong in wanted.items() if wrong]
    if odd:
        yield (
            f"{node} follows the dialect {dialect}, the chip's neurons fire at the threshold, as often as it fits, and "
            f"are reset at once; train with {', '.join(odd)} (the preset sinabs), and name it as the dialect"
        )
    reset = float(np.abs(population.params["v_reset"]).max())
    if reset:
        yield (
            f"{node} has v_reset = {reset:g}, the chip's neurons fall to 0 or by their whole threshold; train with "
            "v_reset = 0"
        )
    if population.late_bias:
        yield (
            f"{node} has a bias that begins in step {max(population.late_bias)}, a core's is there from the first; put "
            "the bias behind the delay"
        )


def _of_the_values(graph: CheckedGraph, population: Population, layers: Layers, target: Target) -> Iterator[str]:
    """Parameters that a core has once per feature, and what is left of them in integers."""
    node, image = f"node {population.name!r}", layers.images.get(population.name)
    if image is None:
        return
    how = neuron.coefficients(population.model, population.params, graph.dialect_of(population.name))
    values: Mapping[str, np.ndarray] = {
        "v_threshold": population.params["v_threshold"],
        "r": np.broadcast_to(how.gain, population.shape),
        "bias": population.bias,
    }
    uneven = []
    for key, value in values.items():
        by_feature = value.reshape(image[0], -1)
        if (by_feature != by_feature[:, :1]).any():
            uneven.append(key)
    if uneven:
        yield (
            f"{node} has a {' and a '.join(uneven)} that differs within a feature (of {image[1]}x{image[2]} neurons), "
            "the chip has one per feature; use one per feature"
        )
        return
    core = Core.of(graph, population, target.formats)
    if core.lost:
        weights = max(float(np.abs(weight).max(initial=0.0)) for weight in core.weights) / core.threshold
        biases, formats = float(np.abs(core.bias).max()) / core.threshold, target.formats
        yield (
            f"{node} has weights up to {weights:.3g} thresholds and biases up to {biases:.3g}, of which "
            f"{formats.weight_bits}-bit weights, {formats.bias_bits}-bit biases and a {formats.state_bits}-bit "
            "threshold on one scale leave no weight or no threshold; bring them closer together"
        )


def _of_the_connections(graph: CheckedGraph, target: Target) -> Iterator[str]:
    known = {p.name: i for i, p in enumerate(graph.populations)}
    for p in graph.projections:
        if p.delay > target.connections.delay_max:
            back = known[p.source] >= known[p.target]
            yield (
                f"the projection {p.source!r} -> {p.target!r} is {'recurrent and ' if back else ''}{p.delay} step(s) "
                f"late, the chip knows no steps (at most {target.connections.delay_max}): its events arrive at once; "
                f"{'unroll the loop, or train without it' if back else 'remove the delay'}"
            )
    for population in graph.populations:
        targets = [p.target for p in graph.projections if p.source == population.name]
        most = target.hardware.destinations
        if population.model != "Input" and len(targets) > most:
            yield (
                f"node {population.name!r} sends to {len(targets)} destinations ({', '.join(map(repr, targets))}), a "
                f"core to {most}; send to fewer, or compute it twice"
            )


def _of_the_sizes(layers: Layers, target: Target) -> Iterator[str]:
    hardware = target.hardware
    for layer in layers.layers.values():
        node, (features, *seen), out = f"node {layer.name!r}", layer.seen, layer.out[1:]
        if max(seen) > hardware.input_size:
            yield (
                f"{node} takes an image of {seen[0]}x{seen[1]}, a core at most "
                f"{hardware.input_size}x{hardware.input_size}; pool or crop in front of it"
            )
        if max(out) > hardware.output_size:
            yield (
                f"{node} computes an image of {out[0]}x{out[1]}, a core at most "
                f"{hardware.output_size}x{hardware.output_size}; use a larger stride, or pool in front of it"
            )
        if features > hardware.features:
            yield (
                f"{node} takes {features} features, a core at most {hardware.features}; use fewer, or more of them in "
                "height and width"
            )
        if layer.features > hardware.features:
            yield f"{node} computes {layer.features} features, a core at most {hardware.features}; use fewer"


def _of_the_readout(graph: CheckedGraph, layers: Layers, target: Target) -> Iterator[str]:
    """The readout layer counts the spikes of one layer's features (where the target file has it on)."""
    hardware = target.hardware
    if not hardware.readout:
        return
    outputs = list(dict.fromkeys(graph.outputs.values()))
    if len(outputs) > 1:
        yield (
            f"the outputs {', '.join(map(repr, outputs))} are {len(outputs)} layers, the readout layer counts for one; "
            "leave one Output, or set hardware.readout = false"
        )
    for name in outputs:
        image = layers.images.get(name)
        if image is not None and (image[0] > hardware.readout_classes or math.prod(image[1:]) > 1):
            yield (
                f"node {name!r} has {image[0]} features of {image[1]}x{image[2]}, the readout layer counts "
                f"{hardware.readout_classes} of 1x1 (and none for idle); use fewer classes, or set hardware.readout = "
                "false"
            )
        more = sum(p.source == name for p in graph.projections)
        if more >= hardware.destinations:
            yield (
                f"node {name!r} sends to {more} layers and to the readout layer, a core to {hardware.destinations}; "
                "send to fewer, or set hardware.readout = false"
            )
