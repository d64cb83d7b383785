"""The integer simulator against its equations, written out for one neuron at a time."""

from __future__ import annotations

from fractions import Fraction

import nir
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from nirdeploy.errors import DoesNotFit, UnknownPopulation
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.integers import rounding
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation
from nirdeploy.integers.quantize import quantize
from nirdeploy.records.inputs import stimulus
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Maximum, matrix
from nirdeploy.sim import integer
from nirdeploy.targets import registry as targets
from tests import networks, primitives
from tests.conftest import examples


def _rounded(value: Fraction) -> int:
    """To nearest, ties away from zero."""
    magnitude = abs(value) + Fraction(1, 2)
    return int(magnitude) if value >= 0 else -int(magnitude)


@given(v=st.integers(-(2**23), 2**23 - 1), decay=st.integers(0, 2**16))
def test_decay_rounds_to_nearest_ties_away_from_zero(v: int, decay: int) -> None:
    found = rounding.decayed(np.array([v]), np.array([decay]), 16)[0]
    assert found == _rounded(Fraction(v * decay, 2**16))


class _Neuron:
    """One integer neuron in plain Python numbers, fractions where something is rounded."""

    def __init__(self, p: IntegerPopulation, i: int, formats: Formats) -> None:
        self.p, self.r, self.formats = p, p.rules, formats
        self.at = {key: int(getattr(p, key)[i]) for key in ("decay", "bias", "synapse_decay", "synapse_bias")}
        self.threshold, self.reset_value = int(p.threshold[i]), int(p.reset_value[i])
        self.spike_size, self.v = int(p.spike_size[i]), int(p.initial[i])
        self.late = {step: int(values[i]) for step, values in p.late_bias.items()}
        self.current = self.z = 0

    def held(self, value: int) -> int:
        top = 2 ** (self.formats.state_bits - 1)
        return min(max(value, -top), top - 1)

    def decayed(self, value: int, key: str) -> int:
        return _rounded(Fraction(value * self.at[key], 2**self.formats.decay_bits))

    def reset(self, v: int, spikes: int) -> int:
        if not spikes or self.r.reset == "none":
            return v
        return self.held(v - spikes * self.reset_value) if self.r.reset == "subtract" else self.reset_value

    def fires(self, v: int) -> int:
        if not self.r.multi:
            return int(v > self.threshold)
        spikes = 0
        while v > self.threshold and spikes < self.r.max_spikes:
            spikes, v = spikes + 1, v - self.spike_size
        return spikes

    def step(self, t: int, entering: int) -> int:
        entering -= sum(value for begins, value in self.late.items() if t < begins)
        v, before, guarded = self.v, self.z, self.fires(self.v) if self.r.reset_guard else 0
        if self.p.synaptic:
            old = self.current
            self.current = self.held(self.decayed(old, "synapse_decay") + entering + self.at["synapse_bias"])
            entering = self.current if self.r.synapse_order == "new" else old
        if self.r.reset_delay and self.r.reset_before:
            v = self.reset(v, before)
        v = self.held(self.decayed(v, "decay") + entering + self.at["bias"])
        if not self.p.spiking:
            self.v = v
            return v
        if self.r.reset_delay and not self.r.reset_before:
            v = self.reset(v, before)
        self.z = self.fires(self.reset(v, guarded))
        if not self.r.reset_delay:
            v = self.reset(v, self.z)
        self.v = max(v, -self.spike_size) if self.r.bounded else v
        return before if self.r.spike_delay else self.z


