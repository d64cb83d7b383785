"""Counted events: against loops over every step, sample and weight, and their laws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import UsageProblem
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.energy.events import Counts, Events, count, operations
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.neuron import SPIKING
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Pool
from tests import networks
from tests.conftest import examples

FORMATS = nd.Formats(8, 24, 24, 12)
SMALL = networks.grids(most=60) | networks.graphs(max_size=10, max_layers=3) | networks.graphs(max_size=8, beyond=True)
#: Fields that do not depend on spikes: neurons x steps.
HELD = ("updates", "update_multiplications", "parameter_bits")


def taps(way: Dense | Elementwise | Convolution | Pool) -> Iterator[tuple[int, int]]:
    """(input, output) of every weight that is not 0, a convolution's as often as it is used."""
    if isinstance(way, Pool):
        way = way.as_convolution()
    if isinstance(way, Elementwise):
        yield from ((i, i) for i, weight in enumerate(way.weight.tolist()) if weight)
    elif isinstance(way, Dense):
        for output, row in enumerate(way.weight.tolist()):
            yield from ((i, output) for i, weight in enumerate(row) if weight)
    else:
        _, rows, columns = way.out_shape
        channels, height, width = way.shape
        per_group, out_per_group = channels // way.groups, len(way.weight) // way.groups
        for (o, c, y, x), weight in np.ndenumerate(way.weight):
            channel = o // out_per_group * per_group + c
            for row in range(rows):
                for column in range(columns):
                    up = row * way.stride[0] + y * way.dilation[0] - way.padding[0][0]
                    left = column * way.stride[1] + x * way.dilation[1] - way.padding[1][0]
                    if weight and 0 <= up < height and 0 <= left < width:
                        yield (channel * height + up) * width + left, (o * rows + row) * columns + column


def by_loops(network: IntegerNetwork, record: SpikeRecord, x: Any) -> dict[str, list[int]]:
    """Additions and multiplications into each population, of all samples."""
    stimulus = x if isinstance(x, dict) else {network.inputs[0][0]: x}
    found = {p.name: [0, 0] for p in network.populations}
    for p in network.projections:
        sent = np.asarray(stimulus[p.source] if p.source in stimulus else record.spikes[p.source])
        taken = np.bincount([i for i, _ in taps(p.operator)], minlength=p.operator.inputs)
        if p.pool is not None:
            pooled = np.zeros(p.pool.inputs, dtype=np.int64)
            for i, output in taps(p.pool):
                pooled[i] += taken[output]
            taken = pooled
        for value, index in ((v, i) for step in sent.reshape(-1, p.inputs).tolist() for i, v in enumerate(step) if v):
            found[p.target][value != 1] += int(taken[index])
    return found


@pytest.mark.law
@settings(max_examples=examples(40))
@given(graph=SMALL, seed=st.integers(0, 1000))
def test_operations_are_those_of_a_loop(graph: CheckedGraph, seed: int) -> None:
    network = nd.quantize(graph, FORMATS)
    x = networks.stimulus(graph, seed, steps=6)
    record = nd.simulate(network, x)
    counted, expected = count(network, record, x), by_loops(network, record, x)
    for name, (additions, multiplications) in expected.items():
        events = counted.loads[name].events
        assert events.additions * record.samples == pytest.approx(additions)
        assert events.multiplications * record.samples == pytest.approx(multiplications)
        assert events.weight_bits == pytest.approx(8 * events.operations)
    assert operations(network, record, x) == pytest.approx(counted.total.operations * record.samples)


@pytest.mark.law
@settings(max_examples=examples(25))
@given(graph=SMALL, seed=st.integers(0, 1000))
def test_what_does_not_depend_on_weights(graph: CheckedGraph, seed: int) -> None:
    network = nd.quantize(graph, FORMATS)
    x = networks.stimulus(graph, seed, steps=5, batch=3)
    record = nd.simulate(network, x)
    counted = count(network, record, x)
    assert (counted.steps, counted.samples) == (5, 3)
    for p in network.populations:
        events = counted.loads[p.name].events
        assert events.updates == 5 * p.size
        if p.spiking:
            reads = sum(q.source == p.name for q in network.projections)
            sent = np.count_nonzero(record.spikes[p.name]) / 3
            assert events.spikes == pytest.approx(record.spikes[p.name].sum() / 3)
            assert events.sent == pytest.approx(sent)
            assert events.addresses == pytest.approx(sent * (1 + reads))
            assert 2 ** (events.address_bits / max(events.addresses, 1)) <= 2 * p.size
    spiking = [p for p in network.populations if p.spiking]
    sizes = sum(p.size for p in spiking)
    total = sum(int(record.spikes[p.name].sum()) for p in spiking)
    assert counted.rate == pytest.approx(total / (3 * 5 * sizes) if sizes else 0)


