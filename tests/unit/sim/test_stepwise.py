"""The integer model stepped on and on does what it does of a whole sample, however the steps are handed in."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nirdeploy.errors import DoesNotFit, InputShapeError
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.sim import integer
from nirdeploy.sim.stepwise import Stepwise
from tests import networks
from tests.conftest import examples

FORMATS = Formats(8, 20, 24, 16)
STEPS = 12


def _cut(x: Any, first: int, end: int) -> Any:
    return {name: v[first:end, :1] for name, v in x.items()} if isinstance(x, dict) else x[first:end, :1]


def _same(network: IntegerNetwork, x: Any, cuts: list[int]) -> None:
    whole = integer.simulate(network, _cut(x, 0, STEPS), engine="plain")
    model = Stepwise(network, tuple(p.name for p in network.populations))
    for _ in range(2):  # the second time from rest again
        model.rest()
        ends = sorted({0, *cuts, STEPS})
        pieces = [model.advance(_cut(x, at, end)) for at, end in itertools.pairwise(ends)]
        for name, values in {**whole.spikes, **whole.membrane}.items():
            assert np.array_equal(np.concatenate([piece[name] for piece in pieces]), values[:, 0]), name
    assert model.saturations == 2 * whole.stats["saturations"]


@pytest.mark.law
@settings(max_examples=examples(10))
@given(
    graph=st.one_of(
        networks.graphs(max_size=12, beyond=True), networks.grids(most=60, beyond=True), networks.encoded(60)
    ),
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(1, STEPS - 1), max_size=4),
)
def test_as_a_whole_sample(graph: CheckedGraph, seed: int, cuts: list[int]) -> None:
    try:
        network = quantize(bordered(graph), FORMATS)
    except DoesNotFit:
        reject()
    _same(network, networks.stimulus(graph, seed, STEPS, 1), cuts)


def test_a_refused_step_changes_nothing() -> None:
    network = quantize(bordered(check(networks.looped(networks.two_layers(3)), dt=1e-4)), FORMATS)
    x = networks.spikes(1, (STEPS, 1, 20))
    model = Stepwise(network, tuple(p.name for p in network.populations))
    before = model.advance(x[:5])
    with pytest.raises(InputShapeError):
        model.advance(x[5:6] + 7)
    after = model.advance(x[5:])
    whole = integer.simulate(network, x)
    for name, values in whole.spikes.items():
        assert np.array_equal(np.concatenate([before[name], after[name]]), values[:, 0])