def _by_hand(network: IntegerNetwork, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What leaves every population, (T, B, size): plain Python integers, neuron by neuron, step by step."""
    time, batch = next(iter(x.values())).shape[:2]
    now = {name: values.reshape(time, batch, -1).astype(object) for name, values in x.items()}
    order = [network.neurons(p.name) for p in network.populations]
    now |= {p.name: np.zeros((time, batch, p.size), dtype=object) for p in order}
    weights = [
        (q, matrix(q.operator) if q.pool is None else matrix(q.operator) @ matrix(q.pool)) for q in network.projections
    ]
    for b in range(batch):
        cells = {p.name: [_Neuron(p, i, network.formats) for i in range(p.size)] for p in order}
        for t in range(time):
            for p in order:
                if p.rules.spike_delay:
                    now[p.name][t, b] = [cell.z for cell in cells[p.name]]
            for p in order:
                arriving = [0] * p.size
                for q, weight in ((q, w) for q, w in weights if q.target == p.name and t >= q.delay):
                    signal = [int(value) for value in now[q.source][t - q.delay, b]]
                    for i in range(p.size):
                        seen = [i] if q.maximum is None else _window(q.maximum, i)
                        acc = max(
                            sum(int(w) * s for w, s in zip(weight[j], signal, strict=True) if w and s) for j in seen
                        )
                        arriving[i] += _rounded(acc * Fraction(2) ** (p.shift + q.shift))
                now[p.name][t, b] = [cell.step(t, a) for cell, a in zip(cells[p.name], arriving, strict=True)]
    return now


def _window(maximum: Maximum, i: int) -> list[int]:
    """What the maximum that leaves as value ``i`` is taken over."""
    _, rows, columns = maximum.out_shape
    channel, row, column = i // (rows * columns), i // columns % rows, i % columns
    high, wide = maximum.shape[1:]
    top, left = row * maximum.stride[0] - maximum.padding[0][0], column * maximum.stride[1] - maximum.padding[1][0]
    within = [(r, c) for r in range(top, top + maximum.kernel[0]) for c in range(left, left + maximum.kernel[1])]
    return [(channel * high + r) * wide + c for r, c in within if 0 <= r < high and 0 <= c < wide]


def _quantized(graph: nir.NIRGraph, bits: Formats, dialect: Dialect, input_bits: int) -> IntegerNetwork:
    try:
        return quantize(check(graph, dialect=dialect, input_bits=input_bits), bits)
    except DoesNotFit:  # so few bits do not hold every weight beside a large threshold
        reject()


def _left(record: SpikeRecord) -> dict[str, np.ndarray]:
    left = {**record.spikes, **record.membrane}
    return {name: values.reshape(*values.shape[:2], -1) for name, values in left.items()}


@pytest.mark.law
@settings(max_examples=examples(20), deadline=None)
@given(graph=networks.graphs(max_size=8, max_layers=3), seed=st.integers(0, 2**32 - 1))
def test_simulator_equals_the_equations_on_a_target(graph: CheckedGraph, seed: int) -> None:
    network = quantize(graph, targets.load("fpga").formats.of_network())
    x = networks.stimulus(graph, seed, steps=8)
    expected = _by_hand(network, stimulus(x, network.inputs))
    for name, values in _left(integer.simulate(network, x)).items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.law
@settings(max_examples=examples(60), deadline=None)
@given(
    drawn=primitives.drawn(),
    dialect=networks.dialects(dt=1e-3),
    bits=st.sampled_from([Formats(8, 24, 24, 12), Formats(3, 12, 12, 6), Formats(16, 32, 32, 16)]),
    counts=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_simulator_equals_the_equations_of_every_primitive(
    drawn: primitives.Drawn, dialect: Dialect, bits: Formats, counts: bool, seed: int
) -> None:
    network = _quantized(drawn.graph, bits, dialect, 3 if counts else 1)
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 5 if counts else 2, (6, 1, *drawn.shape))
    expected = _by_hand(network, stimulus(x, network.inputs, network.takes))
    for name, values in _left(integer.simulate(network, x)).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.law
@settings(max_examples=examples(40), deadline=None)
@given(
    drawn=primitives.drawn(maxima=True),
    dialect=networks.dialects(dt=1e-3),
    bits=st.sampled_from([Formats(8, 24, 24, 12), Formats(3, 12, 12, 6)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_maxima_over_windows_of_accumulators(
    drawn: primitives.Drawn, dialect: Dialect, bits: Formats, seed: int
) -> None:
    network = _quantized(drawn.graph, bits, dialect, 2)
    x = np.random.default_rng(seed).integers(0, 3, (5, 1, *drawn.shape))
    expected = _by_hand(network, stimulus(x, network.inputs, network.takes))
    for name, values in _left(integer.simulate(network, x)).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_a_batch_is_its_samples() -> None:
    network = quantize(check(networks.two_layers()), targets.load("fpga").formats.of_network())
    x = networks.spikes(3, (20, 5, 20))
    whole = integer.simulate(network, x)
    for b in range(5):
        one = integer.simulate(network, x[:, b : b + 1])
        np.testing.assert_array_equal(one["lif2"][:, 0], whole["lif2"][:, b])


def test_unknown_probe_lists_what_there_is() -> None:
    network = quantize(check(networks.two_layers()), targets.load("fpga").formats.of_network())
    with pytest.raises(UnknownPopulation, match="populations: lif1, lif2"):
        integer.simulate(network, networks.spikes(0, (3, 1, 20)), probe=["lif9"])
