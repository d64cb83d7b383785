"""Zero points: taken from the biases, they leave nothing, whatever stands between an input and its neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation
from nirdeploy.integers.quantize import quantize
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum
from nirdeploy.sim import integer
from tests import networks
from tests.conftest import examples

FORMATS = st.sampled_from([Formats(8, 20, 24, 16), Formats(8, 24, 24, 12), Formats(4, 16, 16, 8)])


def rounded(graph: CheckedGraph, formats: Formats) -> IntegerNetwork:
    try:
        return quantize(graph, formats)
    except DoesNotFit:  # narrow formats, of which all weights round to zero
        reject()


def unfolded(folded: IntegerPopulation) -> IntegerPopulation:
    """With the bias of the graph alone."""
    taken = sum(folded.zeros.values(), start=np.zeros(folded.size, dtype=np.int64))
    late = {step: part + folded.zeros.get(step, 0) for step, part in folded.late_bias.items()}
    name = "synapse_bias" if folded.synaptic else "bias"
    return replace(folded, late_bias=late, zeros={}, **{name: getattr(folded, name) + taken})


def biases(network: IntegerNetwork, name: str) -> np.ndarray:
    population = network.neurons(name)
    return population.synapse_bias if population.synaptic else population.bias


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(graph=networks.encoded(most=90), formats=FORMATS, seed=st.integers(0, 2**32 - 1))
def test_integers_less_their_zero_point_are_the_numbers(graph: CheckedGraph, formats: Formats, seed: int) -> None:
    """What enters each population of q, with its bias, is what enters it of q - zero, with the graph's own bias."""
    network = rounded(graph, formats)
    rng, steps = np.random.default_rng(seed), 5
    sizes = {name: graph.population(name).size for name in graph.inputs}
    held = {name: rng.integers(0, network.takes[name].top + 1, (steps, 2, size)) for name, size in sizes.items()}
    for population in network.populations:
        own = unfolded(network.neurons(population.name))
        incoming = [p for p in network.into(population.name) if p.source in held]
        if not incoming:
            continue
        centred = {name: q - network.takes[name].zero for name, q in held.items()}
        found = integer.entering(network.neurons(population.name), incoming, held) + biases(network, population.name)
        bias = own.synapse_bias if own.synaptic else own.bias
        np.testing.assert_array_equal(found, integer.entering(own, incoming, centred) + bias)


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(graph=networks.encoded(most=90), formats=FORMATS)
def test_biases_and_sums_fit_their_registers(graph: CheckedGraph, formats: Formats) -> None:
    network = rounded(graph, formats)
    for population in network.populations:
        own, sums = network.neurons(population.name), np.zeros((2, population.size), dtype=np.int64)
        assert (np.abs(biases(network, population.name)) <= formats.state_max).all()
        for p in network.into(population.name):
            if p.source in network.takes:
                top = np.full(p.inputs, network.takes[p.source].top, dtype=np.int64)
            else:
                top = np.full(p.inputs, max(own.rules.max_spikes, 1), dtype=np.int64)
            for sign in (0, 1):
                weight = np.maximum(p.operator.weight if sign else -p.operator.weight, 0)
                sums[sign] += replace(p, operator=replace(p.operator, weight=weight)).apply(top) << p.shift
        if all(not source.rules.multi for source in network.populations):
            assert (sums <= formats.accumulator_max).all()


@pytest.mark.parametrize("formats", [Formats(8, 24, 16, 12), Formats(8, 16, 24, 12)])
@pytest.mark.parametrize(("model", "inputs"), [("LIF", 600), ("CubaLIF", 600), ("LIF", 100)])
def test_registers_hold_what_rounding_adds(model: str, inputs: int, formats: Formats) -> None:
    """One large weight, and many that are all rounded up, or all down: what their zero points add is no small thing."""
    params = {"v_threshold": 0.5, "v_reset": 0.0, "v_leak": 0.0, "r": 2.0, "tau": 5e-3}
    if model == "CubaLIF":
        params |= {"tau_mem": params.pop("tau"), "tau_syn": 2e-3, "w_in": 2.0}
    image = Population("in", "Input", (inputs,), {}, np.zeros(inputs))
    neuron = Population("n", model, (1,), {key: np.full(1, value) for key, value in params.items()}, np.zeros(1))
    for small in np.linspace(0.1, 3.0, 200) / 127:
        weight = np.full((1, inputs), small)
        weight[0, 0] = 1.0
        projection = Projection("in", "n", Dense(weight))
        graph = CheckedGraph((image, neuron), (projection,), ("in",), {"out": "n"}, Dialect(dt=1e-3), "argument")
        graph = replace(graph, encodings={"in": InputEncoding.of_range(8, -1, 1)})
        network = quantize(graph, formats)
        assert np.abs(biases(network, "n")).max() <= formats.state_max
        assert network.projections[0].weight.sum() * 255 <= formats.accumulator_max


