"""stored: the numbers that a network must hold to run, and the bits of each: what its footprint is made of.

A number that all neurons of a population share, or all of a channel, is held once; one that changes nothing (a bias of
0, a leak to 0, a gain of 1) is not held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.border import unbordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation, IntegerPopulation, IntegerProjection
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Elementwise, Passage

FLOAT_BITS = 32  # what frameworks train and store in

Layer = Projection | IntegerProjection


@dataclass(frozen=True)
class Stored:
    """``count`` numbers of ``bits`` each. ``parameter``: a weight or bias, not what a neuron is."""

    what: str
    count: int
    bits: int
    parameter: bool = False


def stored(what: CheckedGraph | IntegerNetwork) -> tuple[Stored, ...]:
    """All numbers of a graph, in float32, or of an integer network, in the bits of its target."""
    found = _of_graph(what) if isinstance(what, CheckedGraph) else _of_network(what)
    return tuple(one for one in found if one.count)


def layers(what: CheckedGraph | IntegerNetwork) -> list[Layer]:
    """The projections that are layers with weights: dense and convolutional ones, each layer once.

    Not those that scale signals one by one. Of a network they read inputs in the shape that the user gives. Of a graph
    a layer whose output goes to several populations is one, where nothing makes it a different one on the way.
    """
    if isinstance(what, CheckedGraph):
        return [p for p in _once(what.projections, of_source=True) if not isinstance(p.operator, Elementwise)]
    return [unbordered(what, p) for p in what.projections if not isinstance(p.operator, Elementwise)]


def weights(what: CheckedGraph | IntegerNetwork) -> list[np.ndarray]:
    """The weights of all layers; of a graph those of a layer that several signals go through once."""
    if isinstance(what, CheckedGraph):
        return [p.weight for p in _once(what.projections) if not isinstance(p.operator, Elementwise)]
    return [p.weight for p in layers(what)]


def _once(projections: Sequence[Projection], *, of_source: bool = False) -> list[Projection]:
    """One for each of a graph's nodes; ``of_source``: and for each signal that goes through it."""
    found: dict[object, Projection] = {}
    for at, p in enumerate(projections):
        signal = (p.source, p.delay) if of_source else ()
        key: object = (p.nodes, p.weight.shape, p.weight.tobytes(), signal) if p.nodes else at
        found.setdefault(key, p)
    return list(found.values())


def _of_graph(graph: CheckedGraph) -> Iterator[Stored]:
    for p in _once(graph.projections):
        yield Stored(f"weights into {p.target}", _weights(p, shape=graph.population(p.target).shape), FLOAT_BITS, True)
    for population in graph.populations:
        if population.model == "Input":
            continue
        name, bias = population.name, population.bias.ravel()
        into = graph.into(name)
        for values in (bias, *(late.ravel() for late in population.late_bias.values())):
            yield Stored(f"bias of {name}", _biases(values, into), FLOAT_BITS, True)
        for what, count, bits in _neurons(graph, population):
            yield Stored(f"{what} of {name}", count, bits)


def _neurons(graph: CheckedGraph, population: Population) -> Iterator[tuple[str, int, int]]:
    """What a float neuron is made of, beside its bias: (what, how many, bits)."""
    params, shape = population.params, population.shape
    dialect = graph.dialect_of(population.name)
    how, rules = neuron.coefficients(population.model, params, dialect), graph.rules(population.name)
    spiking = population.model in neuron.SPIKING
    thresholds = _count(neuron.threshold_of(population.model, params), shape) if spiking else 0
    decays = 0 if population.model in ("Output", "Threshold") else _count(how.decay, shape, without=1.0)
    synapses = _count(how.synapse_decay, shape) if population.model in neuron.SYNAPTIC else 0
    if dialect.preset == "snntorch":
        if population.model in ("Output", "Threshold"):
            return  # what export put in for a layer without neurons, such as a maximum of spikes
        # Leaky, Synaptic and the recurrent ones hold a decay of 1, and what reads out a threshold; each a factor of
        # its spikes (graded_spikes_factor) and the number of its reset (reset_mechanism_val), which are no use here.
        decays, thresholds = max(decays, 1), max(thresholds, 1)
        yield "graded_spikes_factor", 1, FLOAT_BITS
        yield "reset_mechanism_val", 1, 64
    yield "threshold", thresholds, FLOAT_BITS
    yield "decay", decays, FLOAT_BITS
    yield "decay of the current", synapses, FLOAT_BITS
    yield "gain", _count(how.gain, shape, without=1.0), FLOAT_BITS
    yield "leak", _count(how.offset, shape, without=0.0), FLOAT_BITS
    if population.model in neuron.SYNAPTIC:
        yield "gain of the current", _count(how.synapse_gain, shape, without=1.0), FLOAT_BITS
    if rules.reset != "none" or rules.starts_reset:
        yield "v_reset", _count(params["v_reset"], shape, without=0.0), FLOAT_BITS


