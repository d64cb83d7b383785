"""What the cores make of a graph before it is rounded, and what that costs in weight rows."""

from __future__ import annotations

import numpy as np

import nirdeploy as nd
from nirdeploy.backends.fpga.lowering import lower
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator, Pool
from nirdeploy.targets import registry as targets

TARGET = targets.load("fpga")
GRID = (64, 8, 8)


def _graph(*ways: tuple[Operator, Pool | None, tuple[int, int, int]]) -> CheckedGraph:
    """Populations of those shapes, one behind the other, IF neurons behind an input of GRID."""
    populations, projections = [Population("p0", "Input", GRID, {}, np.zeros(GRID))], []
    for number, (operator, pool, shape) in enumerate(ways, start=1):
        params = {"r": np.ones(shape), "v_threshold": np.full(shape, 0.5), "v_reset": np.zeros(shape)}
        populations.append(Population(f"p{number}", "IF", shape, params, np.zeros(shape)))
        projections.append(Projection(f"p{number - 1}", f"p{number}", operator, (), pool))
    return CheckedGraph(
        *(tuple(populations), tuple(projections), ("p0",), {"output": f"p{len(ways)}"}, Dialect(dt=1.0), "argument")
    )


def _rows(graph: CheckedGraph) -> int:
    placed = nd.fit(graph, TARGET)
    assert not placed.problems
    assert placed.placement is not None
    return sum(core.used["weight_rows"] for core in placed.placement.cores)


def test_a_pool_with_a_factor_for_each_channel_keeps_its_grid() -> None:
    factors, pool = np.repeat(np.linspace(0.5, 1, 64), 16), Pool(GRID, (2, 2), (2, 2))
    graph = _graph((Elementwise(factors), pool, (64, 4, 4)))
    lowered, problems = lower(graph, TARGET)
    assert problems == []
    [way] = lowered.projections
    assert isinstance(way.operator, Convolution)
    x = np.random.default_rng(0).random((5, 64 * 64))
    np.testing.assert_allclose(way.operator.apply(pool.apply(x)), factors * pool.apply(x), rtol=1e-12)
    assert _rows(graph) <= 4 * 2 * 2 * 64 * 2  # on each of four cores: lines and columns of a window, channels, blocks


def test_a_pool_with_a_factor_for_each_neuron_is_a_matrix() -> None:
    graph = _graph((Elementwise(np.arange(1.0, 1025)), Pool(GRID, (2, 2), (2, 2)), (64, 4, 4)))
    lowered, problems = lower(graph, TARGET)
    assert problems == []
    assert isinstance(lowered.projections[0].operator, Dense)


def test_a_factor_for_each_channel_between_grids_is_shared_by_all_pixels() -> None:
    kernel = np.random.default_rng(0).normal(size=(4, 64, 3, 3))
    convolution = Convolution(kernel, GRID)
    graph = _graph((Elementwise(np.ones(4096)), None, GRID), (convolution, None, convolution.out_shape))
    lowered, problems = lower(graph, TARGET)
    assert problems == []
    assert all(isinstance(way.operator, Convolution) for way in lowered.projections)
    assert _rows(graph) < 4000


def test_a_group_reads_no_other_groups_channels() -> None:
    def rows(groups: int) -> int:
        kernel = np.random.default_rng(0).normal(size=(64, 64 // groups, 3, 3))
        convolution = Convolution(kernel, GRID, padding=((1, 1), (1, 1)), groups=groups)
        return _rows(_graph((Elementwise(np.ones(4096)), None, GRID), (convolution, None, GRID)))

    first = 4 * 64 * 2  # the first population's, on each core: channels of the input, for two blocks
    assert rows(1) - first == 2 * (rows(2) - first)  # two blocks of 32 channels, of which a block reads itself
    assert rows(4) == rows(2)
