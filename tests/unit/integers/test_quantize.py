"""Quantization: what the integers stand for, and that they fit."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nirdeploy.errors import CorruptFile, DoesNotFit
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.records import store
from nirdeploy.semantics import neuron
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Dense, Maximum
from nirdeploy.targets import registry as targets
from tests import networks
from tests.conftest import examples

TARGETS = {
    "default": targets.load("fpga"),
    "narrow": targets.load("fpga").with_hardware(weight_bits=4, state_bits=16, accumulator_bits=16, decay_bits=8),
}
NIR = Dialect(dt=1e-3, reset="subtract")
LIF = {"tau": 5e-3, "r": 1.0, "v_threshold": 0.4, "v_leak": 0.0, "v_reset": 0.0}


@pytest.mark.law
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=examples(60))
@given(graph=networks.graphs())
def test_everything_fits_its_format(name: str, graph: CheckedGraph) -> None:
    network = quantize(graph, TARGETS[name].formats.of_network())
    f = network.formats
    for population in network.populations:
        p = network.neurons(population.name)
        assert 0 <= p.shift <= TARGETS[name].formats.shift_max
        for values in (p.bias, p.threshold, p.reset_value, p.initial):
            assert np.abs(values).max() <= f.state_max + 1
        assert p.decay.min() >= 0
        assert p.decay.max() <= 2**f.decay_bits
        rows = np.concatenate([q.weight for q in network.projections if q.target == p.name], axis=1)
        assert np.abs(rows).max() <= f.weight_max
        assert np.abs(rows).sum(axis=1).max() <= f.accumulator_max


@pytest.mark.law
@settings(max_examples=examples(60))
@given(graph=networks.graphs())
def test_integers_stand_for_the_parameters(graph: CheckedGraph) -> None:
    """Dequantized weights, biases and thresholds lie within one unit of the exact ones."""
    network = quantize(graph, TARGETS["default"].formats.of_network())
    for population in network.populations:
        p = network.neurons(population.name)
        exact = graph.population(p.name)
        step = neuron.coefficients(exact.model, exact.params, graph.dialect)
        for q in network.into(p.name):
            [weight] = [g.weight for g in graph.into(p.name) if g.source == q.source]
            unit = q.unit[:, None]
            assert np.all(np.abs(q.weight * unit - weight) <= 0.5001 * unit)
        gain = step.gain * (step.synapse_gain if p.synaptic else 1.0)
        np.testing.assert_allclose(p.scale * 2.0**p.shift, np.broadcast_to(gain, p.size) * network.into(p.name)[0].unit)
        current = gain * exact.bias
        bias, synapse_bias = (step.offset, current) if p.synaptic else (current + step.offset, 0.0)
        assert np.all(np.abs(p.bias * p.scale - bias) <= 0.5001 * p.scale)
        assert np.all(np.abs(p.synapse_bias * p.scale - synapse_bias) <= 0.5001 * p.scale)
        if p.spiking:
            threshold = neuron.threshold_of(exact.model, exact.params)
            assert np.all(np.abs(p.threshold * p.scale - threshold) <= 1.0001 * p.scale)


@given(threshold=st.integers(1, 60), v=st.integers(0, 80), inclusive=st.booleans())
def test_threshold_decides_as_in_the_dialect(threshold: int, v: int, inclusive: bool) -> None:
    """A neuron that receives v / 64 once, against threshold / 64: exact in binary, so > and >= must differ."""
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([1])}),
            "fc": nir.Linear(np.array([[v / 64]])),
            "if": nir.IF(r=np.array([1e4]), v_threshold=np.array([threshold / 64]), v_reset=np.zeros(1)),
            "output": nir.Output({"output": np.array([1])}),
        },
        edges=[("input", "fc"), ("fc", "if"), ("if", "output")],
        type_check=False,
    )
    from nirdeploy.sim import integer

    # A scale that is a power of two: the weight is 64/64 or less, so its unit divides it only up to rounding;
    # hence 16-bit weights, where v / 64 is met to 2^-15.
    target = targets.load("fpga").with_hardware(weight_bits=16, accumulator_bits=24, lanes=16, update=1)
    checked = check(graph, dialect=f"nir,threshold={'>=' if inclusive else '>'}")
    spike = integer.simulate(quantize(checked, target.formats.of_network()), np.ones((1, 1, 1)))["if"].item()
    if v != threshold:
        assert spike == (v > threshold)


def test_a_neuron_without_input_weights_stays_silent_or_leaks() -> None:
    graph = networks.two_layers()
    graph.nodes["fc1"].weight[0] = 0.0
    graph.nodes["fc1"].bias[0] = 0.0
    network = quantize(check(graph), TARGETS["default"].formats.of_network())
    assert network.projections[0].weight[0].any() == False  # noqa: E712  (an array's truth)
    assert np.isfinite(network.populations[0].scale).all()


def test_save_and_load(tmp_path: Path) -> None:
    network = quantize(check(networks.two_layers()), TARGETS["default"].formats.of_network())
    network.save(tmp_path / "n.npz")
    again = IntegerNetwork.load(tmp_path / "n.npz")
    assert again.digest() == network.digest()
    assert again.report == network.report
    other = quantize(check(networks.two_layers(seed=1)), TARGETS["default"].formats.of_network())
    assert other.digest() != network.digest()
    (tmp_path / "n.npz").write_bytes(b"PK nonsense")
    with pytest.raises(CorruptFile, match="build it again"):
        IntegerNetwork.load(tmp_path / "n.npz")


@pytest.mark.law
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=examples(100))
@given(graph=networks.graphs(beyond=True) | networks.grids() | networks.encoded())
def test_what_was_quantized_is_read_as_it_was(name: str, graph: CheckedGraph) -> None:
    """However strange the network is: no build is refused as damaged."""
    try:
        network = quantize(bordered(graph), TARGETS[name].formats.of_network())
    except DoesNotFit:
        reject()
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder) / "n.npz")
        assert IntegerNetwork.load(Path(folder) / "n.npz").digest() == network.digest()


def test_weights_that_no_window_of_a_maximum_reads_have_their_bits(tmp_path: Path) -> None:
    """They have no part in the unit: a row far larger than those that are read came to numbers beyond 8 bits."""
    weight = np.random.default_rng(0).normal(0.0, 0.1, (5, 8))
    weight[4] = -3.0
    populations = (
        Population("in", "Input", (8,), {}, np.zeros(8)),
        Population("a", "LIF", (1, 1, 2), {k: np.full((1, 1, 2), v) for k, v in LIF.items()}, np.zeros((1, 1, 2))),
    )
    pairs = Maximum((1, 1, 5), (1, 2), (1, 2), ((0, 0), (0, 0)))
    graph = CheckedGraph(
        populations, (Projection("in", "a", Dense(weight), maximum=pairs),), ("in",), {"output": "a"}, NIR, "argument"
    )
    network = quantize(graph, TARGETS["default"].formats.of_network())
    assert np.abs(network.projections[0].weight[:4]).max() == 127
    assert network.projections[0].weight.min() == -128
    network.save(tmp_path / "n.npz")
    IntegerNetwork.load(tmp_path / "n.npz")


def test_whose_neurons_step_it_is_kept_and_digested(tmp_path: Path) -> None:
    network = quantize(check(networks.two_layers()), TARGETS["default"].formats.of_network())
    chips = replace(network, dynamics="xylo")
    assert chips.digest() != network.digest()
    chips.save(tmp_path / "n.npz")
    assert IntegerNetwork.load(tmp_path / "n.npz").dynamics == "xylo"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dynamics": None}, "does not say whose neurons step it, an older nirdeploy wrote it"),
        ({"dynamics": ["xylo"]}, "not an integer network (dynamics is ['xylo'], expected a text)"),
        ({"dynamics": None, "formats": None}, "not an integer network (it has no 'formats')"),
    ],
)
def test_a_file_that_does_not_say_whose_neurons(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """``change``: of the file's metadata; None: taken out."""
    quantize(check(networks.two_layers()), TARGETS["default"].formats.of_network()).save(tmp_path / "n.npz")
    meta, arrays = store.unpack((tmp_path / "n.npz").read_bytes(), where="")
    changed = {key: value for key, value in {**meta, **change}.items() if value is not None}
    (tmp_path / "n.npz").write_bytes(store.pack(changed, arrays))
    with pytest.raises(CorruptFile) as caught:
        IntegerNetwork.load(tmp_path / "n.npz")
    assert said in str(caught.value)
    assert str(caught.value).endswith("n.npz); build it again")


def test_weights_that_all_round_to_zero_are_refused() -> None:
    graph = check(networks.two_layers(sizes=(3, 4, 2)))
    population = graph.population("lif2")
    far = replace(population, params={**population.params, "v_threshold": np.full(2, 1e9)})
    other = replace(graph, populations=tuple(far if p.name == "lif2" else p for p in graph.populations))
    with pytest.raises(DoesNotFit, match="all weights into node 'lif2' round to zero") as caught:
        quantize(other, Formats(8, 24, 24, 12))
    assert quantize(other, Formats(8, 24, 48, 12)).into("lif2")[0].weight.any(), caught.value.hint
