"""Borders: an input with a zero point, padded in front of a maximum, is padded by the host; nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.errors import DoesNotFit, InputShapeError
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.border import bordered, unbordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.explain import explain
from nirdeploy.proof.verify import verify
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum, Operator, Pool
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from tests import fpga, hardware
from tests.conftest import examples

DT = 2.0**-10
STEP = 2.0**-5  # of the input's numbers: with weights that are whole numbers all sums are exact in float64
IMAGE = (2, 6, 5)
PADS = ((1, 0), (2, 1))


#: Weights other than 0 where all of them see the image, whatever is padded.
CENTRE = np.zeros((3, 2, 3, 3))
CENTRE[:, :, 1, 1:] = 7.0


def neurons(name: str, shape: tuple[int, ...], threshold: float) -> Population:
    """IF neurons to whose membranes a step adds the current."""
    params = {"r": 1 / DT, "v_threshold": threshold, "v_reset": 0.0}
    return Population(name, "IF", shape, {key: np.full(shape, value) for key, value in params.items()}, np.zeros(shape))


def graph_of(shape: tuple[int, ...], zero: int, *ways: Projection, bits: int = 5) -> CheckedGraph:
    """An input with a zero point, read by projections to populations of their own."""
    populations = [Population("in", "Input", shape, {}, np.zeros(shape))]
    for p in ways:
        made = p.operator.out_shape if isinstance(p.operator, Convolution) else (p.operator.outputs,)
        populations.append(neurons(p.target, made if p.maximum is None else p.maximum.out_shape, 40 * STEP))
    return CheckedGraph(
        *(tuple(populations), ways, ("in",), {"out": ways[0].target}, Dialect(dt=DT), "argument"),
        encodings={"in": InputEncoding(bits, STEP, zero)},
    )


def kernel(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Whole numbers of eight bits, one of the largest in each channel: they are their integers."""
    weight = rng.integers(-127, 128, shape).astype(np.float64)
    weight.reshape(shape[0], -1)[:, 0] = rng.choice([-127, 127], shape[0])
    return weight


def way(
    target: str = "n", seed: int = 0, *, largest: bool = True, windows: tuple[int, int] = (2, 2), **changed: Any
) -> Projection:
    """A padded convolution of IMAGE, and a maximum behind it."""
    weight = kernel(np.random.default_rng(seed), (3, 2, 3, 3))
    convolution = replace(Convolution(weight, IMAGE, padding=PADS), **changed)
    maximum = Maximum(convolution.out_shape, windows, (2, 2)) if largest else None
    return Projection("in", target, convolution, (f"conv_{target}",), maximum=maximum)


def numbers(graph: CheckedGraph, seed: int, steps: int = 6, batch: int = 3) -> np.ndarray:
    """What the input holds, all of it: (T, B, *shape)."""
    held, shape = graph.encoding("in"), graph.population("in").shape
    return held.numbers(np.random.default_rng(seed).integers(0, held.top + 1, (steps, batch, *shape)))


