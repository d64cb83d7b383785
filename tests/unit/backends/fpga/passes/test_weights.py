"""What of weights is sent: once for all that meet the same, nothing for padding, matrices only as large as boxes."""

from __future__ import annotations

import numpy as np

import nirdeploy as nd
from nirdeploy.backends.fpga.passes.cut import cut
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.records import inputs
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Pool
from nirdeploy.sim import integer
from tests.doubles.passes import played
from tests.unit.backends.fpga.passes.cases import agrees, lif, rounded, small, stimulus


def test_maps_too_large_for_a_matrix_are_written_out_box_by_box() -> None:
    """On cores that walk no convolutions."""
    rng = np.random.default_rng(6)
    values = {"tau": 5e-3, "r": 6.0, "v_leak": 0.0, "v_threshold": 0.6, "v_reset": 0.0}
    shapes = {"in": (2, 12, 12), "map": (8, 12, 12), "pooled": (8, 6, 6)}
    graph = CheckedGraph(
        tuple(
            Population(name, "LIF", shape, {key: np.full(shape, v) for key, v in values.items()}, np.zeros(shape))
            if name != "in"
            else Population(name, "Input", shape, {}, np.zeros(shape))
            for name, shape in shapes.items()
        ),
        (
            Projection(
                "in", "map", Convolution(rng.normal(0.1, 1, (8, 2, 3, 3)) / 4, (2, 12, 12), padding=((1, 1), (1, 1)))
            ),
            Projection("map", "pooled", Elementwise(np.ones(288)), pool=Pool((8, 12, 12), (2, 2), (2, 2))),
        ),
        *(("in",), {"output": "pooled"}, Dialect(dt=1e-3), "argument"),
    )
    target = small(spatial=0, weight_rows=512, neurons=256, spike_words=64, out_words=256)
    found = nd.fit(graph, target)
    assert not found.problems
    assert found.network is not None
    assert not any(isinstance(p.operator, Dense) for p in found.network.projections)
    x = stimulus(found.network, 7, steps=2, batch=1)
    expected = integer.simulate(found.network, x)
    sent = played(found.plan, found.network, inputs.stimulus(x, found.network.inputs, found.network.takes))
    for name, spikes in expected.spikes.items():
        assert spikes.any()
        assert np.array_equal(sent[name].reshape(spikes.shape), spikes)


def residual() -> CheckedGraph:
    """What a block gets and what it says reach the next layer through one convolution, as in a ResNet."""
    rng, values = np.random.default_rng(8), {"tau": 5e-3, "r": 6.0, "v_leak": 0.0, "v_threshold": 0.6, "v_reset": 0.0}
    shape, params = (8, 6, 6), {key: np.full((8, 6, 6), value) for key, value in values.items()}
    first, both = (Convolution(rng.normal(0.2, 1, (8, 8, 3, 3)) / 8, shape, padding=((1, 1), (1, 1))) for _ in range(2))
    return CheckedGraph(
        (
            Population("a", "Input", shape, {}, np.zeros(shape)),
            *(Population(name, "LIF", shape, params, np.zeros(shape)) for name in "bc"),
        ),
        (Projection("a", "b", first), Projection("a", "c", both), Projection("b", "c", both)),
        *(("a",), {"output": "c"}, Dialect(dt=1e-3), "argument"),
    )


def test_spikes_that_meet_the_same_weights_are_added_up_on_their_way() -> None:
    """Once where each is a pass; one by one where they are in the same."""
    seen = set()
    for weight_rows, neurons in ((96, 128), (1024, 320)):
        target = small(weight_rows=weight_rows, neurons=neurons, spike_words=128, out_words=512)
        network = rounded(residual(), target)
        found = cut(network, target).passes
        seen |= {taken.signals for one in found for taken in one.wiring.takes if "c" in one.tiles[0]}
        agrees(network, target, 9)
        assert not cut(network, target).deep
    assert seen == {("a", "b"), ("a",)}
    plain = small(weight_rows=256, neurons=128, spike_words=128, out_words=512, planes=1, spike_planes=1)
    found = cut(network, plain).passes  # without numbers each is an input
    assert {taken.signals for one in found for taken in one.wiring.takes} == {("a",), ("b",)}
    agrees(network, plain, 9)


def test_what_of_a_kernel_sees_only_padding_takes_no_room() -> None:
    rng = np.random.default_rng(10)
    for size, padding, dilation, deep in (((1, 1), 1, 1, False), ((2, 1), 2, 1, True), ((1, 3), 2, 2, False)):
        pads = ((padding, padding), (padding, padding))
        kernel = rng.normal(0.1, 1, (8, 60, 3, 3)) / 8
        operator = Convolution(kernel, (60, *size), padding=pads, dilation=(dilation, dilation))
        target = small(weight_rows=240)
        network = rounded(lif(operator.out_shape, Projection("in", "p", operator), (60, *size)), target)
        agrees(network, target, 11)
        assert bool(cut(network, target).deep) == deep


def test_windows_in_the_middle_of_a_map_are_deeper_than_at_its_corner() -> None:
    """Padding behind a pool is not sent: what is cut for a corner does not hold what the middle sees."""
    rng = np.random.default_rng(12)
    operator = Convolution(rng.normal(0.1, 1, (8, 40, 3, 3)) / 19, (40, 5, 5), padding=((1, 1), (1, 1)))
    graph = lif((8, 5, 5), Projection("in", "p", operator, pool=Pool((40, 10, 10), (2, 2), (2, 2))), (40, 10, 10))
    target = small(weight_rows=1024)
    network = rounded(graph, target)
    assert cut(network, target).deep
    agrees(network, target, 13)
