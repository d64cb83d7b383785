"""Weights on a grid: the step is found, and every weight becomes its own whole number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers import grid
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise
from tests.conftest import examples


@pytest.mark.law
@settings(max_examples=examples(60))
@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(2, 8))
def test_a_step_is_found_as_a_float32_keeps_it(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    most = 2 ** (bits - 1) - 1
    whole = rng.integers(-most, most + 1, (5, 30))
    whole[:, 0] = 1  # no coarser step is there
    step = rng.uniform(1e-4, 10, 5).astype(np.float32)
    weight = (whole.astype(np.float32) * step[:, None]).astype(np.float64)
    found = grid.steps(weight, 127)
    np.testing.assert_allclose(found, step, rtol=1e-6)
    np.testing.assert_array_equal(np.rint(weight / found[:, None]), whole)


def test_no_grid_is_none() -> None:
    weight = np.random.default_rng(0).normal(size=(20, 40))
    weight[3] = 0
    assert not grid.steps(weight, 127).any()
    assert not grid.steps(weight, 32767).any(), "so many steps lie near any number"
    assert grid.steps(np.array([[0.3, -0.9]]), 2) == 0  # a step there is, 0.3, but not of so few multiples
    assert grid.steps(np.array([[0.3, -0.9]]), 3) == pytest.approx(0.3)


def test_a_common_step() -> None:
    found = grid.common([np.array([0.5, 0.3, 1.0, np.inf]), np.array([0.75, 0.7853, 0.0, 2.0])], 127)
    np.testing.assert_allclose(found, [0.25, 0.0, 0.0, 2.0])


def test_units_divide_the_step() -> None:
    needed, step = np.array([0.03, 0.2, 0.1, 0.1]), np.array([0.1, 0.1, 0.0, 0.1])
    np.testing.assert_allclose(grid.units(needed, step), [0.1 / 3, 0.2, 0.1, 0.1])


def _network(seed: int, bits: int, by: str, **changes: Any) -> tuple[CheckedGraph, list[np.ndarray], list[np.ndarray]]:
    """A convolution and a matrix on grids of that many bits; the whole numbers, and the steps."""
    rng = np.random.default_rng(seed)
    most, shapes = 2 ** (bits - 1) - 1, ((4, 2, 3, 3), (10, 256))
    whole = [rng.integers(-most, most + 1, shape) for shape in shapes]
    for one in whole:
        one.reshape(len(one), -1)[:, :2] = 1, most  # the whole width is used, and no coarser step is there
    steps = [rng.uniform(0.01, 0.1, 1 if by == "tensor" else len(one)).astype(np.float32) for one in whole]
    weights = [
        (one.astype(np.float32) * step.reshape(-1, *[1] * (one.ndim - 1))).astype(np.float64)
        for one, step in zip(whole, steps, strict=True)
    ]
    populations = [Population("in", "Input", (2, 8, 8), {}, np.zeros((2, 8, 8)))]
    for name, shape in (("a", (4, 8, 8)), ("b", (10,))):
        params = {"tau": 8e-3, "r": 8.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
        populations.append(
            Population(name, "LIF", shape, {k: np.full(shape, v) for k, v in params.items()}, np.zeros(shape))
        )
    padding = ((1, 1), (1, 1))
    ways = (
        Projection("in", "a", Convolution(weights[0], (2, 8, 8), padding=padding)),
        Projection("a", "b", Dense(weights[1])),
    )
    graph = CheckedGraph(tuple(populations), ways, ("in",), {"output": "b"}, Dialect(dt=1e-3), "argument")
    return graph, whole, steps


@pytest.mark.parametrize("by", ["tensor", "channel"])
@pytest.mark.parametrize("bits", [2, 4, 7, 8])
def test_weights_on_a_grid_stay_exactly_what_they_are(bits: int, by: str) -> None:
    graph, whole, steps = _network(bits, bits, by)
    network = nd.quantize(graph, nd.Formats(8, 24, 28, 16))
    for row, way, wanted, step in zip(network.report, network.projections, whole, steps, strict=True):
        assert row["weight_sqnr_db"] == np.inf
        times = way.weight.reshape(len(wanted), -1)[:, :1]  # its whole number is 1
        assert (times >= 1).all()
        np.testing.assert_array_equal(way.weight.reshape(len(wanted), -1), wanted.reshape(len(wanted), -1) * times)
        unit = way.unit.reshape(len(wanted), -1)[:, 0] * times[:, 0]
        np.testing.assert_allclose(unit, np.broadcast_to(step, unit.shape), rtol=1e-6)


def test_a_threshold_on_the_grid_is_that_number() -> None:
    """Where the membrane reaches it exactly, a rounding would decide."""
    step, whole = 0.1, np.array([[3.0, 7.0]])
    ones = {"r": np.ones(1), "v_threshold": np.array([step * 10]), "v_reset": np.zeros(1)}
    populations = (
        Population("in", "Input", (2,), {}, np.zeros(2)),
        Population("out", "IF", (1,), ones, np.zeros(1)),
    )
    ways = (Projection("in", "out", Dense(whole * step)),)
    for threshold, spikes in ((">", 0), (">=", 1)):
        dialect = Dialect(dt=1.0, threshold=threshold)  # type: ignore[arg-type]
        graph = CheckedGraph(populations, ways, ("in",), {"output": "out"}, dialect, "argument")
        network = nd.quantize(graph, nd.Formats(8, 24, 24, 16))
        record = nd.simulate(network, np.ones((1, 1, 2), np.uint8))
        assert record["out"].sum() == spikes
        if threshold == ">":
            assert float(network.report[0]["threshold_error"]) < 1e-9


def test_what_is_on_no_grid_uses_every_bit() -> None:
    rng = np.random.default_rng(0)
    graph, _, _ = _network(0, 8, "tensor")
    ways = tuple(
        replace(p, operator=replace(p.operator, weight=rng.normal(size=p.weight.shape))) for p in graph.projections
    )
    network = nd.quantize(replace(graph, projections=ways), nd.Formats(8, 24, 28, 16))
    for way in network.projections:
        assert np.abs(way.weight).reshape(len(way.weight), -1).max(axis=1).min() == 127


# --- the reference: all that is on the grid, not weights alone ------------------------------


@pytest.mark.law
@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 2**32 - 1),
    model=st.sampled_from(["LIF", "CubaLIF"]),
    reset=st.sampled_from(["zero", "subtract"]),
)
def test_what_is_whole_in_units_is_exact(seed: int, model: str, reset: str) -> None:
    """Thresholds, resets and biases of whole steps, decays of whole 2^-16: each is that number, as float32 keeps it."""
    rng = np.random.default_rng(seed)
    size, fan_in, dt = 6, 9, 1e-3
    step = rng.uniform(0.01, 0.1, size)
    numbers = rng.integers(-7, 8, (size, fan_in))
    numbers[:, :2] = 1, 7
    threshold, v_reset, bias = rng.integers(10, 60, size), rng.integers(-5, 6, size), rng.integers(-5, 6, size)
    v_reset *= reset == "zero"
    lost = rng.integers(1, 2**15, size) / 2.0**16
    r = rng.uniform(0.5, 2.0, size)

    def kept(steps: np.ndarray) -> np.ndarray:
        return (steps * step * r).astype(np.float32).astype(np.float64)

    params = {"v_threshold": kept(threshold), "v_reset": kept(v_reset), "v_leak": np.zeros(size), "r": r / lost}
    if model == "LIF":
        params["tau"] = dt / lost
    else:
        params |= {"tau_mem": dt / lost, "tau_syn": np.full(size, 4 * dt), "w_in": np.full(size, 4.0)}
    populations = (
        Population("in", "Input", (fan_in,), {}, np.zeros(fan_in)),
        Population("out", model, (size,), params, (bias * step).astype(np.float32).astype(np.float64)),
    )
    weight = (numbers * step[:, None]).astype(np.float32).astype(np.float64)
    dialect = Dialect(dt=dt, reset=reset)  # type: ignore[arg-type]
    ways = (Projection("in", "out", Dense(weight)),)
    graph = CheckedGraph(populations, ways, ("in",), {"output": "out"}, dialect, "argument")
    network = nd.quantize(graph, nd.Formats(8, 24, 28, 16))
    (row,), made = network.report, network.neurons("out")
    assert row["weight_sqnr_db"] == np.inf
    assert float(row["decay_error"]) < 1e-12
    np.testing.assert_array_equal(made.decay, np.rint((1 - lost) * 2**16))
    per_step = (network.projections[0].weight[:, 0].astype(np.int64)) << made.shift
    np.testing.assert_array_equal(made.threshold, threshold * per_step)
    jump = threshold - v_reset if reset == "subtract" else v_reset
    np.testing.assert_array_equal(made.reset_value, jump * per_step)
    found = made.synapse_bias if model == "CubaLIF" else made.bias
    np.testing.assert_array_equal(found, bias * per_step)


def _onto(
    weights: dict[str, np.ndarray], model: str = "LIF", encodings: dict[str, InputEncoding] | None = None
) -> CheckedGraph:
    """Inputs with these weights onto one population, and with the same onto a read-out that it leads to."""
    size = len(next(iter(weights.values())))
    ones = np.ones(size)
    populations = [Population(name, "Input", (w.shape[1],), {}, np.zeros(w.shape[1])) for name, w in weights.items()]
    params = {"tau": 8e-3 * ones, "r": 8 * ones, "v_leak": 0 * ones}
    fires = {"v_threshold": 3 * ones, "v_reset": 0 * ones} if model == "LIF" else {}
    populations.append(Population("a", model, (size,), params | fires, np.zeros(size)))
    ways = tuple(Projection(name, "a", Dense(w)) for name, w in weights.items())
    inputs, outputs = tuple(weights), {"output": "a"}
    return CheckedGraph(
        tuple(populations), ways, inputs, outputs, Dialect(dt=1e-3), "argument", encodings=encodings or {}
    )


def _numbers(seed: int, rows: int, columns: int, most: int) -> np.ndarray:
    numbers = np.random.default_rng(seed).integers(-most, most + 1, (rows, columns))
    numbers[:, :2] = 1, most
    return numbers


@pytest.mark.law
@settings(max_examples=examples(40))
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 2.0),
    zero=st.integers(0, 255),
    bits=st.sampled_from([2, 4, 8]),
)
def test_weights_of_numbers_with_a_scale_and_a_zero_point_stay_on_their_grid(
    seed: int, scale: float, zero: int, bits: int
) -> None:
    whole = _numbers(seed, 5, 12, 2 ** (bits - 1) - 1)
    step = np.random.default_rng(seed).uniform(0.01, 0.1, (5, 1)).astype(np.float32)
    weight = (whole.astype(np.float32) * step).astype(np.float64)
    graph = _onto({"in": weight}, encodings={"in": InputEncoding(8, scale, zero)})
    network = nd.quantize(graph, nd.Formats(8, 24, 28, 16))
    assert network.report[0]["weight_sqnr_db"] == np.inf
    (p,) = network.projections
    np.testing.assert_array_equal(p.weight, whole * p.weight[:, :1])


def test_spikes_beside_numbers_keep_a_common_grid() -> None:
    """Lifted: a spike is worth a power of two of the numbers' LSBs."""
    numbers, spikes = _numbers(0, 5, 12, 7), _numbers(1, 5, 8, 7)
    step = 0.03125 / 3  # the spikes' step is 2^6 of the numbers' times these
    for times in (1.0, 1.25, 2.0, 3.0):
        weights = {"in": numbers * step * 64, "spikes": spikes * step * times}
        graph = _onto(weights, encodings={"in": InputEncoding(8, 2.0**-8, 3)})
        network = nd.quantize(graph, nd.Formats(8, 24, 28, 16))
        assert network.report[0]["weight_sqnr_db"] == np.inf
        by_numbers, by_spikes = network.projections
        assert by_spikes.shift > by_numbers.shift == 0
        np.testing.assert_array_equal(by_numbers.weight, numbers * by_numbers.weight[:, :1])
        np.testing.assert_array_equal(by_spikes.weight, spikes * by_spikes.weight[:, :1])


