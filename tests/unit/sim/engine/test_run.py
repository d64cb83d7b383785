"""The compiled engine against the definition: every spike, membrane and saturation, whatever the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import Formats, IntegerNetwork
from nirdeploy.integers.quantize import quantize
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.sim import integer
from tests import networks, primitives
from tests.conftest import examples

FORMATS = st.sampled_from(
    [Formats(8, 20, 24, 16), Formats(8, 24, 24, 12), Formats(3, 12, 12, 6), Formats(16, 40, 32, 18)]
)


def _quantized(graph: CheckedGraph, formats: Formats) -> IntegerNetwork:
    try:
        return quantize(bordered(graph), formats)
    except DoesNotFit:  # so few bits do not hold every weight beside a large threshold
        reject()


def _disturbed(network: IntegerNetwork, rng: np.random.Generator) -> IntegerNetwork:
    """Numbers that no quantizer gives: membranes that saturate, other shifts, large weights, decays below 0."""
    formats = replace(network.formats, state_bits=int(rng.integers(6, network.formats.state_bits + 1)))
    large = int(rng.choice([1, 1, 40, 3000]))
    populations = [
        replace(
            network.neurons(p.name),
            shift=int(rng.integers(0, 9)),
            decay=network.neurons(p.name).decay * rng.choice([1, 1, 1, -1], p.size),
            synapse_decay=network.neurons(p.name).synapse_decay * rng.choice([1, 1, 1, -1], p.size),
            late_bias={2: rng.integers(-50, 50, p.size), 4: rng.integers(-5000, 5000, p.size)},
        )
        for p in network.populations
    ]
    projections = [
        replace(p, shift=int(rng.integers(-6, 6)), operator=replace(p.operator, weight=p.operator.weight * large))
        for p in network.projections
    ]
    return replace(network, formats=formats, populations=tuple(populations), projections=tuple(projections))


def _assert_as_defined(network: IntegerNetwork, x: Any, seed: int) -> None:
    """As the quantizer gives the network, and with its numbers disturbed."""
    _assert_equal(network, x)
    _assert_equal(_disturbed(network, np.random.default_rng(seed)), x)


def _assert_equal(network: IntegerNetwork, x: Any) -> None:
    membranes = [p.name for p in network.populations]
    found = integer.simulate(network, x, membrane=membranes)
    defined = integer.simulate(network, x, membrane=membranes, engine="plain")
    assert found.spikes.keys() == defined.spikes.keys()
    for name in membranes:
        np.testing.assert_array_equal(found.membrane[name], defined.membrane[name], err_msg=name)
        assert found.membrane[name].dtype == defined.membrane[name].dtype
        if name in found.spikes:
            np.testing.assert_array_equal(found[name], defined[name], err_msg=name)
            assert found[name].dtype == defined[name].dtype
    assert found.stats == defined.stats


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(
    graph=networks.graphs(max_size=60, beyond=True) | networks.graphs(max_size=150, max_layers=2),
    formats=FORMATS,
    batch=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_matrices_in_every_dialect(graph: CheckedGraph, formats: Formats, batch: int, seed: int) -> None:
    _assert_as_defined(_quantized(graph, formats), networks.stimulus(graph, seed, batch=batch), seed)


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(graph=networks.grids(900, beyond=True), formats=FORMATS, batch=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_grids_in_every_dialect(graph: CheckedGraph, formats: Formats, batch: int, seed: int) -> None:
    _assert_as_defined(_quantized(graph, formats), networks.stimulus(graph, seed, batch=batch), seed)


@pytest.mark.law
@settings(max_examples=examples(30), deadline=None)
@given(graph=networks.encoded(), formats=FORMATS, seed=st.integers(0, 2**32 - 1))
def test_numbers_with_zero_points_and_borders(graph: CheckedGraph, formats: Formats, seed: int) -> None:
    _assert_as_defined(_quantized(graph, formats), networks.stimulus(graph, seed), seed)


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(
    drawn=primitives.drawn() | primitives.drawn(maxima=True),
    dialect=networks.dialects(dt=1e-3),
    formats=FORMATS,
    bits=st.sampled_from([1, 3, 8]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_primitive(drawn: primitives.Drawn, dialect: Dialect, formats: Formats, bits: int, seed: int) -> None:
    network = _quantized(check(drawn.graph, dialect=dialect, input_bits=bits), formats)
    x = np.random.default_rng(seed).integers(0, 2**bits, (6, 2, *drawn.shape))
    _assert_as_defined(network, x, seed)
