"""Passes on the virtual board: the RTL behind its UART plays what does not fit it, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph.check import CheckedGraph, Population, Projection, check
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Maximum
from tests import hardware, networks

pytestmark = pytest.mark.xdist_group("board")


def maps() -> CheckedGraph:
    """A map of more neurons than there are; one whose kernels are deeper than the weight memory, behind it a maximum;
    and a matrix."""
    rng = np.random.default_rng(0)
    shapes = {"in": (3, 12, 12), "a": (64, 12, 12), "b": (12, 5, 6), "c": (7,)}
    values = {"tau": 5e-3, "r": 6.0, "v_leak": 0.0, "v_threshold": 0.6, "v_reset": 0.0}
    deep = Convolution(rng.normal(0, 1, (12, 64, 3, 3)) / 9, (64, 12, 12), padding=((0, 0), (1, 1)))
    return CheckedGraph(
        tuple(
            Population(name, "LIF", shape, {key: np.full(shape, v) for key, v in values.items()}, np.zeros(shape))
            if name != "in"
            else Population(name, "Input", shape, {}, np.zeros(shape))
            for name, shape in shapes.items()
        ),
        (
            Projection(
                "in", "a", Convolution(rng.normal(0.1, 1, (64, 3, 3, 3)) / 5, (3, 12, 12), padding=((1, 1), (1, 1)))
            ),
            Projection("a", "b", deep, maximum=Maximum((12, 10, 12), (2, 2), (2, 2))),
            Projection("b", "c", Dense(rng.normal(0.05, 1, (7, 360)) / 19), delay=2),
        ),
        *(("in",), {"output": "c"}, Dialect(dt=1e-3), "argument"),
    )


def test_a_network_of_any_size_on_a_small_board() -> None:
    target = hardware.small_device()
    for graph, x in (
        (check(networks.looped(networks.two_layers(sizes=(900, 30, 200)))), networks.spikes(1, (5, 3, 900))),
        (maps(), networks.spikes(2, (4, 2, 3, 12, 12))),
    ):
        built = nd.build(graph, target)
        assert len(built.image.passes) > 2
        with nd.open_device("virtual", target) as device:
            nd.flash(built, device)
            measured = nd.run(device, x)
        verdict = nd.verify(nd.simulate(built, x), measured)
        assert verdict.equal, verdict.summary()
        assert verdict.cells == x.shape[0] * x.shape[1] * sum(p.size for p in built.network.populations)
        assert not verdict.silent