@st.composite
def maximal(draw: st.DrawFn) -> CheckedGraph:
    """Padded convolutions in front of maxima: several channels, groups, strides, dilations, each side's own padding."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pair, pads = st.tuples(st.integers(1, 3), st.integers(1, 3)), st.tuples(st.integers(0, 2), st.integers(0, 2))
    groups = draw(st.sampled_from([1, 1, 2]))
    shape = (groups * draw(st.integers(1, 3)), draw(st.sampled_from([1, 4, 6])), draw(st.integers(3, 8)))
    padding = (draw(pads), draw(pads))
    ways: list[Projection] = []
    for target in ("n", "m")[: draw(st.integers(1, 2))]:
        weight = kernel(rng, (groups * draw(st.integers(1, 3)), shape[0] // groups, *draw(pair)))
        operator = Convolution(weight, shape, draw(pair), padding, draw(pair), groups)
        assume(min(operator.out_shape) > 0)
        windows = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        maximum = Maximum(operator.out_shape, windows, draw(pair)) if target == "n" or draw(st.booleans()) else None
        assume(maximum is None or min(maximum.out_shape) > 0)
        ways.append(Projection("in", target, operator, (target,), maximum=maximum, delay=draw(st.integers(0, 1))))
    bits = draw(st.integers(2, 5))
    return graph_of(shape, draw(st.integers(1, 2**bits - 1)), *ways, bits=bits)


@pytest.fixture(scope="module")
def fabric() -> Iterator[rtl.Fabric]:
    with fpga.unkind(hardware.fabric("three cores, wide update")) as made:
        yield made


def refused(graph: CheckedGraph) -> bool:
    """Without a border."""
    try:
        quantize(graph, Formats(8, 24, 24, 16))
    except DoesNotFit as error:
        return "no bias makes up for that" in error.message
    return False


@pytest.mark.law
@pytest.mark.xdist_group("rtl")
@settings(max_examples=examples(60), deadline=None)
@given(graph=maximal(), seed=st.integers(0, 2**32 - 1))
def test_float_integers_and_rtl_are_one_where_nothing_is_rounded(
    fabric: rtl.Fabric, graph: CheckedGraph, seed: int
) -> None:
    fit = fitting.fit(graph, fabric.target)
    assert fit.fits, fit.problems
    assert fit.network is not None
    padding = graph.projections[0].operator.padding  # type: ignore[union-attr]
    assert fit.network.takes["in"].border in ((padding,) if refused(graph) else (padding, ()))
    assert fit.network.inputs == (("in", graph.population("in").shape),)
    x = numbers(graph, seed)
    expected = integer.simulate(fit.network, x)
    assume(not expected.stats["saturations"])
    exact = nd.simulate(graph, x)
    for name, spikes in exact.spikes.items():
        np.testing.assert_array_equal(spikes, expected.spikes[name])
    image = fpga.packed(fit, fabric.target)
    fabric.load(image)
    verdict = verify(expected, fabric.run(image, x), allow_silent=True)
    assert verdict.equal, verdict.summary()
    for cause in explain(graph, fit.network, x).causes:
        assert not any(cause.differing.values()), cause


def test_such_networks_spike() -> None:
    graph = graph_of(IMAGE, 12, way())
    exact, x = nd.simulate(graph, numbers(graph, 0)), numbers(graph, 0)
    assert 0.2 < exact["n"].mean() < 0.9
    assert (exact["n"] == nd.simulate(nd.build(graph, "fpga"), x)["n"]).all()
    without = graph_of(IMAGE, 12, way(padding=((0, 1), (1, 2))))
    assert (exact["n"] != nd.simulate(without, x)["n"]).any()  # and what is in the padding matters


def test_a_line_has_a_border_at_its_ends(fabric: rtl.Fabric) -> None:
    convolution = Convolution(kernel(np.random.default_rng(1), (3, 2, 1, 5)), (2, 1, 9), padding=((0, 0), (2, 1)))
    maximum = Maximum(convolution.out_shape, (1, 2), (1, 2))
    graph = graph_of((2, 9), 20, Projection("in", "n", convolution, maximum=maximum))
    fit, x = fitting.fit(graph, fabric.target), numbers(graph, 2)
    assert fit.network is not None
    assert fit.network.takes["in"].border == ((2, 1),)
    image = fpga.packed(fit, fabric.target)
    fabric.load(image)
    exact = nd.simulate(graph, x)
    assert exact["n"].any()
    for found in (integer.simulate(fit.network, x), fabric.run(image, x)):
        np.testing.assert_array_equal(found["n"], exact["n"])


POOLED = Projection(
    *("in", "m", Convolution(np.ones((1, 2, 3, 3)), (2, 3, 2), padding=PADS), ("pool", "conv")),
    pool=Pool(IMAGE, (2, 2), (2, 2)),
    maximum=Maximum((1, 2, 3), (1, 1), (1, 1)),
)
DENSE = Projection("in", "m", Dense(np.ones((4, 60))), ("fc",))


@pytest.mark.parametrize(
    "graph",
    [
        graph_of(IMAGE, 12, way(), POOLED),
        graph_of(IMAGE, 12, way(), DENSE),
        graph_of(IMAGE, 12, way(), way("m", padding=((1, 0), (1, 2)))),
        graph_of(IMAGE, 12, way(), way("m", padding=((0, 0), (0, 0)), largest=False)),
        graph_of((60,), 12, way()),
    ],
    ids=["behind a pool", "a matrix", "padded otherwise", "not padded", "an input without that grid"],
)
def test_what_reads_an_input_otherwise_keeps_it_as_it_is_and_is_named_as_the_reason(graph: CheckedGraph) -> None:
    assert bordered(graph).encodings == graph.encodings
    assert bordered(graph).projections == graph.projections
    [problem] = fitting.fit(graph, "fpga").problems
    assert "the zero point of the input 'in' is 12" in problem.found
    assert "convolutions padded alike: the host pads then" in problem.remedy


@pytest.mark.parametrize(
    "graph",
    [
        graph_of(IMAGE, 0, way()),
        graph_of(IMAGE, 12, way(padding=((0, 0), (0, 0)))),
        graph_of(IMAGE, 12, way(largest=False)),
        graph_of(IMAGE, 12, way(windows=(1, 1))),
        graph_of(IMAGE, 12, way(weight=CENTRE, padding=((1, 0), (1, 0)))),
    ],
    ids=[
        *("no zero point", "no padding", "no maximum"),
        *("windows of one sum", "all taps within the image"),
    ],
)
def test_only_what_needs_a_border_gets_one(graph: CheckedGraph) -> None:
    assert bordered(graph).encodings == graph.encodings
    assert bordered(graph).projections == graph.projections
    assert not refused(graph)


@pytest.mark.parametrize("also", [way("m", 5, largest=False), way("m", 6, stride=(2, 1))], ids=["none", "strided"])
def test_what_reads_an_input_alike_reads_its_border(also: Projection) -> None:
    graph = graph_of(IMAGE, 12, way(), also)
    built, x = nd.build(graph, "fpga"), numbers(graph, 3)
    assert built.network.takes["in"].border == PADS
    exact, found = nd.simulate(graph, x), nd.simulate(built, x)
    for name in ("n", "m"):
        assert exact[name].any()
        np.testing.assert_array_equal(found[name], exact[name])


@pytest.mark.parametrize("written_out", [False, True])
def test_in_the_graphs_terms_a_projection_is_the_graphs_own(written_out: bool) -> None:
    graph = graph_of(IMAGE, 12, way())
    network = nd.build(graph, "fpga").network
    [p], q = network.projections, np.random.default_rng(4).integers(-9, 9, (7, *IMAGE))
    own: Operator = p.operator
    if written_out:
        p = replace(p, operator=Dense(p.matrix()))
    found = unbordered(network, p)
    around = network.takes["in"].around(q, fill=0).reshape(7, -1)
    np.testing.assert_array_equal(found.apply(q.reshape(7, -1)), p.apply(around))
    assert isinstance(own, Convolution)
    assert written_out or found.operator == replace(own, shape=IMAGE, padding=PADS, weight=found.weight)
    assert found.inputs == 60


def test_a_network_and_an_image_keep_their_borders(tmp_path: Path) -> None:
    built = nd.build(graph_of(IMAGE, 12, way()), "fpga", tmp_path / "build")
    again = nd.Build.load(tmp_path / "build")
    assert again.network.takes == {"in": InputEncoding(5, STEP, 12, PADS)}
    assert again.network.digest() == built.network.digest() != _with_other_border(built.network).digest()
    [slot] = again.image.inputs
    assert (slot.shape, slot.grid, slot.border) == (IMAGE, (2, 7, 8), PADS)
    assert again.image.digest() == built.image.digest()
    x = numbers(built.graph, 5)
    assert nd.verify(nd.simulate(built, x), nd.simulate(again, x)).equal
    plain = nd.build(graph_of(IMAGE, 0, way()), "fpga")
    assert "border" not in plain.image.inputs[0].as_dict()
    assert "border" not in plain.network.takes["in"].as_dict()


def _with_other_border(network: IntegerNetwork) -> IntegerNetwork:
    return replace(network, encodings={"in": replace(network.encodings["in"], border=PADS[::-1])})


@pytest.mark.parametrize("shape", [(3, 2, 2, 7, 8), (3, 2, 6, 5), (3, 2, 2, 6, 6)])
def test_a_wrong_shape_is_told_in_the_shape_that_the_user_gives(shape: tuple[int, ...]) -> None:
    network = nd.build(graph_of(IMAGE, 12, way()), "fpga").network
    with pytest.raises(InputShapeError) as caught:
        nd.simulate(network, np.zeros(shape))
    assert caught.value.message.startswith(f"the stimulus has shape {shape}, expected (T, B, 2, 6, 5)")


def test_what_is_counted_and_warned_of_is_of_the_users_input() -> None:
    graph = graph_of(IMAGE, 12, way())
    built, plain = nd.build(graph, "fpga"), nd.build(replace(graph, encodings={}, input_bits=5), "fpga")
    assert built.warnings == plain.warnings == ()
    x, labels = np.abs(numbers(graph, 6)), np.zeros(3, dtype=np.int64)
    held = nd.evaluate(nd.simulate(built, x), labels, network=built.network, x=x)
    counts = x / STEP
    spikes = nd.evaluate(nd.simulate(plain, counts), labels, network=plain.network, x=counts)
    assert held.operations
    assert held.operations == spikes.operations
