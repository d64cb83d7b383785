"""What of a graph the chip cannot do: everything at once, one sentence each, with node, limit and remedy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nirdeploy.backends.common.support import beyond_plain, late_bias
from nirdeploy.backends.xylo import placement, wiring
from nirdeploy.backends.xylo.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph, Population
from nirdeploy.semantics import neuron
from nirdeploy.targets.tables import Target


def problems(graph: CheckedGraph, target: Target) -> list[str]:
    """Sentences in the order of the graph; then what does not fit the chip's neurons and memory.

    Synapses are counted after rounding, where there is nothing against it; those of a graph of another order of size
    than the chip not at all.
    """
    countable = wiring.countable(graph, target.hardware)
    graph = wiring.merged(graph) if countable else graph
    found = list(_of_inputs(graph, target))
    unsound = set()
    for population in graph.populations:
        own = [] if population.model == "Input" else list(_of_population(graph, population, target))
        unsound |= {population.name} if own else set()
        found += own
    found += _of_the_ways(graph)
    needs = wiring.of_graph(graph, target.hardware)
    if countable:
        rounding = Rounding(graph, target, unsound)
        found += rounding.problems
        if not found:
            needs = wiring.of_network(rounding.network(), target.hardware)
    return [*found, *placement.violations(needs, target.hardware)]


def _of_inputs(graph: CheckedGraph, target: Target) -> Iterator[str]:
    largest, most = (1 << graph.input_bits) - 1, target.formats.input_events
    if largest > most:
        yield (
            f"the inputs have up to {largest} events in a step ({graph.input_bits} bits), the chip takes {most}; "
            f"build with at most {(most + 1).bit_length() - 1} input bits"
        )


def _of_population(graph: CheckedGraph, population: Population, target: Target) -> Iterator[str]:
    name, rules = f"node {population.name!r}", graph.rules(population.name)
    support = target.models.get(population.model)
    if support is None:
        yield (
            f"{name} is a {population.model}, the chip has {', '.join(target.models)} alone: a spike reaches a "
            "membrane only through a current that decays; replace it by a CubaLIF, or choose another target"
        )
        return
    if rules.reset not in support.reset:
        yield (
            f"{name} resets by {rules.reset!r}, the chip's neuron only by {' or '.join(map(repr, support.reset))}; "
            "train with that reset, or choose another target"
        )
    # How many spikes a step holds is the chip's own, and reported.
    if odd := [text for text in beyond_plain(rules, population.model) if text != "spikes=multi"]:
        yield (
            f"{name} follows the dialect {graph.dialect_of(population.name)}, of which the chip's neuron cannot do "
            f"{', '.join(odd)}; train without, or choose another target"
        )
    yield from map(str, late_bias(population))
    yield from _of_parameters(name, graph, population, target)
    yield from _of_the_layers(name, graph, population.name)


def _of_parameters(name: str, graph: CheckedGraph, population: Population, target: Target) -> Iterator[str]:
    params = population.params
    if (lowest := float(params["v_threshold"].min())) <= 0:
        yield f"{name} has a threshold of {lowest:g}, the register holds positive ones; shift the membrane's origin"
    if params["v_reset"].any():
        worst = float(params["v_reset"].ravel()[np.abs(params["v_reset"]).argmax()])
        yield (
            f"{name} is reset by v_threshold - v_reset with a v_reset of {worst:g}, the chip subtracts the threshold; "
            "subtract v_reset from v_threshold, v_leak and v_reset"
        )
    how = neuron.coefficients(population.model, params, graph.dialect_of(population.name))
    longest = 2.0 ** (target.formats.dash_max + 0.5)
    for state, decay, shortest, least in (("membrane", how.decay, 1.0, 1), ("current", how.synapse_decay, 2**0.5, 2)):
        lowest, highest = float(np.min(decay)), float(np.max(decay))
        if lowest < 0 or lowest < 1.0 - 1.0 / shortest:
            yield (
                f"{name} keeps {lowest:.3g} of its {state} in a step, the chip's dash {1.0 - 1.0 / least:g} or more; "
                f"use a time constant of {least} steps or more (a smaller dt)"
            )
        if highest > 1.0 - 1.0 / longest:
            yield (
                f"{name} keeps {highest:.9g} of its {state} in a step, the chip's dash of {target.formats.dash_bits} "
                f"bits at most 1 - 2^-{target.formats.dash_max}; shorten the time constant to "
                f"{2**target.formats.dash_max} steps"
            )


def _of_the_layers(name: str, graph: CheckedGraph, own: str) -> Iterator[str]:
    read, feeds = own in graph.outputs.values(), [p.target for p in graph.projections if p.source == own]
    if read and feeds:
        yield (
            f"{name} is read out and feeds {wiring.sentence(feeds)}: the chip's outputs lead nowhere, and its hidden "
            "neurons are not read; read out a population of its own behind it"
        )
    elif read and (direct := [p.source for p in graph.into(own) if p.source in graph.inputs]):
        yield (
            f"{name} is read out and gets the input {wiring.sentence(direct)}: inputs lead to hidden neurons alone; "
            "put a hidden population between"
        )


def _of_the_ways(graph: CheckedGraph) -> Iterator[str]:
    """An input arrives at once, a hidden neuron's spike after one step: all ways must come out alike."""
    late = wiring.latencies(graph)
    for p in graph.projections:
        through = late[p.source] + wiring.slack(graph, p.source, p.delay)
        if through == late[p.target]:
            continue
        takes = "no step" if p.source in graph.inputs else "one step"
        yield (
            f"the projection {p.source!r} -> {p.target!r} is {p.delay} step(s) late in the graph and takes {takes} on "
            f"the chip, where {p.target!r} is {late[p.target]} step(s) behind by its other ways and {through} by this; "
            "make the ways equally long"
        )
