"""What of a graph the chip cannot do: everything at once, one sentence each, with node, limit and remedy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nirdeploy.backends.common.support import beyond_plain, late_bias
from nirdeploy.backends.loihi2.latency import chip_delay, latencies, loop_delay
from nirdeploy.backends.loihi2.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph, Population
from nirdeploy.semantics import neuron
from nirdeploy.targets.tables import Target


def problems(graph: CheckedGraph, target: Target) -> list[str]:
    """Sentences in the order of the graph; its projections come last."""
    found: list[str] = []
    latency, loop = latencies(graph)
    if graph.input_bits > target.formats.message_bits:
        found.append(
            f"the inputs have numbers of {graph.input_bits} bits, a spike from outside carries "
            f"{target.formats.message_bits}; build with fewer input bits"
        )
    for population in graph.populations:
        if population.model == "Input":
            continue
        own = list(_of_population(graph, population, target))
        if not own and not loop:
            own = Rounding(graph, population, target.formats, latency).problems
        found += own
    if loop:
        takes = loop_delay(graph, loop)
        found.append(
            f"the loop {' -> '.join(map(repr, (*loop, loop[0])))} takes {takes} step(s), on the chip at least "
            f"{len(loop)}: one per connection; add a delay of {len(loop) - takes} step(s) to it, or train with the "
            "dialect field connection_delay=true"
        )
        return found
    most = target.connections.delay_max
    return found + [
        f"the projection {p.source!r} -> {p.target!r} is {chip_delay(p, latency)} steps late on the chip, at most "
        f"{most}; make the delay shorter"
        for p in graph.projections
        if chip_delay(p, latency) > most
    ]


def _of_population(graph: CheckedGraph, population: Population, target: Target) -> Iterator[str]:
    name, d = f"node {population.name!r}", graph.dialect_of(population.name)
    support = target.models.get(population.model)
    if support is None:
        yield (
            f"{name} is a {population.model}, the target has {', '.join(target.models)}; replace it, or choose "
            "another target"
        )
        return
    rules = graph.rules(population.name)
    if rules.reset not in support.reset:
        yield (
            f"{name} resets by {rules.reset!r}, the chip's neuron only by {' or '.join(map(repr, support.reset))} "
            "(no fixed-point neuron of lava does otherwise); train with that reset, or choose another target"
        )
    if odd := beyond_plain(rules, population.model):
        yield (
            f"{name} follows the dialect {d}, of which the chip's neuron cannot do {', '.join(odd)}; train without, "
            "or choose another target"
        )
    yield from map(str, late_bias(population))
    yield from _parameters(name, population, graph, target)


def _parameters(name: str, population: Population, graph: CheckedGraph, target: Target) -> Iterator[str]:
    params, unity = population.params, target.formats.unity
    if (lowest := float(params["v_threshold"].min())) <= 0:
        yield f"{name} has a threshold of {lowest:g}, the register holds positive ones; shift the membrane's origin"
    if params["v_reset"].any():
        worst = float(params["v_reset"].ravel()[np.abs(params["v_reset"]).argmax()])
        yield (
            f"{name} resets to {worst:g}, the chip to 0; subtract v_reset from v_threshold, v_leak and v_reset: the "
            "spikes stay the same"
        )
    how = neuron.coefficients(population.model, params, graph.dialect_of(population.name))
    decays = {"membrane": how.decay, "synaptic": how.synapse_decay if population.model in neuron.SYNAPTIC else 0.0}
    registers = set()
    for kind, decay in decays.items():
        lowest, highest = float(np.min(decay)), float(np.max(decay))
        registers.add(np.unique(np.rint(unity * np.asarray(decay))).size)
        if lowest < 0:
            yield (
                f"{name} has a {kind} decay of {lowest:.3g} per step: dt is longer than its tau; use a smaller dt or "
                "the exponential discretization"
            )
        if kind == "synaptic" and highest > 1 - 0.5 / unity:
            yield (
                f"{name} has a {kind} decay of {highest:.7g} per step, the register at most {1 - 1 / unity:.7g}; "
                f"shorten tau_syn to {unity} steps"
            )
    if (different := max(registers)) > target.hardware.decays:
        yield (
            f"{name} has {different} different decays, lava's LIF {target.hardware.decays} per population; share one "
            "tau, or split the node by tau"
        )