def _read(source: np.ndarray, weight: np.ndarray, beside: np.ndarray | None = None) -> CheckedGraph:
    """A membrane, and perhaps the input besides, read by another neuron."""
    graph = _onto({"in": source}, model="LI")
    ones = np.ones(len(weight))
    params = {"tau": 8e-3 * ones, "r": 8 * ones, "v_leak": 0 * ones}
    last = Population("b", "LI", (len(weight),), params, np.zeros(len(weight)))
    ways = [Projection("a", "b", Dense(weight))] + ([] if beside is None else [Projection("in", "b", Dense(beside))])
    return replace(
        graph,
        populations=(*graph.populations, last),
        projections=(*graph.projections, *ways),
        outputs={"output": "b"},
    )


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_of_a_membrane_stay_on_their_grid(bits: int) -> None:
    """Where the neurons that are read share their unit; where each has its own, the columns have no step in common."""
    most = 2 ** (bits - 1) - 1
    source, whole = _numbers(0, 6, 9, 7) * 0.05, _numbers(1, 4, 6, most)
    steps = np.array([[0.3], [0.07], [0.011], [0.2]])
    network = nd.quantize(_read(source, whole * steps), nd.Formats(8, 24, 28, 16))
    assert [row["weight_sqnr_db"] for row in network.report] == [np.inf, np.inf]
    p = network.projections[1]
    np.testing.assert_array_equal(p.weight, whole * p.weight[:, :1])
    source *= np.sqrt([[2.0], [3.0], [5.0], [7.0], [11.0], [13.0]])
    apart = nd.quantize(_read(source, whole * steps), nd.Formats(8, 24, 28, 16))
    assert apart.report[0]["weight_sqnr_db"] == np.inf > float(apart.report[1]["weight_sqnr_db"])


