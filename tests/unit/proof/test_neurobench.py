"""NeuroBench's metrics: each against its definition, written out plainly, in float and in integers.

The package itself is the judge in tests/frameworks/test_neurobench.py and tests/unit/proof/test_harness.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit, InputShapeError, UsageProblem
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.graph.precision import with_bits
from nirdeploy.integers.border import bordered, unbordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.neurobench import Metrics, metrics, with_membrane
from nirdeploy.semantics.dialect import PRESETS
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Pool, matrix
from tests import networks
from tests.conftest import examples

FORMATS = Formats(weight_bits=8, accumulator_bits=24, state_bits=24, decay_bits=12)


def measured(what: CheckedGraph | IntegerNetwork, x: Any) -> Metrics:
    return metrics(what, nd.simulate(what, x, membrane=with_membrane(what)), x)


def lif(name: str, shape: tuple[int, ...], **params: float) -> Population:
    values = {"tau": 4.0, "r": 4.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, **params}
    return Population(name, "LIF", shape, {key: np.full(shape, v) for key, v in values.items()}, np.zeros(shape))


def graph(shape: tuple[int, ...], *layers: Population, projections: list[Projection]) -> CheckedGraph:
    source = Population("in", "Input", shape, {}, np.zeros(shape))
    dialect = replace(PRESETS["nir"], dt=1.0)
    return CheckedGraph((source, *layers), tuple(projections), ("in",), {"out": layers[-1].name}, dialect, "argument")


def test_by_hand() -> None:
    """Three inputs, two neurons with a bias each, and back to the two of them; two samples of three steps."""
    forward, back = Dense(np.array([[2.0, 0.0, 0.5], [0.0, 0.0, 3.0]])), Dense(np.array([[0.0, -5.0], [0.0, 0.0]]))
    neurons = replace(lif("n", (2,)), bias=np.array([0.1, -0.5]))
    net = graph((3,), neurons, projections=[Projection("in", "n", forward), Projection("n", "n", back, delay=1)])
    x = np.array([[[1, 0, 0], [0, 0, 0]], [[0, 1, 1], [0, 0, 0]], [[0, 0, 2], [0, 0, 1]]])
    record = nd.simulate(net, x, membrane=["n"])
    assert record["n"].tolist() == [[[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 1], [0, 1]]]
    found = metrics(net, record, x)
    assert found.parameters == 6 + 4 + 2
    assert found.footprint == 4 * (12 + 2), "a decay of 3/4 and a threshold; the gain of a current is 1"
    assert found.connection_sparsity == (3 + 3) / 10
    assert found.activation_sparsity == found.sparsity_by_layer["n"] == (12 - 4) / 12
    # Steps 0 and 1 are spikes: 1 weight; 0 + 2 weights. In step 2 both numbers of the batch multiply: 2 + 2.
    # Back comes the spike of neuron 1 in step 1, by 1 weight in step 2; that of neuron 0 has none.
    assert (found.acs, found.macs) == ((1 + 2 + 1) / 2, 4 / 2)
    assert found.dense == 3 * 6 + 3 * 4
    changed = (np.diff(record.membrane["n"], axis=0) != 0).sum()
    assert 0 < changed < 8
    assert found.membrane_updates == (4 + changed) / 2
    assert found.image_bytes is None


def test_what_all_share_is_held_once() -> None:
    """A bias of each channel; a decay of each neuron; a reset; nothing for what changes nothing."""
    convolution = Convolution(np.ones((4, 2, 3, 3)), (2, 5, 5), padding=((1, 1), (1, 1)))
    across = [Projection("in", "n", convolution)]
    plain = graph((2, 5, 5), lif("n", (4, 5, 5)), projections=across)
    x = networks.spikes(3, (4, 2, 2, 5, 5))
    base = measured(plain, x)
    assert (base.parameters, base.footprint) == (72, 4 * 74)

    def more(**changed: Any) -> tuple[int, float]:
        population = plain.population("n")
        params = {**population.params, **changed.pop("params", {})}
        other = replace(plain, populations=(plain.populations[0], replace(population, params=params, **changed)))
        found = measured(other, x)
        return found.parameters - base.parameters, found.footprint - base.footprint

    of_channels = np.arange(4.0)[:, None, None] + np.zeros((4, 5, 5))
    of_neurons = np.arange(100.0).reshape(4, 5, 5)
    assert more(bias=of_channels) == (4, 16)
    assert more(bias=of_neurons) == (100, 400)
    assert more(params={"v_threshold": 1 + of_channels}) == (0, 12)
    assert more(params={"v_threshold": 1 + of_neurons}) == (0, 396)
    assert more(params={"v_reset": np.full((4, 5, 5), -0.1)}) == (0, 4)
    assert more(params={"v_leak": np.full((4, 5, 5), 0.1)}) == (0, 4)
    assert more(params={"r": np.full((4, 5, 5), 3.0)}) == (0, 4)


def test_one_layer_that_several_read_and_one_that_reads_several() -> None:
    """The weights of one layer are held once; it takes one signal once, two signals each."""
    weight = np.array([[1.0, 2.0], [0.0, 3.0]])
    layer = {name: Projection(*ends, Dense(weight), ("fc",)) for name, ends in (("a", ("in", "a")), ("b", ("in", "b")))}
    x = networks.spikes(1, (5, 2, 2))
    one = measured(graph((2,), lif("a", (2,)), projections=[layer["a"]]), x)
    two = measured(graph((2,), lif("a", (2,)), lif("b", (2,)), projections=list(layer.values())), x)
    assert (two.parameters, two.acs, two.dense) == (one.parameters, one.acs, one.dense)
    other = replace(layer["b"], nodes=("other",))
    apart = measured(graph((2,), lif("a", (2,)), lif("b", (2,)), projections=[layer["a"], other]), x)
    assert (apart.parameters, apart.acs, apart.dense) == (2 * one.parameters, 2 * one.acs, 2 * one.dense)
    skip = [layer["a"], replace(layer["b"], target="c"), Projection("a", "c", Dense(weight), ("fc",))]
    both = measured(graph((2,), lif("a", (2,)), lif("c", (2,)), projections=skip), x)
    assert both.parameters == one.parameters
    assert both.dense == 2 * one.dense


def test_what_no_layer_is() -> None:
    """Factors of single signals are stored, and take no operation; those of 1 are nothing."""
    pool = Pool((1, 4, 4), (2, 2), (2, 2))
    pooled = Projection("in", "n", Elementwise(np.ones(4)), pool=pool)
    factors = Projection("n", "n", Elementwise(np.array([0.1, 0.2, 0.3, 0.4])), delay=1)
    x = networks.spikes(2, (5, 2, 1, 4, 4))
    found = measured(graph((1, 4, 4), lif("n", (4,)), projections=[pooled, factors]), x)
    assert (found.macs, found.acs, found.dense, found.connection_sparsity) == (0, 0, 0, 0)
    assert found.parameters == 4


def plainly(what: Any, x: dict[str, np.ndarray], record: Any) -> tuple[float, float, float]:
    """MACs, ACs and dense operations per sample, weight by weight of the matrices written out."""
    counted = {"mac": 0.0, "ac": 0.0, "dense": 0.0}
    steps, samples = record.steps, record.samples
    for p in what.projections if isinstance(what, CheckedGraph) else [unbordered(what, p) for p in what.projections]:
        if isinstance(p.operator, Elementwise):
            continue
        there = matrix(replace(p.operator, weight=(p.weight != 0) * 1.0)) > 0
        whole = matrix(replace(p.operator, weight=np.ones(p.weight.shape))) > 0
        source = x[p.source] if p.source in x else record.spikes[p.source]
        for t in range(steps):
            sent = source[t - p.delay] if t >= p.delay else np.zeros_like(source[0])
            sent = sent.reshape(samples, -1).astype(np.float64)
            if p.pool is not None:
                sent = sent @ matrix(p.pool).T / (p.pool.kernel[0] * p.pool.kernel[1])
            kind = "ac" if set(np.unique(sent)) <= {-1.0, 0.0, 1.0} else "mac"
            counted[kind] += sum(int(there[:, np.flatnonzero(row)].sum()) for row in sent)
            counted["dense"] += samples * int(whole.sum())
    return counted["mac"] / samples, counted["ac"] / samples, counted["dense"] / samples


@pytest.mark.law
@settings(max_examples=examples(25))
@given(net=networks.grids(most=80) | networks.graphs(max_size=25, max_layers=3), seed=st.integers(0, 2**32 - 1))
def test_operations_are_as_defined(net: CheckedGraph, seed: int) -> None:
    x = networks.stimulus(net, seed, steps=6)
    given = x if isinstance(x, dict) else {net.inputs[0]: x}
    for what in (net, quantize(net, FORMATS)):
        record = nd.simulate(what, x, membrane=with_membrane(what))
        found = metrics(what, record, x)
        np.testing.assert_allclose((found.macs, found.acs, found.dense), plainly(what, given, record), rtol=1e-12)
        values = [record.membrane[name] for name in with_membrane(what)]
        changed = sum(v[0].size + sum(int((a != b).sum()) for a, b in zip(v[1:], v, strict=False)) for v in values)
        assert found.membrane_updates == changed / record.samples
        assert found.acs + found.macs <= found.dense


@pytest.mark.law
@settings(max_examples=examples(15))
@given(net=networks.encoded(most=60), seed=st.integers(0, 2**32 - 1))
def test_numbers_of_a_range_count_as_steps_from_their_zero_point(net: CheckedGraph, seed: int) -> None:
    x = networks.stimulus(net, seed, steps=4)
    given = dict(x) if isinstance(x, dict) else {net.inputs[0]: x}
    try:
        network = quantize(bordered(net), FORMATS)
    except DoesNotFit:
        reject()  # a maximum over sums that a zero point is in unevenly
    for name, held in network.encodings.items():
        given[name] = held.integers(given[name]).astype(np.int64) - held.zero
    record = nd.simulate(network, x)
    found = metrics(network, record, x)
    np.testing.assert_allclose((found.macs, found.acs, found.dense), plainly(network, given, record), rtol=1e-12)


def test_integers_in_their_bits() -> None:
    """Weights as wide as their population's, biases and thresholds as a state, decays as a decay."""
    built = nd.build(with_bits(check(networks.two_layers(sizes=(12, 10, 4))), {"lif1": 4}))
    formats, x = built.network.formats, networks.spikes(1, (6, 3, 12), 0.4)
    found = metrics(built, nd.simulate(built, x), x)
    weights = 12 * 10 * 4 + 10 * 4 * formats.weight_bits
    state = sum(math.prod(p.shape) * 2 for p in built.network.populations)  # a threshold and a bias
    assert all(len(set(p.threshold)) > 1 for p in built.network.populations), "each neuron has a scale of its own"
    assert found.footprint == (weights + formats.state_bits * state + 2 * formats.decay_bits) / 8
    assert found.parameters == 12 * 10 + 10 * 4 + 14
    assert found.image_bytes == built.image.total_bytes
    small = metrics(built.graph, nd.simulate(built.graph, x), x)
    assert (small.image_bytes, small.membrane_updates) == (None, None)
    assert small.parameters == found.parameters
    assert small.footprint > found.footprint
    zeros = sum(int((p.weight == 0).sum()) for p in built.network.projections)
    assert found.connection_sparsity == zeros / 160 > small.connection_sparsity == 0


def test_what_is_not_of_one_run_is_said() -> None:
    built = nd.build(networks.two_layers(sizes=(12, 10, 4)))
    x = networks.spikes(1, (6, 3, 12), 0.4)
    record = nd.simulate(built, x)
    with pytest.raises(UsageProblem, match="the record of source 'integer'"):
        metrics(built.graph, record, x)
    with pytest.raises(InputShapeError, match="5 steps of 3 samples, the record 6 of 3"):
        metrics(built, record, x[:5])
    with pytest.raises(UsageProblem, match="nothing of the population 'lif1'"):
        metrics(built, nd.simulate(built, x, "outputs"), x)
    with pytest.raises(UsageProblem, match="stopped before the stage 'image'"):
        metrics(nd.build(networks.two_layers(sizes=(12, 10, 4)), stop="place"), record, x)
