"""The integer simulator against its equations, written out for one neuron at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy import target as targets
from nirdeploy.check import CheckedGraph
from nirdeploy.errors import UnknownPopulation
from nirdeploy.network import IntegerNetwork, IntegerPopulation
from nirdeploy.quantize import quantize
from nirdeploy.sim import integer
from nirdeploy.spikes import stimulus
from tests import networks
from tests.conftest import examples


def _rounded(value: Fraction) -> int:
    """To nearest, ties away from zero."""
    magnitude = abs(value) + Fraction(1, 2)
    return int(magnitude) if value >= 0 else -int(magnitude)


@given(v=st.integers(-(2**23), 2**23 - 1), decay=st.integers(0, 2**16))
def test_decay_rounds_to_nearest_ties_away_from_zero(v: int, decay: int) -> None:
    found = integer.decayed(np.array([v]), np.array([decay]), 16)[0]
    assert found == _rounded(Fraction(v * decay, 2**16))


def _by_hand(network: IntegerNetwork, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Spikes of every population, (T, B, size): plain Python integers, neuron by neuron."""
    time, batch = next(iter(x.values())).shape[:2]
    now = {name: values.reshape(time, batch, -1) for name, values in x.items()}
    for p in network.populations:
        now[p.name] = np.zeros((time, batch, p.size), dtype=np.uint8)
        for b in range(batch):
            for i in range(p.size):
                v = int(p.initial[i])
                for t in range(time):
                    v, spike = _neuron(network, p, i, v, [now[q.source][t, b] for q in _into(network, p)])
                    now[p.name][t, b, i] = spike
    return now


def _into(network: IntegerNetwork, p: IntegerPopulation) -> list:  # type: ignore[type-arg]
    return [q for q in network.projections if q.target == p.name]


def _neuron(
    network: IntegerNetwork, p: IntegerPopulation, i: int, v: int, arriving: list[np.ndarray]
) -> tuple[int, bool]:
    low, high = -(2 ** (network.formats.state_bits - 1)), 2 ** (network.formats.state_bits - 1) - 1
    acc = sum(
        int(w)
        for q, s in zip(_into(network, p), arriving, strict=True)
        for w, on in zip(q.weight[i], s, strict=True)
        if on
    )
    assert abs(acc) < 2 ** (network.formats.accumulator_bits - 1)
    v = _rounded(Fraction(v * int(p.decay[i]), 2**network.formats.decay_bits)) + acc * 2**p.shift + int(p.bias[i])
    v = min(max(v, low), high)
    if not p.spiking or v <= int(p.threshold[i]):
        return v, False
    if p.reset == "subtract":
        return min(max(v - int(p.reset_value[i]), low), high), True
    return int(p.reset_value[i]), True


@pytest.mark.law
@settings(max_examples=examples(20))
@given(graph=networks.graphs(max_size=8, max_layers=3), seed=st.integers(0, 2**32 - 1))
def test_simulator_equals_the_equations(graph: CheckedGraph, seed: int) -> None:
    network = quantize(graph, targets.load("fpga"))
    x = networks.stimulus(graph, seed, steps=8)
    found = integer.simulate(network, x)
    expected = _by_hand(network, stimulus(x, network.inputs))
    for name, spikes in found.spikes.items():
        np.testing.assert_array_equal(spikes, expected[name])


def test_a_batch_is_its_samples() -> None:
    from nirdeploy.check import check

    network = quantize(check(networks.two_layers()), targets.load("fpga"))
    x = networks.spikes(3, (20, 5, 20))
    whole = integer.simulate(network, x)
    for b in range(5):
        one = integer.simulate(network, x[:, b : b + 1])
        np.testing.assert_array_equal(one["lif2"][:, 0], whole["lif2"][:, b])


def test_unknown_probe_lists_what_there_is() -> None:
    from nirdeploy.check import check

    network = quantize(check(networks.two_layers()), targets.load("fpga"))
    with pytest.raises(UnknownPopulation, match="populations: lif1, lif2"):
        integer.simulate(network, networks.spikes(0, (3, 1, 20)), probe=["lif9"])