@pytest.mark.law
@settings(max_examples=examples(25))
@given(graph=SMALL, seed=st.integers(0, 1000))
def test_the_total_is_the_sum_of_the_populations_and_of_the_samples(graph: CheckedGraph, seed: int) -> None:
    network = nd.quantize(graph, FORMATS)
    x = networks.stimulus(graph, seed, steps=4, batch=3)
    record = nd.simulate(network, x)
    counted = count(network, record, x)
    for field in fields(Events):
        loads = sum(getattr(load.events, field.name) for load in counted.loads.values())
        assert getattr(counted.total, field.name) == pytest.approx(loads)
    first, rest = (count(network, _samples(record, part), _of(x, part)) for part in (slice(0, 1), slice(1, 3)))
    for field in fields(Events):
        both = getattr(first.total, field.name) + 2 * getattr(rest.total, field.name)
        assert 3 * getattr(counted.total, field.name) == pytest.approx(both)


@pytest.mark.law
@settings(max_examples=examples(25))
@given(graph=networks.grids(most=60) | networks.graphs(max_size=10), seed=st.integers(0, 1000))
def test_counts_are_linear_in_spikes(graph: CheckedGraph, seed: int) -> None:
    """Of spikes that are split into two records at random; what is not of spikes is there in both."""
    network, rng = nd.quantize(graph, FORMATS), np.random.default_rng(seed)
    x = networks.stimulus(graph, seed, steps=4)
    record = nd.simulate(network, x)
    given_ = x if isinstance(x, dict) else {network.inputs[0][0]: x}
    whose = {name: rng.random(values.shape) < 0.5 for name, values in {**given_, **record.spikes}.items()}

    def part(second: bool) -> Counts:
        spikes = {name: values * (whose[name] == second) for name, values in record.spikes.items()}
        sent = {name: values * (whose[name] == second) for name, values in given_.items()}
        return count(network, replace(record, spikes=spikes), sent)

    halves, whole = part(False).total + part(True).total, count(network, record, x).total
    still = 2 * sum(_idle_additions(p.model) * p.size for p in network.populations) * 4
    for field in fields(Events):
        twice = getattr(whole, field.name) * (1 + (field.name in HELD))
        twice += still / 2 if field.name == "update_additions" else 0
        assert getattr(halves, field.name) == pytest.approx(twice)


def _idle_additions(model: str) -> int:
    return 2 + model.startswith("Cuba") + (model in SPIKING)


def test_a_network_in_floats_is_counted_in_numbers_of_32_bits() -> None:
    built = nd.build(networks.two_layers(sizes=(6, 5, 3)), stop="check")
    x = networks.spikes(1, (4, 2, 6))
    counted = count(built.graph, nd.simulate(built.graph, x), x)
    assert counted.total.weight_bits == 32 * counted.total.operations
    assert counted.total.operations > 0
    first = counted.loads["lif1"]
    assert first.events.additions == 5 * x.sum() / 2
    assert (first.stored_weights, first.stored_states, first.stored_parameters) == (30 * 32, 5 * 32, 5 * 4 * 32)
    assert first.events.parameter_bits == 4 * 5 * 4 * 32
    assert first.events.update_additions == 4 * 5 * 3 + first.events.spikes
    assert counted.loads["input"].events.address_bits == 2 * 3 * x.sum() / 2


def test_numbers_are_multiplied_and_ones_are_added() -> None:
    built = nd.build(networks.two_layers(sizes=(3, 2, 2)), input_bits=3)
    x = np.array([[[0, 1, 5]], [[7, 1, 0]]], dtype=np.uint8)
    events = count(built.network, nd.simulate(built, x), x).loads["lif1"].events
    assert (events.additions, events.multiplications) == (4, 4)


def test_what_is_missing_is_said() -> None:
    built = nd.build(networks.two_layers(sizes=(6, 5, 3)), stop="quantize")
    x = networks.spikes(1, (4, 2, 6))
    outputs = nd.simulate(built, x, "outputs")
    with pytest.raises(UsageProblem, match=r"no spikes of 'lif1', .*record all populations"):
        count(built.network, outputs, x)
    hidden = nd.simulate(built, x, ["lif1"])
    assert operations(built.network, hidden, x) > 0
    with pytest.raises(UsageProblem, match="no spikes of 'lif2'"):
        count(built.network, hidden, x)
    with pytest.raises(UsageProblem, match="no samples or no steps"):
        count(built.network, _samples(nd.simulate(built, x), slice(0, 0)), x[:, :0])


def _samples(record: SpikeRecord, part: slice) -> SpikeRecord:
    kept = {name: values[:, part] for name, values in record.spikes.items()}
    return replace(record, spikes=kept, membrane={name: values[:, part] for name, values in record.membrane.items()})


def _of(x: Any, part: slice) -> Any:
    return {name: values[:, part] for name, values in x.items()} if isinstance(x, dict) else x[:, part]