@pytest.mark.parametrize(
    "times", [0.5, 0.9]
)  # of 0.9 only with 15 units per step of the spikes, not with the 18 that fit
def test_a_membrane_beside_spikes_stays_on_a_common_grid(times: float) -> None:
    source, whole, beside = _numbers(0, 6, 9, 7) * 0.25, _numbers(1, 4, 6, 7), _numbers(2, 4, 9, 7)
    network = nd.quantize(_read(source, whole * times, beside * 0.25), nd.Formats(8, 24, 28, 16))
    assert [row["weight_sqnr_db"] for row in network.report] == [np.inf, np.inf]
    for p, numbers in zip(network.projections[1:], (whole, beside), strict=True):
        np.testing.assert_array_equal(p.weight, numbers * p.weight[:, :1])


def test_neurons_that_share_weights_share_the_unit_whatever_else_arrives() -> None:
    """A convolution's channel, and beside it a factor for each of its pixels, each with a step of its own."""
    graph, _, (steps, _) = _network(0, 4, "channel")
    own = np.repeat(steps.astype(np.float64), 64)
    for factors, kept in ((own * 3, True), (own / np.tile([1, 2, 3, 4], 64), False), (np.zeros(256), True)):
        other = Population("in2", "Input", (4, 8, 8), {}, np.zeros((4, 8, 8)))
        ways = (*graph.projections, Projection("in2", "a", Elementwise(factors)))
        both = replace(graph, populations=(other, *graph.populations), projections=ways, inputs=("in2", "in"))
        network = nd.quantize(both, nd.Formats(8, 24, 28, 16))
        row = next(row for row in network.report if row["population"] == "a")
        conv = next(p for p in network.projections if p.source == "in")
        assert (row["weight_sqnr_db"] == np.inf) == kept
        units = conv.unit.reshape(4, -1)
        np.testing.assert_array_equal(units, np.repeat(units[:, :1], 64, axis=1))
        weight = graph.projections[0].weight
        np.testing.assert_allclose(conv.weight * units[:, :1, None, None], weight, atol=0.51 * units.max())


@pytest.mark.parametrize("zero", [0, 3, 128])
def test_a_zero_point_takes_a_bit_more(zero: int) -> None:
    """torch's (q - zero) x step, q from 0 to 255: kept in 16 bits, in 8 only where it leaves no more than these."""
    q = np.random.default_rng(zero).integers(0, 256, (5, 40))
    q[:, :3] = 0, 255, zero + 1
    graph = _onto({"in": (q - zero) * 0.0123})
    wide, narrow = (nd.quantize(graph, nd.Formats(bits, 32, 32, 16)) for bits in (16, 8))
    assert wide.report[0]["weight_sqnr_db"] == np.inf
    assert (narrow.report[0]["weight_sqnr_db"] == np.inf) == (zero == 128)
    (p,) = wide.projections
    np.testing.assert_array_equal(p.weight, (q - zero) * p.weight[:, 2:3])
