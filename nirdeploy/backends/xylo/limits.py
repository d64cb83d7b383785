"""What of a graph the chip cannot do: node, what was found, what is allowed, the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from nirdeploy.backends.common import limits
from nirdeploy.backends.common.latency import Slack, uneven_ways
from nirdeploy.backends.xylo import wiring
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.targets.fit import Problem
from nirdeploy.targets.tables import Target


def of_the_inputs(graph: CheckedGraph, target: Target) -> Iterator[Problem]:
    largest, most = (1 << graph.input_bits) - 1, target.formats.input_events
    if largest > most:
        yield Problem(
            "",
            f"the inputs have up to {largest} events in a step ({graph.input_bits} bits)",
            f"the chip takes {most}",
            f"build with at most {(most + 1).bit_length() - 1} input bits",
        )


def of_the_neuron(graph: CheckedGraph, population: Population, target: Target) -> Iterator[Problem]:
    name = population.name
    if population.model not in target.models:
        only = "a spike reaches a membrane only through a current that decays"
        has = f"the chip has {', '.join(target.models)} alone: {only}"
        yield from limits.of_the_model(population, target, has, "replace it by a CubaLIF, or choose another target")
        return
    resets = f"the chip's neuron only by {' or '.join(map(repr, target.models[population.model].reset))}"
    # How many spikes a step holds is the chip's own, and reported.
    whose = limits.Whose(resets, "the chip's neuron")
    yield from limits.of_the_rules(graph, population, target, whose, apart=["spikes=multi"])
    yield from limits.of_the_late_bias(population)
    yield from limits.of_the_threshold(population)
    if worst := limits.furthest_reset(population):
        yield Problem(
            name,
            f"node {name!r} is reset by v_threshold - v_reset with a v_reset of {worst:g}",
            "the chip subtracts the threshold",
            "subtract v_reset from v_threshold, v_leak and v_reset",
        )
    yield from _of_the_decays(graph, population, target)
    yield from _of_the_layer(graph, name)


def _of_the_decays(graph: CheckedGraph, population: Population, target: Target) -> Iterator[Problem]:
    name, dash_max = population.name, target.formats.dash_max
    how = limits.coefficients(graph, population)
    longest = 2.0 ** (dash_max + 0.5)
    for state, decay, shortest, least in (("membrane", how.decay, 1.0, 1), ("current", how.synapse_decay, 2**0.5, 2)):
        lowest, highest = float(np.min(decay)), float(np.max(decay))
        if lowest < 0 or lowest < 1.0 - 1.0 / shortest:
            yield Problem(
                name,
                f"node {name!r} keeps {lowest:.3g} of its {state} in a step",
                f"the chip's dash {1.0 - 1.0 / least:g} or more",
                f"use a time constant of {least} steps or more (a smaller dt)",
            )
        if highest > 1.0 - 1.0 / longest:
            yield Problem(
                name,
                f"node {name!r} keeps {highest:.9g} of its {state} in a step",
                f"the chip's dash of {target.formats.dash_bits} bits at most 1 - 2^-{dash_max}",
                f"shorten the time constant to {2**dash_max} steps",
            )


def _of_the_layer(graph: CheckedGraph, name: str) -> Iterator[Problem]:
    read, feeds = name in graph.outputs.values(), [p.target for p in graph.projections if p.source == name]
    if read and feeds:
        yield Problem(
            name,
            f"node {name!r} is read out and feeds {wiring.listed(feeds)}: the chip's outputs lead nowhere",
            "and its hidden neurons are not read",
            "read out a population of its own behind it",
        )
    elif read and (direct := [p.source for p in graph.into(name) if p.source in graph.inputs]):
        yield Problem(
            name,
            f"node {name!r} is read out and gets the input {wiring.listed(direct)}: inputs lead to hidden neurons "
            "alone",
            remedy="put a hidden population between",
        )


def of_the_connections(graph: CheckedGraph, latency: Mapping[str, int], slack: Slack) -> Iterator[Problem]:
    """An input arrives at once, a hidden neuron's spike after one step: all ways must come out alike.

    ``latency`` and ``slack``: as in :mod:`nirdeploy.backends.common.latency`.
    """
    for p, through in uneven_ways(graph, latency, slack):
        takes = "no step" if p.source in graph.inputs else "one step"
        yield Problem(
            limits.way(p),
            f"the projection {p.source!r} -> {p.target!r} is {p.delay} step(s) late in the graph and takes {takes} on "
            "the chip",
            f"where {p.target!r} is {latency[p.target]} step(s) behind by its other ways and {through} by this",
            "make the ways equally long",
        )