def _of_network(network: IntegerNetwork) -> Iterator[Stored]:
    state = network.formats.state_bits
    for p in network.projections:
        count = _weights(p, shape=network.population(p.target).shape)
        yield Stored(f"weights into {p.target}", count, network.weight_bits(p.target), True)
    for population in network.populations:
        name, into = population.name, network.into(population.name)
        if isinstance(population, IntegerPopulation):
            for values in (population.bias, population.synapse_bias, *population.late_bias.values()):
                yield Stored(f"bias of {name}", _biases(values, into), state, True)
            yield from _reference(population, network)
        elif isinstance(population, ChipPopulation):
            for register, values in population.registers.items():
                yield Stored(f"{register} of {name}", _count(values, population.shape), state)


def _reference(population: IntegerPopulation, network: IntegerNetwork) -> Iterator[Stored]:
    """What an integer neuron of the reference is made of, beside its bias."""
    name, shape, rules, formats = population.name, population.shape, population.rules, network.formats
    unity = float(1 << formats.decay_bits)
    if population.model not in ("Output", "Threshold"):
        yield Stored(f"decay of {name}", _count(population.decay, shape, without=unity), formats.decay_bits)
    if population.synaptic:
        yield Stored(f"decay of the current of {name}", _count(population.synapse_decay, shape), formats.decay_bits)
    if population.spiking:
        yield Stored(f"threshold of {name}", _count(population.threshold, shape), formats.state_bits)
    if rules.reset != "none":
        yield Stored(f"reset of {name}", _count(population.reset_value, shape, without=0.0), formats.state_bits)
    if rules.multi or rules.bounded:
        yield Stored(f"size of a spike of {name}", _count(population.spike_size, shape), formats.state_bits)
    yield Stored(f"start of {name}", _count(population.initial, shape, without=0.0), formats.state_bits)


def _weights(p: Layer, shape: tuple[int, ...]) -> int:
    if isinstance(p.operator, Elementwise):
        return _count(p.weight, shape if p.weight.size == np.prod(shape) else p.weight.shape, without=1.0)
    return int(p.weight.size)


def _biases(bias: np.ndarray, into: Sequence[Passage]) -> int:
    """Of a population (size,): one for each neuron, or for each channel that a convolution leads to."""
    if not bias.any():
        return 0
    for p in into:
        groups = p.operator.groups_of_outputs if p.maximum is None else p.maximum.channels_behind
        channels = int(groups.max()) + 1
        if channels < bias.size and len(np.unique(np.stack([groups, bias]), axis=1).T) == channels:
            return channels
    return int(bias.size)


def _count(values: object, shape: tuple[int, ...], *, without: float | None = None) -> int:
    """How many numbers it takes to say values of a population: none where all are ``without``, one where all are the
    same, one for each channel, or one for each neuron."""
    flat = np.asarray(values, dtype=np.float64)
    if flat.ndim == 0 or (flat == flat.flat[0]).all():
        return int(without is None or float(flat.flat[0]) != without)
    by_channel = np.broadcast_to(flat.reshape(-1), int(np.prod(shape))).reshape(shape[0], -1)
    return shape[0] if (by_channel == by_channel[:, :1]).all() else int(by_channel.size)
