"""Speck: its dynamics, what of it hangs on the order of events, and its quantizer."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.backends.speck.rounding import Rounding
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.quantize import per_weight
from nirdeploy.semantics.neuron import coefficients
from nirdeploy.semantics.operators import Convolution, Dense, Pool
from nirdeploy.sim import float_, integer
from nirdeploy.targets.tables import Target
from tests.chips import speck_graphs as graphs
from tests.chips.fits import chip_populations
from tests.chips.speck_graphs import TARGET, built, configuration_of, neurons, simulated, stimulus
from tests.chips.speck_scalar import Chip
from tests.chips.table import Table
from tests.conftest import examples

LARGEST = TARGET.with_hardware(scaling="largest")


def as_images(configuration: dict[str, Any], x: np.ndarray) -> list[dict[str, Any]]:
    """A step's counts by input, [feature][y][x]."""
    ((name, entry),) = configuration["network"]["inputs"].items()
    return [{name: step.reshape(entry["image"]).tolist()} for step in x[:, 0]]


# --- dynamics -------------------------------------------------------------------------


def test_the_model_is_a_scalar_evaluation_of_the_configuration(table: Table) -> None:
    """Every neuron, step by step, events scattered one by one; with counts up to 250, membranes saturate."""
    tried: Counter[str] = Counter()

    @settings(max_examples=examples(100))
    @given(graphs.graphs(), st.integers(0, 2**20), st.sampled_from([2, 250]))
    def same(graph: CheckedGraph, seed: int, most: int) -> None:
        assert graphs.problems(graph, TARGET) == []
        build = built(graph)
        configuration, x = configuration_of(build), stimulus(graph, 4 if most == 2 else 1, seed, most)
        ours, chip = simulated(build, x), Chip(configuration)
        for t, counts in enumerate(as_images(configuration, x)):
            spikes = chip.step(counts)
            for layer in configuration["network"]["layers"]:
                core, name = chip.cores[layer["core"]], layer["name"]
                for values, theirs in ((ours.spikes, spikes[layer["core"]]), (ours.membrane, core.v)):
                    wrong = int((values[name][t, 0].ravel() != core.in_order(theirs)).sum())
                    tried["values"], tried["mismatches"] = tried["values"] + len(core.v), tried["mismatches"] + wrong
                    assert wrong == 0
                tried["spikes"] += sum(spikes[layer["core"]].values())
        tried["networks"] += 1
        tried["saturations"] += int(ours.stats["saturations"])

    same()
    counts = {name: tried[name] for name in ("networks", "values", "spikes", "mismatches")}
    table.compared("speck", "a scalar evaluation of the configuration", **counts)
    assert tried["saturations"] > 0
    assert tried["spikes"] > 1000


def test_the_membrane_saturates_and_never_wraps() -> None:
    """Two of the largest weights beyond either end; the lower bound acts after the spikes."""
    weight = np.array([[1.0, -1.0], [-1.0, 1.0]])
    graph = graphs.graph([graphs.given("in", (2,)), neurons("n", (2,), 200.0)], [Projection("in", "n", Dense(weight))])
    build = built(graph)
    assert int(build.network.on_chip("n").registers["threshold_high"]) == 25400
    record = simulated(build, np.array([[[255, 0]], [[255, 0]], [[0, 255]]]))
    assert record.spikes["n"][:, 0].tolist() == [[1, 0], [1, 0], [0, 0]]
    first = 255 * 127 - 25400
    second = 32767 - 25400
    assert record.membrane["n"][:, 0].tolist() == [[first, -32385], [second, -32768], [second - 32385, -32768 + 32385]]
    assert record.stats["saturations"] == 2


