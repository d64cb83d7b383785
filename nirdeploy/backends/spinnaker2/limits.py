"""What of a graph the chip's neuron models and projections cannot do, all of it at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nirdeploy.backends.common.support import beyond_plain, late_bias
from nirdeploy.backends.spinnaker2 import rounding
from nirdeploy.graph.chain import MAX_WEIGHTS
from nirdeploy.graph.check import CheckedGraph, Population, Projection
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution, Dense
from nirdeploy.targets.tables import Target


def problems(graph: CheckedGraph, target: Target) -> list[str]:
    """One sentence each: node, what was found, what is allowed, the remedy."""
    found = list(_of_the_stimulus(graph))
    for population in graph.populations:
        if population.model == "Input":
            continue
        if population.model not in target.models:
            found.append(
                f"node {population.name!r} is a {population.model}, the chip computes "
                f"{', '.join(target.models)}; use one of them (a LIF with a high threshold integrates without spiking)"
            )
            continue
        found += _of_the_neuron(graph, population, target)
        found += _of_the_inputs(graph, population, target)
    return [*found, *_of_the_timing(graph)]


def _of_the_stimulus(graph: CheckedGraph) -> Iterator[str]:
    if graph.input_bits > 1:
        names = ", ".join(map(repr, graph.inputs))
        yield (
            f"the inputs {names} have numbers of {graph.input_bits} bits, a spike list of the chip holds spikes "
            "(1 bit); encode the numbers as spikes, and build with 1 input bit"
        )


def _of_the_neuron(graph: CheckedGraph, population: Population, target: Target) -> Iterator[str]:
    node, dialect, rules = f"node {population.name!r}", graph.dialect_of(population.name), graph.rules(population.name)
    allowed = target.models[population.model].reset
    if dialect.reset not in allowed:
        yield f"{node} resets by {dialect.reset!r}, the chip by {' or '.join(allowed)}; train it with one of these"
    if odd := beyond_plain(rules, population.model):
        yield (
            f"{node} follows the dialect {dialect}, of which the chip's neurons cannot do {', '.join(odd)}; "
            "train it without"
        )
    yield from map(str, late_bias(population))
    v_reset = float(np.abs(population.params["v_reset"]).max())
    if dialect.reset == "subtract" and v_reset:
        yield (
            f"{node} has v_reset = {v_reset:g} at most, the chip subtracts the whole threshold (v_reset = 0); "
            "shift v_leak and v_threshold by it, or reset to zero"
        )
    gain = float(np.min(rounding.gain(population, dialect)))
    if gain <= 0:
        yield (
            f"{node} turns a current into {gain:.3g} of membrane per step, the chip's scaling needs more than 0; "
            "make r and w_in positive and put their sign into the weights"
        )
        return
    largest = rounding.largest_parameter(graph, population, target)
    if not largest <= float(np.finfo(np.float32).max):
        yield (
            f"{node} needs a threshold or bias of {largest:.3g} weight units, single precision holds "
            f"{np.finfo(np.float32).max:.3g}; bring r, w_in and the weights nearer to 1"
        )


def _of_the_inputs(graph: CheckedGraph, population: Population, target: Target) -> Iterator[str]:
    incoming = graph.into(population.name)
    convolved = [p for p in incoming if isinstance(p.operator, Convolution)]
    for p in incoming:
        way = f"the projection {p.source!r} -> {p.target!r}"
        if p.delay > target.connections.delay_max:
            yield (
                f"{way} is late by {p.delay} steps, the chip's models with {target.formats.weight_bits}-bit weights by "
                f"{target.connections.delay_max}; take the delay out"
            )
        if isinstance(p.operator, Convolution):
            yield from _of_the_convolution(way, p, p.operator)
        elif not (isinstance(p.operator, Dense) and p.pool is None) and p.inputs * p.operator.outputs > MAX_WEIGHTS:
            yield (
                f"{way} has {p.inputs} x {p.operator.outputs} synapses written out as the list the chip takes, "
                f"{MAX_WEIGHTS} at most; use smaller layers"
            )
    if not convolved:
        return
    if population.model in neuron.SYNAPTIC:
        yield (
            f"node {population.name!r} is a {population.model} behind a convolution, the chip convolves into "
            "IF and LIF only; use one of them or write the convolution as a Linear"
        )
    if len(convolved) < len(incoming):
        yield (
            f"node {population.name!r} has {len(convolved)} convolution(s) and {len(incoming) - len(convolved)} "
            "list(s) of synapses into it, a population of the chip takes one kind; put a population between"
        )


def _of_the_convolution(way: str, p: Projection, operator: Convolution) -> Iterator[str]:
    if operator.dilation != (1, 1):
        yield f"{way} has a dilation of {operator.dilation}, the chip's convolution of (1, 1); write the zeros out"
    if operator.groups != 1:
        yield f"{way} has {operator.groups} groups, the chip's convolution 1; write it as one group with zeros"
    if operator.shape[1] == 1 and operator.weight.shape[2] == 1:
        yield f"{way} is a convolution along one direction, the chip's are along two; write it as a Linear"
    if operator.stride[0] != operator.stride[1]:
        yield f"{way} has strides of {operator.stride}, the chip's are alike in both directions; make them equal"
    if p.pool is None:
        return
    if p.pool.kernel[0] != p.pool.kernel[1]:
        yield f"{way} pools windows of {p.pool.kernel}, the chip's are square; make them so"
    if p.pool.kernel != p.pool.stride:
        yield (
            f"{way} pools windows of {p.pool.kernel} every {p.pool.stride}, in front of a convolution the chip pools "
            "windows that touch; make the stride the kernel"
        )
    if p.pool.padding != ((0, 0), (0, 0)):
        yield f"{way} pads its pooling by {p.pool.padding}, the chip by 0; pad the convolution instead"


def _of_the_timing(graph: CheckedGraph) -> Iterator[str]:
    """On the chip every projection takes one step: all ways to a population must become later alike."""
    lags = rounding.lags(graph)
    for p in graph.projections:
        through = lags[p.source] + 1 - p.delay
        if p.delay <= 1 and through != lags[p.target]:
            yield (
                f"node {p.target!r} gets the same step's spikes {lags[p.target]} step(s) late on one way and {through} "
                f"from {p.source!r}, as each projection of the chip takes one step; make the ways equally long, or "
                "train and check the graph with connection_delay=true"
            )
