"""What of a graph a target's tables rule out: neuron models, resets, dialects, delays and decays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nirdeploy.backends.common import limits
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
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
            (:func:`~nirdeploy.backends.common.limits.beyond_plain`) where nothing is said.
        late: the problems of a population's late biases; its biases are there from the first step
            (:func:`~nirdeploy.backends.common.limits.of_the_late_bias`) where nothing is said.
    """
    found: list[Problem] = []
    for population in graph.populations:
        if population.model != "Input":
            found += _of_population(graph, population, target, beyond or limits.beyond_plain)
            found += (late or limits.of_the_late_bias)(population)
    return found + list(late_projections(graph, target))


def _of_population(
    graph: CheckedGraph, population: Population, target: Target, beyond: Callable[[neuron.Rules, str], list[str]]
) -> Iterator[Problem]:
    name, model, d = population.name, population.model, graph.dialect_of(population.name)
    node, support = f"node {name!r}", target.models.get(model)
    if support is None:
        has = f"which the target does not compute (it has {', '.join(target.models)})"
        yield from limits.of_the_model(population, target, has, "replace it or choose another target")
        return
    whose = limits.Whose(f"the target's {model} only by {' or '.join(support.reset)}", "the target's neurons")
    yield from limits.of_the_rules(graph, population, target, whose, beyond=beyond)
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
                limits.way(p),
                f"the projection {p.source!r} -> {p.target!r} is {kind}",
                f"the target's may be late by {most}",
                "train with a shorter delay or choose another target",
            )
