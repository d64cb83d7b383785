"""A checked graph written as NIR: check makes the same of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

from nirdeploy.errors import GraphError
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.graph.precision import with_bits
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum, Pool, to_meta
from tests import networks, primitives
from tests.conftest import examples


def same(found: CheckedGraph, wanted: CheckedGraph) -> None:
    """All that decides the spikes; the order of the projections into a population is check's own."""
    assert (found.inputs, found.dialect) == (wanted.inputs, wanted.dialect)
    assert list(found.outputs.values()) == list(wanted.outputs.values())
    assert [p.name for p in found.populations] == [p.name for p in wanted.populations]
    for a, b in zip(found.populations, wanted.populations, strict=True):
        assert (a.model, a.shape, a.dialect, a.weight_bits) == (b.model, b.shape, b.dialect, b.weight_bits)
        assert a.params.keys() == b.params.keys()
        for key, values in b.params.items():
            np.testing.assert_array_equal(a.params[key], values)
        assert a.late_bias.keys() == b.late_bias.keys()
        for step, values in b.late_bias.items():
            np.testing.assert_array_equal(a.late_bias[step], values)
        np.testing.assert_allclose(a.bias, b.bias, rtol=1e-15, atol=1e-17)
    assert len(found.projections) == len(wanted.projections)
    for a, b in zip(*(sorted(g.projections, key=_place) for g in (found, wanted)), strict=True):
        assert (_place(a), a.pool, a.maximum) == (_place(b), b.pool, b.maximum)
        assert to_meta(a.operator) == to_meta(b.operator)
        np.testing.assert_array_equal(a.weight, b.weight)


def _place(p: Projection) -> tuple[str, str, int]:
    return p.target, p.source, p.delay


def written(graph: CheckedGraph) -> CheckedGraph:
    """What check makes of the graph as NIR; one that no nodes say is no example of a law."""
    try:
        nodes = as_nir(graph)
    except GraphError:
        assume(False)
    return check(nodes)


@pytest.mark.law
@settings(max_examples=examples(80))
@given(graph=networks.graphs(max_size=12) | networks.graphs(max_size=12, beyond=True))
def test_any_matrices_in_any_dialect(graph: CheckedGraph) -> None:
    """Without biases that begin late: those stand on a Delay only where there is one."""
    populations = tuple(replace(p, late_bias={}) for p in graph.populations)
    graph = replace(graph, populations=populations)
    same(check(as_nir(graph)), graph)


@pytest.mark.law
@settings(max_examples=examples(80))
@given(graph=networks.grids() | networks.grids(beyond=True))
def test_convolutions_pools_and_maxima(graph: CheckedGraph) -> None:
    same(written(graph), graph)


@pytest.mark.law
@settings(max_examples=examples(80))
@given(drawn=primitives.drawn() | primitives.drawn(maxima=True))
def test_whatever_check_folds(drawn: primitives.Drawn) -> None:
    graph = check(drawn.graph, dt=1e-3)
    same(written(graph), graph)


IMAGE = (2, 5, 6)
KERNELS = np.random.default_rng(0).normal(size=(4, 2, 2, 3))


def convolution(kernels: np.ndarray = KERNELS, shape: tuple[int, int, int] = IMAGE, **geometry: Any) -> Convolution:
    return Convolution(kernels, shape, **geometry)


HALVES = Pool(IMAGE, (2, 2), (2, 2))
WAYS: dict[str, Projection] = {
    name: Projection("x", "n", operator, (), *rest)
    for name, operator, *rest in (
        ("strided", convolution(stride=(2, 1), padding=((1, 1), (2, 2)), dilation=(1, 2))),
        ("grouped", convolution(KERNELS[:, :1], groups=2)),
        ("same", convolution(padding=((0, 1), (1, 1)))),
        ("more behind", convolution(padding=((0, 1), (0, 2)))),
        ("transposed", convolution(padding=((1, 1), (2, 2)), spread=(2, 3))),
        ("transposed in groups", convolution(KERNELS[:, :1], padding=((0, 0), (1, 2)), groups=2, spread=(2, 1))),
        ("pooled", convolution(shape=(2, 2, 3)), HALVES, 2),
        ("pooled alone", Elementwise(np.ones(12)), HALVES),
        ("largest", convolution(), None, 1, Maximum((4, 4, 4), (2, 2), (2, 2))),
        ("matrix", Dense(np.random.default_rng(1).normal(size=(7, 60)))),
    )
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("bias", [0.0, 0.25])
@pytest.mark.parametrize("bits", [None, 4])
def test_a_file_holds_all_of_it(way: Projection, bias: float, bits: int | None, tmp_path: Path) -> None:
    if bias and isinstance(way.operator, Elementwise):
        bias = 0.0  # a Scale bears none
    shape: tuple[int, ...] = (way.operator.outputs,)
    if isinstance(way.operator, Convolution):
        shape = way.operator.out_shape if way.maximum is None else way.maximum.out_shape
    elif way.pool is not None:
        shape = way.pool.out_shape
    begins = {way.delay: np.full(shape, bias)} if way.delay and bias else {}
    params = {"r": np.ones(shape), "v_threshold": np.ones(shape), "v_reset": np.zeros(shape)}
    populations = (
        Population("x", "Input", IMAGE, {}, np.zeros(IMAGE)),
        Population("n", "IF", shape, params, np.full(shape, bias), begins, Dialect(reset="subtract", dt=1e-3)),
    )
    graph = CheckedGraph(populations, (way,), ("x",), {"y": "n"}, Dialect(dt=1e-3), "argument")
    graph = with_bits(graph, bits)
    nirfile.write(tmp_path / "m.nir", as_nir(graph))
    same(check(tmp_path / "m.nir"), graph)


def test_weights_keep_the_names_of_their_nodes() -> None:
    graph = check(networks.two_layers())
    assert list(as_nir(graph).nodes) == ["input", "fc1", "lif1", "fc2", "lif2", "output"]


def one(way: Projection, shape: tuple[int, ...], bias: np.ndarray | float = 0.0) -> CheckedGraph:
    params = {"threshold": np.ones(shape)}
    populations = (
        Population("x", "Input", IMAGE, {}, np.zeros(IMAGE)),
        Population("n", "Threshold", shape, params, np.zeros(shape) + bias),
    )
    return CheckedGraph(populations, (way,), ("x",), {"y": "n"}, Dialect(), "argument")


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (
            one(Projection("x", "n", convolution(stride=(2, 1), padding=((1, 0), (2, 2)))), (4, 3, 8)),
            "pads by",
        ),
        (one(WAYS["matrix"], (7, 1)), "gives the shape (7,), and 'n' has (7, 1)"),
        (
            one(WAYS["strided"], (4, 3, 6), np.arange(72.0).reshape(4, 3, 6)),
            "bias of 'n' that begins in step 0 stands on no",
        ),
        (one(WAYS["pooled alone"], (2, 2, 3), 1.0), "bias of 'n' that begins in step 0 stands on no node"),
    ],
)
def test_what_no_nodes_say_is_named(graph: CheckedGraph, said: str) -> None:
    with pytest.raises(GraphError) as refusal:
        as_nir(graph)
    assert said in str(refusal.value)
    assert "nirdeploy.build takes the checked graph as it is" in str(refusal.value)
