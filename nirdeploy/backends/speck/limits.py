"""What of a graph the chip cannot do: node, what was found, what is allowed, the remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from nirdeploy.backends.common import limits
from nirdeploy.backends.speck.layers import Layers
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.targets.fit import Problem
from nirdeploy.targets.tables import Target


def of_the_neuron(graph: CheckedGraph, population: Population, layers: Layers, target: Target) -> Iterator[Problem]:
    """The model and its rules; where these are the chip's, also the parameters that a core has once per feature."""
    name, node = population.name, f"node {population.name!r}"
    if population.model not in target.models:
        has = (
            f"the chip's neurons are {', '.join(target.models)} (integrate and fire, without leak or synaptic current)"
        )
        yield from limits.of_the_model(population, target, has, "train with them, or choose another target")
        return
    sound = True
    for problem in _of_the_rules(graph, population, target):
        sound = False
        yield problem
    if sound and (uneven := _uneven(graph, population, layers)):
        _, height, width = layers.images[name]
        yield Problem(
            name,
            f"{node} has a {' and a '.join(uneven)} that differs within a feature (of {height}x{width} neurons)",
            "the chip has one per feature",
            "use one per feature",
        )


def _of_the_rules(graph: CheckedGraph, population: Population, target: Target) -> Iterator[Problem]:
    name, node = population.name, f"node {population.name!r}"
    rules, dialect = graph.rules(name), graph.dialect_of(name)
    wanted = {
        "spikes=multi": dialect.spikes != "multi",
        "max_spikes=0": dialect.spikes == "multi" and dialect.max_spikes > 0,
        "threshold=>=": rules.threshold != ">=",
        "reset=subtract or reset=zero": rules.reset not in target.models[population.model].reset,
        "reset_delay=false": rules.reset_delay,
        "reset_guard=false": rules.reset_guard,
        "spike_delay=false": rules.spike_delay,
    }
    if odd := [text for text, wrong in wanted.items() if wrong]:
        yield Problem(
            name,
            f"{node} follows the dialect {dialect}",
            "the chip's neurons fire at the threshold, as often as it fits, and are reset at once",
            f"train with {', '.join(odd)} (the preset sinabs), and name it as the dialect",
        )
    if reset := abs(limits.furthest_reset(population)):
        yield Problem(
            name,
            f"{node} has v_reset = {reset:g}",
            "the chip's neurons fall to 0 or by their whole threshold",
            "train with v_reset = 0",
        )
    if population.late_bias:
        yield Problem(
            name,
            f"{node} has a bias that begins in step {max(population.late_bias)}",
            "a core's is there from the first",
            "put the bias behind the delay",
        )


def _uneven(graph: CheckedGraph, population: Population, layers: Layers) -> list[str]:
    """Parameters that differ within a feature of the image; none where the population is no image to the chip."""
    image = layers.images.get(population.name)
    if image is None:
        return []
    gain = limits.coefficients(graph, population).gain
    values: Mapping[str, np.ndarray] = {
        "v_threshold": population.params["v_threshold"],
        "r": limits.whole(gain, population.size),
        "bias": population.bias,
    }
    by_feature = {key: value.reshape(image[0], -1) for key, value in values.items()}
    return [key for key, value in by_feature.items() if (value != value[:, :1]).any()]


def of_the_connections(graph: CheckedGraph, layers: Layers, target: Target) -> Iterator[Problem]:
    """Delays, destinations, and what no convolution of the chip computes."""
    known = {p.name: i for i, p in enumerate(graph.populations)}
    for p in graph.projections:
        if p.delay > target.connections.delay_max:
            back = known[p.source] >= known[p.target]
            yield Problem(
                limits.way(p),
                f"the projection {p.source!r} -> {p.target!r} is {'recurrent and ' if back else ''}{p.delay} step(s) "
                "late",
                f"the chip knows no steps (at most {target.connections.delay_max}): its events arrive at once",
                "unroll the loop, or train without it" if back else "remove the delay",
            )
    for population in graph.populations:
        targets = [p.target for p in graph.projections if p.source == population.name]
        most = target.hardware.destinations
        if population.model != "Input" and len(targets) > most:
            yield Problem(
                population.name,
                f"node {population.name!r} sends to {len(targets)} destinations ({', '.join(map(repr, targets))})",
                f"a core to {most}",
                "send to fewer, or compute it twice",
            )
    yield from layers.problems


def of_the_sizes(graph: CheckedGraph, layers: Layers, target: Target) -> Iterator[Problem]:
    hardware = target.hardware
    for layer in layers.layers.values():
        name, (features, *seen), out = layer.name, layer.seen, layer.out[1:]
        node = f"node {name!r}"
        if max(seen) > hardware.input_size:
            yield Problem(
                name,
                f"{node} takes an image of {seen[0]}x{seen[1]}",
                f"a core at most {hardware.input_size}x{hardware.input_size}",
                "pool or crop in front of it",
            )
        if max(out) > hardware.output_size:
            yield Problem(
                name,
                f"{node} computes an image of {out[0]}x{out[1]}",
                f"a core at most {hardware.output_size}x{hardware.output_size}",
                "use a larger stride, or pool in front of it",
            )
        if features > hardware.features:
            yield Problem(
                name,
                f"{node} takes {features} features",
                f"a core at most {hardware.features}",
                "use fewer, or more of them in height and width",
            )
        if layer.features > hardware.features:
            most = f"a core at most {hardware.features}"
            yield Problem(name, f"{node} computes {layer.features} features", most, "use fewer")
    if hardware.readout:
        yield from _of_the_readout(graph, layers, target)


def _of_the_readout(graph: CheckedGraph, layers: Layers, target: Target) -> Iterator[Problem]:
    """The readout layer counts the spikes of one layer's features (where the target file has it on)."""
    hardware = target.hardware
    outputs = list(dict.fromkeys(graph.outputs.values()))
    if len(outputs) > 1:
        yield Problem(
            "",
            f"the outputs {', '.join(map(repr, outputs))} are {len(outputs)} layers",
            "the readout layer counts for one",
            "leave one Output, or set hardware.readout = false",
        )
    for name in outputs:
        image = layers.images.get(name)
        if image is not None and (image[0] > hardware.readout_classes or math.prod(image[1:]) > 1):
            yield Problem(
                name,
                f"node {name!r} has {image[0]} features of {image[1]}x{image[2]}",
                f"the readout layer counts {hardware.readout_classes} of 1x1 (and none for idle)",
                "use fewer classes, or set hardware.readout = false",
            )
        more = sum(p.source == name for p in graph.projections)
        if more >= hardware.destinations:
            yield Problem(
                name,
                f"node {name!r} sends to {more} layers and to the readout layer",
                f"a core to {hardware.destinations}",
                "send to fewer, or set hardware.readout = false",
            )
