"""The compiled engine against the definition: every spike, membrane and saturation, whatever the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.extension import MaxPool2d
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.sim import integer
from nirdeploy.sim.engine import cores
from nirdeploy.sim.engine import run as engine_run
from nirdeploy.sim.engine.prepare import prepared
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


@pytest.mark.law
@settings(max_examples=examples(40), deadline=None)
@given(
    graph=networks.graphs(max_size=40, beyond=True) | networks.grids(400, beyond=True),
    formats=FORMATS,
    numbers=st.integers(1, 2000),
    count=st.integers(1, 4),
    batch=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_cores_and_chunks_change_nothing(
    graph: CheckedGraph, formats: Formats, numbers: int, count: int, batch: int, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cores, "count", lambda: count)
        patched.setattr(engine_run, "_NUMBERS", numbers)
        patched.setattr(engine_run, "_WORTH", 100)  # numbers: some rows, and tiles of neurons, by other cores
        _assert_as_defined(_quantized(graph, formats), networks.stimulus(graph, seed, batch=batch), seed)


@settings(max_examples=examples(40), deadline=None)
@given(graph=networks.graphs(max_size=20, beyond=True) | networks.grids(300, beyond=True))
def test_it_knows_what_quantizers_give(graph: CheckedGraph) -> None:
    network = _quantized(graph, Formats(8, 20, 24, 16))
    for p in network.populations:
        ready = prepared(network, [p.name])
        assert ready is not None
        assert all(q.maximum is not None for q in ready[0].odd)  # of two in other grids


def _two(**rules: Any) -> IntegerNetwork:
    network = quantize(check(networks.two_layers()), Formats(8, 20, 24, 16))
    first = network.neurons("lif1")
    return replace(network, populations=(replace(first, rules=replace(first.rules, **rules)), *network.populations[1:]))


def test_what_it_does_not_know_steps_as_defined() -> None:
    many = _two(multi=True, max_spikes=300)  # more than a byte holds
    assert prepared(many, ["lif1"]) is None
    ready = prepared(many, ["lif2"])
    assert ready is not None
    assert [p.source for p in ready[0].odd] == ["lif1"]
    wide = replace(_two(), formats=Formats(8, 20, 40, 16))  # more than float64 holds beside a decay
    assert prepared(wide, ["lif1"]) is None
    x = networks.spikes(1, (20, 3, 20), rate=0.9)
    for network in (many, wide):
        _assert_equal(network, x)
    assert integer.simulate(many, x)["lif1"].max() > 1


def test_sums_have_the_narrowest_type_that_holds_them() -> None:
    def kinds(network: IntegerNetwork) -> list[type]:
        ready = [prepared(network, [p.name]) for p in network.populations]
        return [lot.kind for own in ready if own is not None for lot in own[0].lots]

    def times(factor: int, network: IntegerNetwork) -> IntegerNetwork:
        each = [replace(p, operator=replace(p.operator, weight=p.weight * factor)) for p in network.projections]
        return replace(network, projections=tuple(each))

    assert kinds(_two()) == [np.int16] * 2
    assert kinds(times(2, _two())) == [np.float32] * 2
    assert kinds(times(1 << 15, _two())) == [np.float64] * 2
    assert kinds(replace(_two(), input_bits=8)) == [np.float32, np.int16]
    x = networks.spikes(2, (20, 3, 20))
    for network in (_two(), times(2, _two()), times(1 << 15, _two())):
        _assert_equal(network, x)


def test_many_large_weights_of_one_sign_do_not_overflow() -> None:
    """16 bits hold a burst of them, not all."""
    network = quantize(check(networks.two_layers(sizes=(1000, 8, 3))), Formats(8, 20, 24, 16))
    first, second = network.projections
    for weight in (127, -127):
        full = replace(first, operator=replace(first.operator, weight=np.full_like(first.weight, weight)))
        _assert_equal(replace(network, projections=(full, second)), np.ones((3, 2, 1000)))


@pytest.mark.parametrize("seed", range(3))
def test_many_neurons_each_with_its_own_numbers(seed: int) -> None:
    """More than one tile of them, and of blocks of sums."""
    network = quantize(check(networks.two_layers(seed, (40, 1100, 600))), Formats(8, 20, 24, 16))
    _assert_as_defined(network, networks.spikes(seed, (8, 2, 40)), seed)


@pytest.mark.parametrize("shift", [-1, -4, 0, 2])
def test_sums_of_several_projections_are_rounded_each_for_itself(shift: int) -> None:
    """round(a / 2) + round(b / 2) is not round((a + b) / 2)."""
    network = _quantized(check(networks.two_layers(sizes=(9, 8, 3))), Formats(8, 24, 24, 12))
    first, second = network.projections
    rng = np.random.default_rng(0)
    own = [replace(p, shift=shift - network.neurons(p.target).shift) for p in (first, second)]
    twin = replace(own[0], operator=replace(first.operator, weight=rng.integers(-127, 128, first.weight.shape)))
    _assert_equal(replace(network, projections=(own[0], twin, own[1])), networks.spikes(0, (12, 3, 9), 0.5))


def test_maxima_of_several_projections_are_taken_each_for_itself() -> None:
    """As behind two pooled ways that are added, as blocks with a residual have them."""
    nodes = {
        "input": nir.Input({"input": np.array([1, 6, 6])}),
        "one": nir.Conv2d((6, 6), np.linspace(-1, 1, 18).reshape(2, 1, 3, 3), 1, 1, 1, 1, np.zeros(2)),
        "two": nir.Conv2d((6, 6), np.linspace(1, -1, 18).reshape(2, 1, 3, 3) ** 3, 1, 1, 1, 1, np.zeros(2)),
        "largest1": MaxPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "largest2": MaxPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "if": nir.IF(r=np.ones((2, 3, 3)), v_threshold=np.ones((2, 3, 3)), v_reset=np.zeros((2, 3, 3))),
        "output": nir.Output({"output": np.array([2, 3, 3])}),
    }
    ways = [("input", "one"), ("one", "largest1"), ("input", "two"), ("two", "largest2")]
    edges = [*ways, ("largest1", "if"), ("largest2", "if"), ("if", "output")]
    network = _quantized(check(nir.NIRGraph(nodes, edges, type_check=False)), Formats(8, 24, 24, 12))
    assert [p.maximum is not None for p in network.projections] == [True, True]
    shifted = [replace(p, shift=1) for p in network.projections]
    for made in (network, replace(network, projections=tuple(shifted))):
        _assert_equal(made, networks.spikes(3, (12, 3, 1, 6, 6), 0.4))
