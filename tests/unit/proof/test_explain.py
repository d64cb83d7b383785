"""Explanations: each rounding alone, and which one is to blame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.explain import ROUNDINGS, _simulate, explain
from nirdeploy.sim import float_
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from tests import networks
from tests.conftest import examples


def _network(bits: int = 8) -> tuple[CheckedGraph, IntegerNetwork]:
    target = targets.load("fpga").with_hardware(weight_bits=bits)
    graph = check(networks.two_layers(seed=2))
    return graph, quantize(graph, target.formats.of_network())


@pytest.mark.law
@settings(max_examples=examples(20))
@given(graph=networks.graphs(max_size=30, max_layers=3), seed=st.integers(0, 2**32 - 1))
def test_with_no_rounding_the_affine_form_is_the_float_model(graph: CheckedGraph, seed: int) -> None:
    """The affine step rounds differently in the last place: spikes may differ only where v meets threshold."""
    x = networks.stimulus(graph, seed)
    network = quantize(graph, targets.load("fpga").formats.of_network())
    exact, affine = float_.simulate(graph, x), _simulate(graph, network, x, set())
    for name in exact.spikes:
        assert (exact.spikes[name] != affine.spikes[name]).mean() < 0.01


def test_coarse_weights_are_found_guilty() -> None:
    graph, network = _network(bits=2)
    found = explain(graph, network, networks.spikes(0, (30, 8, 20), 0.4), labels=np.zeros(8, dtype=int))
    assert found.causes[0].rounding == "weight"
    assert sum(found.causes[0].differing.values()) > 0
    assert {cause.rounding for cause in found.causes} == {*ROUNDINGS, "state"}
    assert found.first is not None
    assert found.float_accuracy is not None


def test_a_wrong_decay_is_found_guilty_and_the_margins_show_it() -> None:
    graph, network = _network()
    neurons = [network.neurons(p.name) for p in network.populations]
    network = replace(network, populations=tuple(replace(p, decay=p.decay // 2) for p in neurons))
    found = explain(graph, network, networks.spikes(0, (30, 8, 20), 0.4))
    assert found.causes[0].rounding == "decay"
    assert found.margins is not None
    assert (found.margins.float_margin > 0) != (found.margins.integer_margin > 0)


def test_margins_agree_with_the_spikes_at_the_first_divergence() -> None:
    graph, network = _network(bits=4)
    found = explain(graph, network, networks.spikes(3, (40, 8, 20), 0.4))
    assert found.first is not None
    assert found.margins is not None
    assert (found.margins.float_margin > 0) == bool(found.first.expected)
    assert (found.margins.integer_margin > 0) == bool(found.first.measured)


def test_a_summary_says_which_rounding_and_how_near_the_threshold() -> None:
    graph, network = _network(bits=2)
    found = explain(graph, network, networks.spikes(0, (30, 8, 20), 0.4))
    assert found.first is not None
    first, second = found.summary()
    count = sum(found.causes[0].differing.values())
    assert first.startswith(f"cells that each rounding changes alone: weight {count:,}")
    assert second.startswith(f"first difference: {found.first.population!r} at its threshold, ")
    assert ("above it (float)" in second) != ("above it (integer)" in second)
    exact = explain(graph, _network(bits=16)[1], networks.spikes(0, (3, 1, 20), 0.0))
    assert exact.summary() == ["quantization changes no spike"]


def test_how_often_a_target_spikes_is_said_where_the_graph_says_otherwise() -> None:
    graph, network = _network(bits=2)
    x = networks.spikes(0, (30, 8, 20), 0.4)
    often = tuple(replace(p, rules=replace(p.rules, multi=True)) for p in network.populations[:1])
    changed = replace(network, populations=(*often, *network.populations[1:]))
    assert explain(graph, network, x).remarks == ()
    (remark,) = explain(graph, changed, x).remarks
    assert remark == "'lif1' spikes several times in a step on the target, once at most in the graph"


def test_relays_of_a_delay_are_no_populations_to_explain() -> None:
    """Where spikes come steps later the gather cores have populations that the graph lacks."""
    graph = check(networks.two_layers(seed=2))
    early, late = graph.projections
    graph = replace(graph, projections=(early, replace(late, delay=3)))
    found = fitting.fit(graph, "fpga")
    assert found.network is not None
    assert len(found.network.populations) > 2
    x = networks.spikes(0, (30, 8, 20), 0.4)
    explanation = explain(graph, found.network, x)
    assert {cause.rounding for cause in explanation.causes} == {*ROUNDINGS, "state"}
    exact, unrounded = float_.simulate(graph, x), _simulate(graph, found.network, x, set(ROUNDINGS))
    assert set(exact.spikes) == set(unrounded.spikes)
    assert (exact.spikes["lif2"] != unrounded.spikes["lif2"]).mean() < 0.1


def test_the_rounding_of_an_input_is_a_cause_of_its_own() -> None:
    graph = check(networks.two_layers(), input_range=(-1, 1), input_bits=4)
    network = quantize(graph, Formats(16, 32, 32, 20))
    rng, held = np.random.default_rng(0), network.takes["input"]
    x = rng.uniform(-1, 1, (60, 6, 20))

    def alone(x: np.ndarray) -> dict[str, int]:
        return {cause.rounding: sum(cause.differing.values()) for cause in explain(graph, network, x).causes}

    found = alone(x)
    assert found["input"] > 20 * max(cells for rounding, cells in found.items() if rounding != "input")
    assert alone(held.numbers(held.integers(x)))["input"] == 0
    plain = check(networks.two_layers())
    assert "input" not in {c.rounding for c in explain(plain, quantize(plain, network.formats), x > 0).causes}


def test_the_weights_of_an_input_are_told_from_its_zero_point() -> None:
    """Weights of three bits change many spikes, and what the zero point adds to them none that they do not explain."""
    graph = check(networks.two_layers(), input_range=(-3, 1))
    network = quantize(graph, Formats(3, 24, 24, 16))
    x = np.random.default_rng(0).uniform(-3, 1, (60, 6, 20))
    found = {cause.rounding: sum(cause.differing.values()) for cause in explain(graph, network, x).causes}
    assert found["weight"] > 100
    assert max(found["bias"], found["state"], found["input"]) < found["weight"] / 5
