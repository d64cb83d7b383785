"""The tables that spikes add weights by, written out as matrices: those of the operators."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum, Operator, Passage, Pool
from nirdeploy.sim.engine.layout import STEP, Layout
from nirdeploy.sim.engine.links import Rows, Runs, lands, links
from tests.conftest import examples

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADS = st.tuples(st.integers(0, 2), st.integers(0, 2))


@dataclass(frozen=True, eq=False)
class Way(Passage):
    operator: Operator
    pool: Pool | None
    maximum: Maximum | None = None


@st.composite
def ways(draw: st.DrawFn) -> Way:
    """An operator of any kind, perhaps behind a pool."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = draw(st.integers(1, 3))
    shape = (groups * draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 7)))
    pool = draw(st.none() | st.builds(Pool, st.just(shape), PAIR, PAIR, st.tuples(PADS, PADS)))
    if pool is not None and min(pool.out_shape) < 1:
        pool = None
    seen = shape if pool is None else pool.out_shape
    kind = draw(st.sampled_from(["convolution", "convolution", "dense", "elementwise"]))
    if kind == "convolution":
        weight = rng.integers(-9, 9, (groups * draw(st.integers(1, 6)), shape[0] // groups, *draw(PAIR)))
        way = (draw(PAIR), (draw(PADS), draw(PADS)), draw(PAIR), groups, draw(PAIR))
        convolution = Convolution(weight, (seen[0], seen[1], seen[2]), *way)
        if min(convolution.out_shape) > 0:
            return Way(convolution, pool)
    if kind == "elementwise":
        return Way(Elementwise(rng.integers(-9, 9, math.prod(seen))), pool)
    return Way(Dense(rng.integers(-9, 9, (draw(st.integers(1, 300)), math.prod(seen)))), pool)


def _written_out(found: Rows | Runs, source: Layout, landing: Layout) -> np.ndarray:
    """(width of the sums, width of the signal)."""
    out = np.zeros((landing.width, source.width))
    if isinstance(found, Rows):
        blocks = found.weight.reshape(-1, source.width, found.block)
        return np.concatenate([block.T for block in blocks])[: landing.width]
    place, base, begin, offset, row, length = (table.astype(np.int64) for table in found.tables)
    assert (offset % STEP == 0).all()  # vectors lie alike
    assert (length % STEP == 0).all()
    for j in range(source.width):
        for k in range(begin[place[j]], begin[place[j] + 1]):
            weights = found.weight[base[j] + row[k] : base[j] + row[k] + length[k]]
            assert len(weights) == length[k]  # what stands behind the arrays is not read
            assert offset[k] + length[k] <= landing.width
            out[offset[k] : offset[k] + length[k], j] += weights
    return out


@pytest.mark.law
@settings(max_examples=examples(150), deadline=None)
@given(way=ways(), laid=st.booleans(), positions=st.booleans())
def test_tables_are_the_operator(way: Way, laid: bool, positions: bool) -> None:
    size, outputs = way.inputs, way.operator.outputs
    shape = (size, 1, 1) if way.pool is None and not isinstance(way.operator, Convolution) else None
    channels = (shape or (way.operator.shape if way.pool is None else way.pool.shape))[0]  # type: ignore[union-attr]
    source = Layout.of(channels, size // channels) if laid else Layout.as_it_is(size)
    landing = Layout.of(outputs, 1)
    if isinstance(way.operator, Convolution):
        landing = Layout.of(way.operator.out_shape[0], math.prod(way.operator.out_shape[1:]))
    elif positions and outputs % 2 == 0:
        landing = Layout.of(outputs // 2, 2)
    assert lands(way, landing)
    found = _written_out(links(way, source, landing, np.float32), source, landing)[:, source.index]
    np.testing.assert_array_equal(found[landing.index], way.matrix())
    assert np.count_nonzero(found) == np.count_nonzero(way.matrix())  # nothing is added to what lies empty


def test_taps_that_lie_side_by_side_are_one_run() -> None:
    way = Way(Convolution(np.ones((8, 2, 3, 3)), (2, 5, 5), padding=((1, 1), (1, 1))), None)
    found = links(way, Layout.as_it_is(50), Layout.of(8, 25), np.int8)
    assert isinstance(found, Runs)
    length = found.tables[5].reshape(-1)
    assert len(length) == 3 * 25 - 2 * 5  # three rows of taps but at the edges, not nine taps
    assert set(length.tolist()) == {16, 24}


def test_a_convolution_lands_only_in_its_own_grid() -> None:
    way = Way(Convolution(np.ones((4, 1, 1, 1)), (1, 2, 3)), None)
    assert lands(way, Layout.of(4, 6))
    assert not lands(way, Layout.of(6, 4))
    assert not lands(way, Layout.of(24, 1))
