"""Weights on a grid: the step is found, and every weight becomes its own whole number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.graph.check import CheckedGraph, Population, Projection
from nirdeploy.integers import grid
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense
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