@pytest.mark.law
@settings(max_examples=examples(30))
@given(st.integers(0, 2**32 - 1), st.sampled_from(["subtract", "zero"]), st.sampled_from(["none", "-threshold"]))
def test_where_nothing_rounds_the_chip_is_the_float_reference(
    seed: int, reset: Literal["subtract", "zero"], v_min: Literal["none", "-threshold"]
) -> None:
    """All in units of 1/128: what is a whole number in the integers is exact in floating point."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-100, 128, (6, 10)), rng.integers(-100, 128, (4, 6))]
    for weight in weights:
        weight[0, 0] = 127
    populations = [
        graphs.given("in", (10,)),
        *(
            neurons(name, (size,), rng.integers(40, 600) / 128, bias=rng.integers(-90, 90, size) / 128)
            for name, size in (("a", 6), ("b", 4))
        ),
    ]
    ways = [Projection("in", "a", Dense(weights[0] / 128)), Projection("a", "b", Dense(weights[1] / 128))]
    graph = graphs.graph(populations, ways, replace(graphs.PLAIN, reset=reset, v_min=v_min))
    build, x = built(graph), stimulus(graph, 20, seed)
    assert [1 / build.network.population(name).scale[0] for name in ("a", "b")] == [128.0, 128.0]
    ours, wanted = simulated(build, x), float_.simulate(graph, x, membrane=["a", "b"])
    assume(ours.stats["saturations"] == 0)
    for name in ("a", "b"):
        assert np.array_equal(ours.spikes[name], wanted.spikes[name])
        assert np.array_equal(ours.volts(name), wanted.membrane[name])


# --- the order of events --------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(40))
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_events_does_not_matter_where_weights_are_from_0_to_the_threshold(seed: int) -> None:
    """Then a spike more or less never hangs on what came first, and one spike per event is enough."""
    rng = np.random.default_rng(seed)
    first = Convolution(rng.uniform(0, 1, (2, 1, 3, 3)), (1, 4, 4), padding=((1, 1), (1, 1)))
    second = Dense(rng.uniform(0, 1, (3, 8)))
    graph = graphs.graph(
        [graphs.given("in", (1, 4, 4)), neurons("a", (2, 4, 4), 1.1), neurons("b", (3,), 1.1)],
        [Projection("in", "a", first), Projection("a", "b", second, pool=Pool((2, 4, 4), (2, 2), (2, 2)))],
    )
    build = built(graph)
    configuration, x = configuration_of(build), stimulus(graph, 5, seed)
    ours, chip = simulated(build, x), Chip(configuration)
    shuffle = random.Random(seed)
    for t, counts in enumerate(as_images(configuration, x)):
        spikes = chip.events(counts, shuffle)
        for layer in configuration["network"]["layers"]:
            fired = chip.cores[layer["core"]].in_order(spikes[layer["core"]])
            assert ours.spikes[layer["name"]][t, 0].ravel().tolist() == fired


def test_the_order_of_events_matters_where_weights_have_two_signs() -> None:
    """Up first, then down: the chip has fired; the model takes both together and has not."""
    graph = graphs.graph(
        [graphs.given("in", (2,)), neurons("n", (1,))], [Projection("in", "n", Dense(np.array([[1.0, -1.0]])))]
    )
    build = built(graph)
    x = np.array([[[1, 1]]])
    assert simulated(build, x).spikes["n"].sum() == 0
    configuration = configuration_of(build)
    (counts,) = as_images(configuration, x)
    fired = {sum(Chip(configuration).events(counts, random.Random(seed))[0].values()) for seed in range(20)}
    assert fired == {0, 1}


# --- quantization ---------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=examples(60))
@given(graphs.graphs(), st.booleans())
def test_integers_stand_for_the_graph(graph: CheckedGraph, largest: bool) -> None:
    """Weights and biases within half a unit, the threshold exact where the scale is made for it, all in their bits."""
    target = LARGEST if largest else TARGET
    network = graphs.integers(graph, target)
    for population in chip_populations(network):
        exact = graph.population(population.name)
        gain = coefficients("IF", exact.params, graph.dialect).gain * np.ones(exact.shape)
        gain = gain.ravel()
        for p, wanted in zip(network.into(population.name), graph.into(population.name), strict=True):
            unit, sign = per_weight(p.operator, p.unit), per_weight(p.operator, np.sign(gain))
            assert (np.abs(p.weight * unit * sign - wanted.weight) <= 0.5001 * unit).all()
            assert -128 <= p.weight.min() <= p.weight.max() <= 127
        off = population.registers["bias"] * population.scale - exact.bias.ravel() * gain
        assert (np.abs(off) <= 0.5001 * population.scale).all()
        assert -128 <= population.registers["bias"].min() <= population.registers["bias"].max() <= 127
        high = int(population.registers["threshold_high"])
        border = high * population.scale / exact.params["v_threshold"].ravel()
        assert np.abs(border - 1).max() <= (0.5001 / (high - 0.5) if largest else 1e-9)
        assert 1 <= high <= 32767
        low = int(population.registers["threshold_low"])
        assert low == (-high if population.rules.bounded else -32768)


@pytest.mark.parametrize(
    ("extreme", "limit", "scale"),
    [
        ({"weight": 1.0}, "weights", 127.0),
        ({"weight": -1.0}, "weights", 128.0),
        ({"weight": 0.001}, "threshold", 32767.0),
        ({"weight": 0.5, "bias": -2.0}, "biases", 64.0),
    ],
)
def test_the_largest_scale_fills_one_of_the_three(extreme: dict[str, float], limit: str, scale: float) -> None:
    graph = graphs.graph(
        [graphs.given("in", (1,)), neurons("n", (2,), bias=[extreme.get("bias", 0.0), 0.0])],
        [Projection("in", "n", Dense(np.array([[extreme["weight"]], [0.0]])))],
    )
    core = Rounding(graph, graph.population("n"), LARGEST.formats)
    largest, limited_by = core.largest
    assert largest == pytest.approx(2 * scale, rel=1e-6)  # of a threshold of one half
    assert limited_by == limit
    assert graphs.integers(graph, LARGEST).report[0]["limited_by"] == limit


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scaling", [TARGET, LARGEST])
@pytest.mark.parametrize(
    ("weight", "threshold", "bias", "fits"),
    [
        (1e300, 1e300, 0.0, True),
        (1e-300, 1e-300, 0.0, True),
        (1e-310, 1e-310, 0.0, True),
        (0.0, 1.0, 5.0, True),
        (1e300, 1.0, 0.0, False),
        (1e-40, 1.0, 0.0, False),
        (1.0, 1e300, 0.0, False),
        (1.0, 1e-300, 0.0, False),
        (1e308, 1e-308, 0.0, False),
        (1.0, 1.0, 1e300, False),
    ],
)
def test_values_beyond_single_precision(
    scaling: Target, weight: float, threshold: float, bias: float, fits: bool
) -> None:
    graph = graphs.graph(
        [graphs.given("in", (2,)), neurons("n", (1,), threshold, bias=bias)],
        [Projection("in", "n", Dense(np.full((1, 2), weight)))],
    )
    assert (graphs.problems(graph, scaling) == []) == fits
    if fits and weight:
        network = graphs.integers(graph, scaling)
        assert (network.population("n").threshold + 1).tolist() == network.into("n")[0].weight[0, :1].tolist() == [127]


def test_thresholds_and_gains_that_differ_go_into_the_weights() -> None:
    weight = np.array([[0.5], [0.5], [0.5]])
    graph = graphs.graph(
        [graphs.given("in", (1,)), neurons("n", (3,), [1.0, 2.0, 2.0], [1.0, 1.0, -2.0])],
        [Projection("in", "n", Dense(weight))],
        replace(graphs.PLAIN, gain="equation"),
    )
    network = graphs.integers(graph, TARGET)
    (p,), n = network.into("n"), network.on_chip("n")
    assert (p.weight.ravel() * np.array([1, 2, -1])).tolist() == [int(p.weight[0, 0])] * 3
    assert np.allclose(int(n.registers["threshold_high"]) * n.scale, [1.0, 2.0, 2.0])
    assert np.allclose(p.weight.ravel() * p.unit, [0.5, 0.5, -0.5])  # the sign of r is in the weight


@pytest.mark.parametrize("ratio", [3.0, 10.0, 40.0])
def test_an_exact_threshold_counts_better_where_weights_are_larger_than_it(ratio: float) -> None:
    off = {}
    for target in (TARGET, LARGEST):
        off[target.formats.scaling] = 0
        for seed in range(8):
            rng = np.random.default_rng(seed)
            weight = rng.normal(0.05, 0.3, (32, 64))
            graph = graphs.graph(
                [graphs.given("in", (64,)), neurons("n", (32,))],
                [Projection("in", "n", Dense(weight * ratio / np.abs(weight).max()))],
                replace(graphs.PLAIN, v_min="-threshold"),
            )
            x = (rng.random((50, 4, 64)) < 0.05).astype(np.uint8)
            wanted = float_.simulate(graph, x).spikes["n"].astype(int).sum(axis=0)
            network = graphs.integers(graph, target)
            counted = integer.simulate(network, x).spikes["n"].astype(int).sum(axis=0)
            off[target.formats.scaling] += int(np.abs(counted - wanted).sum())
    assert off["threshold"] < 0.8 * off["largest"]
