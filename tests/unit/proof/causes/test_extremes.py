"""Faults that carry a number to the end of its register, or a whole population to silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.causes.search import cause
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Dense
from nirdeploy.sim.integer import simulate
from tests.planted import stepped, stimulus
from tests.unit.proof.coverage import small


def _integrators() -> IntegerNetwork:
    """Four integrators with a synaptic current each, that are read."""
    rng, dialect = np.random.default_rng(16), Dialect(dt=1e-3, reset="subtract")
    params: dict[str, Any] = {
        "tau_mem": np.full(4, 5e-3), "tau_syn": np.full(4, 3e-3), "r": np.full(4, 5.0), "v_leak": np.zeros(4),
        "w_in": np.full(4, 3.0),
    }  # fmt: skip
    populations = (
        Population("in0", "Input", (7,), {}, np.zeros(7)),
        Population("p0", "CubaLI", (4,), params, rng.normal(0, 0.1, 4)),
    )
    way = Projection("in0", "p0", Dense(rng.normal(0.1, 0.6, (4, 7))))
    return quantize(CheckedGraph(populations, (way,), ("in0",), {"output": "p0"}, dialect, "argument"), small.FORMATS)


def _with(network: IntegerNetwork, name: str, **changed: Any) -> IntegerNetwork:
    return replace(
        network, populations=tuple(replace(p, **changed) if p.name == name else p for p in network.populations)
    )


def _flipped(values: np.ndarray, neuron: int, bit: int, bits: int) -> np.ndarray:
    new = values.astype(np.int64).copy()
    raw = int(new[neuron]) & ((1 << bits) - 1) ^ (1 << bit)
    new[neuron] = raw - (1 << bits) if raw >> (bits - 1) else raw
    return new


@pytest.mark.parametrize("below", [1, 2, 3])
@pytest.mark.parametrize("field", ["bias", "synapse_bias"])
def test_a_bias_that_saturates_the_membrane_at_once_is_told(field: str, below: int) -> None:
    """Of the highest bits of a register: a step or two after the first the membrane says no more how much it was."""
    network = _integrators()
    bits, population = network.formats.state_bits, network.neurons("p0")
    values = _flipped(np.broadcast_to(getattr(population, field), (4,)), 1, bits - below, bits)
    x = stimulus(network, samples=6)
    found = cause(network, x, simulate(_with(network, "p0", **{field: values}), x))
    assert found.known, found.lines()
    told = [fault for fault in found.faults if field.replace("_", " ") in fault.text]
    assert told, found.lines()
    assert told[0].others is not None
    assert told[0].others[0] <= values[1] <= told[0].others[1]


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize(
    ("of_network", "neurons", "said"),
    [
        ("recurrent", slice(None), "the spikes of all neurons of 'p0' are stuck at {}"),
        ("convolutional", slice(9, 18), "the spikes of channel 1, all of it, of 'p0' are stuck at {}"),
    ],
)
def test_a_population_or_a_channel_that_always_sends_the_same_is_stuck(
    of_network: str, neurons: slice, said: str, value: int
) -> None:
    """Not a bias or threshold of all that is far off: those are more of a coincidence."""

    def sent(z: np.ndarray) -> np.ndarray:
        z = z.copy()
        z[:, neurons] = value
        return z

    network = small.network(of_network)
    x = stimulus(network)
    found = cause(network, x, stepped(network, x, "p0", sent=sent))
    assert found.known
    told = [(fault.kind, fault.text) for fault in found.faults]
    # Of a population of one source, that nothing arrives is no more of a coincidence.
    assert next(text for kind, text in told if kind != "input lost") == said.format(value), found.lines()


def test_a_record_of_nothing_is_said_to_be_of_nothing() -> None:
    network = small.network("read-out")
    x = stimulus(network)
    record = simulate(network, x)
    silent = replace(
        record,
        spikes={name: values * 0 for name, values in record.spikes.items()},
        membrane={name: values * 0 for name, values in record.membrane.items()},
    )
    found = cause(network, x, silent)
    assert found.known
    assert found.faults[0].text == "all that is recorded is stuck at 0"


def test_numbers_that_are_told_are_such_as_registers_hold() -> None:
    """Of neurons that differ: what is added to all leaves none of them more than its register holds."""
    network = small.network("convolutional")
    population, x, most = network.neurons("p0"), stimulus(network), network.formats.state_max
    channel = np.arange(population.size) >= 9
    found = cause(network, x, simulate(_with(network, "p0", bias=population.bias + 2048 * channel), x))
    moved = [f for f in found.faults if f.kind in ("bias", "threshold") and (" more " in f.text or " less " in f.text)]
    assert moved, found.lines()
    for fault in moved:
        values = {"threshold": population.threshold, "bias": population.bias}[fault.kind][channel]
        assert fault.others is not None
        assert values.min() + fault.others[0] >= -most - 1, fault.text
        assert values.max() + fault.others[1] <= most, fault.text


def test_every_kind_that_explains_the_same_is_listed() -> None:
    """A neuron that is silent by its threshold, the only one that spiked: nearly every kind would do that."""
    network = small.network("delayed")
    x, population = stimulus(network), network.neurons("p1")
    threshold = population.threshold + 4096 * (np.arange(3) == 2)
    found = cause(network, x, simulate(_with(network, "p1", threshold=threshold), x))
    kinds = [fault.kind for fault in found.faults]
    assert len(kinds) == 8
    assert "threshold" in kinds, found.lines()
