"""What of a graph the chip cannot do: node, what was found, what is allowed, the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from nirdeploy.backends.common import limits
from nirdeploy.backends.common.fitting import neurons
from nirdeploy.backends.common.latency import uneven_ways
from nirdeploy.backends.spinnaker2 import rounding
from nirdeploy.graph.chain import MAX_WEIGHTS
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution
from nirdeploy.targets.fit import Problem
from nirdeploy.targets.tables import Target


def of_the_inputs(graph: CheckedGraph) -> Iterator[Problem]:
    if graph.input_bits > 1:
        yield Problem(
            "",
            f"the inputs {', '.join(map(repr, graph.inputs))} have numbers of {graph.input_bits} bits",
            "a spike list of the chip holds spikes (1 bit)",
            "encode the numbers as spikes, and build with 1 input bit",
        )


def of_the_neuron(graph: CheckedGraph, population: Population, target: Target) -> Iterator[Problem]:
    name, reset = population.name, graph.rules(population.name).reset
    if population.model not in target.models:
        has = f"the chip computes {', '.join(target.models)}"
        remedy = "use one of them (a LIF with a high threshold integrates without spiking)"
        yield from limits.of_the_model(population, target, has, remedy)
        return
    resets = f"the chip by {' or '.join(target.models[population.model].reset)}"
    yield from limits.of_the_rules(graph, population, target, limits.Whose(resets, "the chip's neurons"))
    yield from limits.of_the_late_bias(population)
    v_reset = abs(limits.furthest_reset(population))
    if reset == "subtract" and v_reset:
        yield Problem(
            name,
            f"node {name!r} has v_reset = {v_reset:g} at most",
            "the chip subtracts the whole threshold (v_reset = 0)",
            "shift v_leak and v_threshold by it, or reset to zero",
        )
    if (gain := float(np.min(rounding.gain(graph, population)))) <= 0:
        yield Problem(
            name,
            f"node {name!r} turns a current into {gain:.3g} of membrane per step",
            "the chip's scaling needs more than 0",
            "make r and w_in positive and put their sign into the weights",
        )


def slack(p: Projection) -> int:
    """On the chip every projection takes one step, and no other."""
    return 1 - min(p.delay, 1)


def of_the_connections(graph: CheckedGraph, target: Target, latency: Mapping[str, int]) -> Iterator[Problem]:
    """``latency``: as :func:`nirdeploy.backends.common.latency.first_ways` gives it."""
    for population in neurons(graph):
        if population.model in target.models:
            yield from _into(graph, population, target)
    for p, through in uneven_ways(graph, latency, slack):
        if p.delay <= 1:  # what is later has been said
            yield Problem(
                limits.way(p),
                f"node {p.target!r} gets the same step's spikes {latency[p.target]} step(s) late on one way and "
                f"{through} from {p.source!r}",
                "as each projection of the chip takes one step",
                "make the ways equally long, or train and check the graph with connection_delay=true",
            )


def _into(graph: CheckedGraph, population: Population, target: Target) -> Iterator[Problem]:
    name, incoming = population.name, graph.into(population.name)
    convolved = [p for p in incoming if isinstance(p.operator, Convolution)]
    for p in incoming:
        way, bits = f"the projection {p.source!r} -> {p.target!r}", target.formats.weight_bits
        if p.delay > target.connections.delay_max:
            yield Problem(
                limits.way(p),
                f"{way} is late by {p.delay} steps",
                f"the chip's models with {bits}-bit weights by {target.connections.delay_max}",
                "take the delay out",
            )
        if isinstance(p.operator, Convolution):
            yield from _convolution(way, p, p.operator)
        elif not rounding.has_room(p):
            yield Problem(
                limits.way(p),
                f"{way} has {p.inputs} x {p.operator.outputs} synapses written out as the list the chip takes",
                f"{MAX_WEIGHTS} at most",
                "use smaller layers",
            )
    if convolved and population.model in neuron.SYNAPTIC:
        yield Problem(
            name,
            f"node {name!r} is a {population.model} behind a convolution",
            "the chip convolves into IF and LIF only",
            "use one of them or write the convolution as a Linear",
        )
    if convolved and len(convolved) < len(incoming):
        yield Problem(
            name,
            f"node {name!r} has {len(convolved)} convolution(s) and {len(incoming) - len(convolved)} list(s) of "
            "synapses into it",
            "a population of the chip takes one kind",
            "put a population between",
        )


def _convolution(way: str, p: Projection, operator: Convolution) -> Iterator[Problem]:
    def problem(found: str, allowed: str, remedy: str) -> Problem:
        return Problem(limits.way(p), f"{way} {found}", allowed, remedy)

    if operator.dilation != (1, 1):
        has = f"has a dilation of {operator.dilation}"
        yield problem(has, "the chip's convolution of (1, 1)", "write the zeros out")
    if operator.groups != 1:
        yield problem(f"has {operator.groups} groups", "the chip's convolution 1", "write it as one group with zeros")
    if operator.shape[1] == 1 and operator.weight.shape[2] == 1:
        yield problem("is a convolution along one direction", "the chip's are along two", "write it as a Linear")
    if operator.stride[0] != operator.stride[1]:
        has = f"has strides of {operator.stride}"
        yield problem(has, "the chip's are alike in both directions", "make them equal")
    if p.pool is None:
        return
    if p.pool.kernel[0] != p.pool.kernel[1]:
        yield problem(f"pools windows of {p.pool.kernel}", "the chip's are square", "make them so")
    if p.pool.kernel != p.pool.stride:
        yield problem(
            f"pools windows of {p.pool.kernel} every {p.pool.stride}",
            "in front of a convolution the chip pools windows that touch",
            "make the stride the kernel",
        )
    if p.pool.padding != ((0, 0), (0, 0)):
        yield problem(f"pads its pooling by {p.pool.padding}", "the chip by 0", "pad the convolution instead")
