"""What of a graph the chip cannot do: node, what was found, what is allowed, the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nirdeploy.backends.common import limits
from nirdeploy.backends.common.latency import delay_on_chip, loop_delay
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.semantics import neuron
from nirdeploy.targets.fit import Problem
from nirdeploy.targets.tables import Target


def of_the_inputs(graph: CheckedGraph, target: Target) -> Iterator[Problem]:
    if graph.input_bits > target.formats.message_bits:
        yield Problem(
            "",
            f"the inputs have numbers of {graph.input_bits} bits",
            f"a spike from outside carries {target.formats.message_bits}",
            "build with fewer input bits",
        )


def of_the_neuron(graph: CheckedGraph, population: Population, target: Target) -> Iterator[Problem]:
    if population.model not in target.models:
        has, remedy = f"the target has {', '.join(target.models)}", "replace it, or choose another target"
        yield from limits.of_the_model(population, target, has, remedy)
        return
    resets = " or ".join(map(repr, target.models[population.model].reset))
    allowed = f"the chip's neuron only by {resets} (no fixed-point neuron of lava does otherwise)"
    yield from limits.of_the_rules(graph, population, target, limits.Whose(allowed, "the chip's neuron"))
    yield from limits.of_the_late_bias(population)
    yield from limits.of_the_threshold(population)
    if worst := limits.furthest_reset(population):
        yield Problem(
            population.name,
            f"node {population.name!r} resets to {worst:g}",
            "the chip to 0",
            "subtract v_reset from v_threshold, v_leak and v_reset: the spikes stay the same",
        )
    yield from _of_the_decays(graph, population, target)


def _of_the_decays(graph: CheckedGraph, population: Population, target: Target) -> Iterator[Problem]:
    name, unity = population.name, target.formats.unity
    how = limits.coefficients(graph, population)
    decays = {"membrane": how.decay, "synaptic": how.synapse_decay if population.model in neuron.SYNAPTIC else 0.0}
    registers = set()
    for kind, decay in decays.items():
        lowest, highest = float(np.min(decay)), float(np.max(decay))
        registers.add(np.unique(np.rint(unity * np.asarray(decay))).size)
        if lowest < 0:
            yield Problem(
                name,
                f"node {name!r} has a {kind} decay of {lowest:.3g} per step: dt is longer than its tau",
                remedy="use a smaller dt or the exponential discretization",
            )
        if kind == "synaptic" and highest > 1 - 0.5 / unity:
            yield Problem(
                name,
                f"node {name!r} has a {kind} decay of {highest:.7g} per step",
                f"the register at most {1 - 1 / unity:.7g}",
                f"shorten tau_syn to {unity} steps",
            )
    if (different := max(registers)) > target.hardware.decays:
        yield Problem(
            name,
            f"node {name!r} has {different} different decays",
            f"lava's LIF {target.hardware.decays} per population",
            "share one tau, or split the node by tau",
        )


def of_the_connections(
    graph: CheckedGraph, target: Target, latency: Mapping[str, int], loop: Sequence[str]
) -> Iterator[Problem]:
    """``latency`` and ``loop``: as :func:`nirdeploy.backends.common.latency.longest_ways` gives them."""
    if loop:
        takes = loop_delay(graph, loop)
        yield Problem(
            " -> ".join((*loop, loop[0])),
            f"the loop {' -> '.join(map(repr, (*loop, loop[0])))} takes {takes} step(s)",
            f"on the chip at least {len(loop)}: one per connection",
            f"add a delay of {len(loop) - takes} step(s) to it, or train with the dialect field connection_delay=true",
        )
        return
    most = target.connections.delay_max
    for p in graph.projections:
        if (late := delay_on_chip(p, latency)) > most:
            yield Problem(
                limits.way(p),
                f"the projection {p.source!r} -> {p.target!r} is {late} steps late on the chip",
                f"at most {most}",
                "make the delay shorter",
            )
