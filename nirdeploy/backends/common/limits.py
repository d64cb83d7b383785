"""What several chips say of a neuron that they do not have, and how they look at one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.backends.common.quality import largest
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics import neuron, options
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.targets.fit import Problem
from nirdeploy.targets.tables import Target


def way(p: Projection) -> str:
    """A projection as a problem's node."""
    return f"{p.source} -> {p.target}"


def coefficients(graph: CheckedGraph, population: Population) -> neuron.Coefficients:
    """What a step does to each neuron: scalars or float64 (size,)."""
    params = {key: values.ravel() for key, values in population.params.items()}
    return neuron.coefficients(population.model, params, graph.dialect_of(population.name))


def whole(value: Any, size: int) -> np.ndarray:
    """A figure of each neuron: float64 (size,)."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64), size)


def of_the_model(population: Population, target: Target, allowed: str, remedy: str) -> Iterator[Problem]:
    """The neuron model is none of the target file's."""
    if population.model not in target.models:
        yield Problem(population.name, f"node {population.name!r} is a {population.model}", allowed, remedy)


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


@dataclass(frozen=True)
class Whose:
    """How a target speaks of its neurons. ``resets``: "the chip's neuron only by 'zero'"; ``neurons``: "the chip's
    neuron"."""

    resets: str
    neurons: str


def of_the_rules(
    graph: CheckedGraph,
    population: Population,
    target: Target,
    whose: Whose,
    apart: Sequence[str] = (),
    beyond: Callable[[neuron.Rules, str], list[str]] = beyond_plain,
) -> Iterator[Problem]:
    """Another reset than the target file's model has, or more than the neurons do, by ``beyond`` (but what is set
    ``apart``). The remedy of both is what the network's framework calls all that has to be set."""
    name, model = population.name, population.model
    resets, recurrent = target.models[model].reset, any(p.source == name for p in graph.into(name))

    def odd(rules: neuron.Rules) -> list[str]:
        return [text for text in beyond(rules, model) if text not in apart]

    def fits(dialect: Dialect) -> bool:
        changed = neuron.rules(model, dialect, recurrent=recurrent)
        return (changed.reset in resets or model not in neuron.RESETS) and not odd(changed)

    rules, dialect = graph.rules(name), graph.dialect_of(name)
    if model in neuron.RESETS and rules.reset not in resets:
        found, remedy = f"node {name!r} resets by {rules.reset!r}", _remedy(dialect, fits, "train with that reset")
        yield Problem(name, found, whose.resets, remedy)
    if beyond_it := odd(rules):
        found, remedy = f"node {name!r} follows the dialect {dialect}", _remedy(dialect, fits, "train it without")
        yield Problem(name, found, f"of which {whose.neurons} cannot do {', '.join(beyond_it)}", remedy)


def _remedy(dialect: Dialect, fits: Callable[[Dialect], bool], plain: str) -> str:
    """In the words of the framework that the dialect is of; ``plain`` where it is none's."""
    framework = options.FRAMEWORKS.get(dialect.preset)
    if framework is None:
        return f"{plain}, or choose another target"
    chosen = options.that_make(dialect, fits)
    if chosen is None:
        return f"{framework.title} has no neuron of this model without it: choose another target"
    return f"train it with {', '.join(chosen)} in {framework.title}, or choose another target"


def of_the_late_bias(population: Population) -> Iterator[Problem]:
    """A bias that is not there from the first step, as the chip's are."""
    if population.late_bias:
        yield Problem(
            population.name,
            f"node {population.name!r} has a bias that begins in step {max(population.late_bias)} (behind a delay or a "
            "recurrent connection)",
            "the target's are there from step 0",
            "put the bias behind the delay",
        )


def of_the_threshold(population: Population) -> Iterator[Problem]:
    """A threshold that no register of positive numbers holds."""
    if (lowest := float(population.params["v_threshold"].min())) <= 0:
        yield Problem(
            population.name,
            f"node {population.name!r} has a threshold of {lowest:g}",
            "the register holds positive ones",
            "shift the membrane's origin",
        )


def furthest_reset(population: Population) -> float:
    """The v_reset that is furthest from 0, with its sign; 0 where there is none."""
    return largest(population.params["v_reset"])