def test_spikes_beside_numbers_in_fine_steps_leave_both_their_bits() -> None:
    """Without a shift of their own the numbers' weights would be a 127th of the spikes'."""
    rng = np.random.default_rng(0)
    shape = (20,)
    params = {"tau": 5e-3, "r": 5.0, "v_threshold": 0.7, "v_leak": 0.0, "v_reset": 0.0}
    populations = (
        *(Population(name, "Input", shape, {}, np.zeros(shape)) for name in ("spikes", "numbers")),
        Population("n", "LIF", shape, {key: np.full(shape, value) for key, value in params.items()}, np.zeros(shape)),
    )
    ways = {name: Dense(rng.normal(0, 0.4, (20, 20))) for name in ("spikes", "numbers")}
    projections = tuple(Projection(name, "n", way) for name, way in ways.items())
    encodings = {"numbers": InputEncoding.of_range(8, -1, 1)}
    graph = CheckedGraph(
        *(populations, projections, ("spikes", "numbers"), {"out": "n"}, Dialect(dt=1e-3), "argument"),
        encodings=encodings,
    )
    network = quantize(graph, Formats(8, 20, 24, 16))
    assert [p.shift for p in network.projections] == [7, 0]
    for p in network.projections:
        assert np.abs(p.weight).max() > 50
        assert np.abs(p.weight * p.unit[:, None] - ways[p.source].weight).max() < 0.02
    x = {"spikes": rng.random((60, 8, 20)) < 0.3, "numbers": rng.uniform(-1, 1, (60, 8, 20))}
    expected, found = nd.simulate(graph, x), nd.simulate(network, x)
    assert (expected["n"] != found["n"]).mean() < 0.01


def pooled_maximum(padding: int, zero: int) -> CheckedGraph:
    """An input through a convolution and a maximum over windows of two."""
    pads = ((padding, padding),) * 2
    convolution = Convolution(np.random.default_rng(0).normal(0, 1, (2, 1, 3, 3)), (1, 6, 6), padding=pads)
    maximum = Maximum(convolution.out_shape, (2, 2), (2, 2))
    shape = maximum.out_shape
    params = {"r": np.full(shape, 1e3), "v_threshold": np.ones(shape), "v_reset": np.zeros(shape)}
    image = Population("in", "Input", (1, 6, 6), {}, np.zeros((1, 6, 6)))
    populations = image, Population("n", "IF", shape, params, np.zeros(shape))
    projection = Projection("in", "n", convolution, ("conv", "pool"), maximum=maximum)
    dialect = Dialect(dt=1e-3)
    encodings = {"in": InputEncoding(8, 0.01, zero)}
    return CheckedGraph(populations, (projection,), ("in",), {"out": "n"}, dialect, "argument", encodings=encodings)


def test_a_maximum_over_even_sums_is_made_up_for() -> None:
    graph = pooled_maximum(0, 100)
    network = quantize(graph, Formats(8, 24, 24, 12))
    x = np.random.default_rng(1).uniform(-1, 1.5, (6, 2, 1, 6, 6))
    expected, found = nd.simulate(graph, x, membrane=["n"]), nd.simulate(network, x, membrane=["n"])
    assert found["n"].any()
    assert (expected["n"] != found["n"]).mean() < 0.05


def test_a_maximum_over_padded_sums_is_refused_unless_the_range_begins_at_0() -> None:
    with pytest.raises(DoesNotFit, match=r"zero point of the input 'in' is 100.*no bias makes up.*--input-range 0:HI"):
        quantize(pooled_maximum(1, 100), Formats(8, 24, 24, 12))
    assert quantize(pooled_maximum(1, 0), Formats(8, 24, 24, 12)).takes["in"].zero == 0


def test_a_network_keeps_its_encodings(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = nd.build(networks.two_layers(), "fpga", input_range=(-1, 1)).network
    network.save(tmp_path / "network.npz")
    again = IntegerNetwork.load(tmp_path / "network.npz")
    assert again.takes == {"input": InputEncoding(8, 1 / 127, 128)}
    assert again.digest() == network.digest()
    kept, own = again.neurons("lif1"), network.neurons("lif1")
    assert np.array_equal(kept.zeros[0], own.zeros[0])
    assert kept.zeros[0].any()
    # In the graph's terms the zero point is no part of the bias, nor the step of the input one of a weight.
    graph, formats = nd.check(networks.two_layers(), input_range=(-1, 1)), network.formats
    assert np.abs(kept.effective(formats).offset - 0.5 * graph.population("lif1").bias).max() < 1e-3
    weights = again.projections[0].weight * again.projections[0].unit[:, None]
    assert np.abs(weights - graph.projections[0].weight).max() < 0.01
