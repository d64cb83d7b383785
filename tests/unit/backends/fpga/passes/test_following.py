"""A population in the passes of the one that it follows: its map is not sent back, and no spike differs."""

from __future__ import annotations

import numpy as np
import pytest

from nirdeploy.backends.fpga.passes.cut import cut
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Pool
from tests.unit.backends.fpga.passes.cases import agrees, rounded, small

MAP = (16, 8, 8)
RNG = np.random.default_rng(0)
HALF = Pool(MAP, (2, 2), (2, 2))
EACH = Convolution(np.ones((16, 1, 1, 1)), (16, 4, 4), groups=16)
TALL = Convolution(RNG.normal(0.4, 1, (16, 1, 2, 1)), (16, 4, 4), stride=(2, 1), groups=16)


def behind(way: Projection, shape: tuple[int, ...], *others: Projection) -> CheckedGraph:
    """An input, a map that no pass holds, what follows it by ``way``, and an output."""
    values = {"tau": 5e-3, "r": 6.0, "v_leak": 0.0, "v_threshold": 0.6, "v_reset": 0.0}
    shapes = {"map": MAP, "after": shape, "out": (4,)}
    return CheckedGraph(
        (
            Population("in", "Input", (2, 8, 8), {}, np.zeros((2, 8, 8))),
            *(
                Population(name, "LIF", own, {key: np.full(own, value) for key, value in values.items()}, np.zeros(own))
                for name, own in shapes.items()
            ),
        ),
        (
            Projection(
                "in", "map", Convolution(RNG.normal(0.2, 1, (16, 2, 3, 3)) / 4, (2, 8, 8), padding=((1, 1), (1, 1)))
            ),
            way,
            Projection("after", "out", Dense(RNG.normal(0.1, 1, (4, int(np.prod(shape)))) / 8)),
            *others,
        ),
        *(("in",), {"output": "out"}, Dialect(dt=1e-3), "argument"),
    )


def kernels(size: int, step: int, pad: int = 0, groups: int = 16) -> Convolution:
    weight = RNG.normal(0.4, 1, (16, 16 // groups, size, size)) / size
    return Convolution(weight, MAP, stride=(step, step), padding=((pad, pad), (pad, pad)), groups=groups)


@pytest.mark.parametrize(
    ("way", "shape"),
    [
        (Projection("map", "after", Elementwise(np.ones(256)), pool=HALF), (16, 4, 4)),
        (Projection("map", "after", EACH, pool=HALF), (16, 4, 4)),
        (Projection("map", "after", kernels(2, 2)), (16, 4, 4)),
        (Projection("map", "after", kernels(4, 4)), (16, 2, 2)),
        (Projection("map", "after", TALL, pool=HALF), (16, 2, 4)),
        (Projection("map", "after", Elementwise(RNG.normal(0.9, 0.2, 1024))), MAP),
    ],
    ids=["pool", "pool and factors", "kernels", "large kernels", "kernels behind a pool", "one by one"],
)  # fmt: skip
def test_windows_side_by_side_are_computed_where_the_map_is(way: Projection, shape: tuple[int, ...]) -> None:
    target = small(weight_rows=256, neurons=256, out_words=256)
    network = rounded(behind(way, shape), target)
    passes = cut(network, target).passes
    together = [one for one in passes if {"map", "after"} == set(one.tiles[0])]
    assert together
    assert not [one for one in passes if len({"map", "after"} & set(one.tiles[0])) == 1]
    assert not [taken for one in passes for taken in one.wiring.takes if "map" in taken.signals]
    assert sum(len(one.tiles) for one in together) > 1
    agrees(network, target, 1)


@pytest.mark.parametrize(
    ("way", "shape"),
    [
        (Projection("map", "after", kernels(3, 2, 1)), (16, 4, 4)),
        (Projection("map", "after", kernels(1, 2)), (16, 4, 4)),
        (Projection("map", "after", kernels(2, 2, groups=8)), (16, 4, 4)),
        (Projection("map", "after", kernels(2, 2, 1)), (16, 5, 5)),
        (Projection("map", "after", kernels(3, 3)), (16, 2, 2)),
        (Projection("map", "after", kernels(2, 2), delay=1), (16, 4, 4)),
        (Projection("map", "after", EACH, pool=Pool(MAP, (3, 3), (2, 2), ((1, 1), (1, 1)))), (16, 4, 4)),
    ],
    ids=["overlap", "gaps", "channels mixed", "padding", "a rest", "delay", "pools that overlap"],
)  # fmt: skip
def test_other_windows_are_passes_of_their_own(way: Projection, shape: tuple[int, ...]) -> None:
    target = small(weight_rows=256, neurons=256, out_words=256)
    network = rounded(behind(way, shape), target)
    assert not [one for one in cut(network, target).passes if {"map", "after"} <= set(one.tiles[0])]
    agrees(network, target, 2)


def test_what_others_read_too_is_given_as_well() -> None:
    """The output reads the map itself beside what follows it, by sums of the two: its fan-in is too deep."""
    pooled = Projection("map", "after", EACH, pool=HALF)
    beside = Projection("map", "out", Dense(RNG.normal(0.05, 1, (4, 1024)) / 16))
    target = small(weight_rows=256, neurons=256, out_words=256)
    network = rounded(behind(pooled, (16, 4, 4), beside), target)
    passes = cut(network, target)
    assert passes.deep
    assert [one for one in passes.passes if {"map", "after"} == set(one.tiles[0])]
    assert [taken for one in passes.passes for taken in one.wiring.takes if "map" in taken.signals]
    agrees(network, target, 3)


def test_a_map_whose_inputs_are_sums_is_followed_too() -> None:
    target = small(weight_rows=64, neurons=256, spike_words=64, out_words=256)
    deep = Projection("map", "after", kernels(2, 2))
    graph = behind(deep, (16, 4, 4))
    wide = Convolution(RNG.normal(0.1, 1, (16, 2, 7, 7)) / 9, (2, 8, 8), padding=((3, 3), (3, 3)))
    network = rounded(
        CheckedGraph(
            graph.populations,
            (Projection("in", "map", wide), *graph.projections[1:]),
            *(("in",), {"output": "out"}, graph.dialect, "argument"),
        ),
        target,
    )
    passes = cut(network, target)
    assert "map" in {one.population for one in passes.deep}
    agrees(network, target, 4)
    assert [one for one in passes.passes if {"map", "after"} == set(one.tiles[0])]
