"""What of a graph a target's tables rule out: neuron models, resets, dialects, delays and decays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nirdeploy.graph.check import CheckedGraph, Population
from nirdeploy.semantics import neuron
from nirdeploy.targets.fit import Problem
from nirdeploy.targets.tables import Target


def unsupported(
    graph: CheckedGraph,
    target: Target,
    beyond: Callable[[neuron.Rules, str], list[str]] | None = None,
    late: Callable[[Population], Iterator[Problem]] | None = None,
) -> list[Problem]:
    """All that the target file's [models] and [connections] do not have, and a membrane that would grow.

    Projections come last.

    Args:
        beyond: what of the rules of a model is more than the target's neurons do; theirs spike once and reset at once
            (:func:`beyond_plain`) where nothing is said.
        late: the problems of a population's late biases; its biases are there from the first step
            (:func:`late_bias`) where nothing is said.
    """
    found: list[Problem] = []
    for population in graph.populations:
        if population.model != "Input":
            found += _of_population(graph, population, target, beyond or beyond_plain)
            found += (late or late_bias)(population)
    return found + list(late_projections(graph, target))


def _of_population(
    graph: CheckedGraph, population: Population, target: Target, beyond: Callable[[neuron.Rules, str], list[str]]
) -> Iterator[Problem]:
    name, model, d = population.name, population.model, graph.dialect_of(population.name)
    node, support = f"node {name!r}", target.models.get(model)
    if support is None:
        yield Problem(
            name,
            f"{node} is a {model}",
            f"which the target does not compute (it has {', '.join(target.models)})",
            "replace it or choose another target",
        )
        return
    if model in neuron.RESETS and d.reset not in support.reset:
        yield Problem(
            name,
            f"{node} resets by {d.reset!r}",
            f"the target's {model} only by {' or '.join(support.reset)}",
            "train with that reset or choose another target",
        )
    if odd := beyond(graph.rules(name), model):
        yield Problem(
            name,
            f"{node} follows the dialect {d}",
            f"of which the target's neurons cannot do {', '.join(odd)}",
            "train without it or choose another target",
        )
    if model not in neuron.SPIKING and any(p.source == name for p in graph.projections):
        yield Problem(
            name,
            f"{node} ({model}) does not spike but feeds another population",
            remedy="the target carries spikes only, so a read-out must be the last node",
        )
    decay = np.min(neuron.coefficients(model, population.params, d).decay)
    if decay < 0:
        yield Problem(
            name,
            f"{node} has a membrane decay of {decay:.3g} per step: dt = {d.dt:g} s is longer than its tau",
            remedy="use a smaller dt or the exponential discretization",
        )


def late_projections(graph: CheckedGraph, target: Target) -> Iterator[Problem]:
    """Projections that are later than the target's may be."""
    most = target.connections.delay_max
    for p in graph.projections:
        if p.delay > most:
            kind = "recurrent" if p.source == p.target else f"delayed by {p.delay} step(s)"
            yield Problem(
                f"{p.source} -> {p.target}",
                f"the projection {p.source!r} -> {p.target!r} is {kind}",
                f"the target's may be late by {most}",
                "train with a shorter delay or choose another target",
            )


def beyond_plain(rules: neuron.Rules, model: str) -> list[str]:
    """What of the rules is more than a binary spike at once, a reset in its own step, and the new current."""
    beyond = {
        "reset_delay=true": rules.reset_delay,
        "reset_guard=true": rules.reset_guard,
        "spikes=multi": rules.multi,
        "spike_delay=true": rules.spike_delay,
        "v_min=-threshold": rules.bounded,
        "synapse_order=old": model in neuron.SYNAPTIC and rules.synapse_order == "old",
    }
    return [text for text, there in beyond.items() if there]


def late_bias(population: Population) -> Iterator[Problem]:
    """The problem of a target whose biases are all there from the first step, if there is one."""
    if population.late_bias:
        yield Problem(
            population.name,
            f"node {population.name!r} has a bias that begins in step {max(population.late_bias)} (behind a delay or a "
            "recurrent connection)",
            "the target's are there from step 0",
            "put the bias behind the delay",
        )
