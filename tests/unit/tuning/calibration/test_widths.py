"""Bits within a memory: those that lose least of all that fit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.errors import DoesNotFit, UsageProblem
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.precision import with_bits
from nirdeploy.targets import registry
from nirdeploy.targets.fitting import rounded
from nirdeploy.tuning.calibration.task import Loss, Task
from nirdeploy.tuning.calibration.widths import Memory, Sensitivity, _least, parse, sensitivities, within
from tests import networks
from tests.conftest import examples

TARGET = registry.load("fpga")


def _task(graph: CheckedGraph) -> Task:
    return Task.of(graph, networks.spikes(3, (8, 16, 20)))


def test_what_the_command_line_says() -> None:
    assert parse("auto:60%") == Memory(part=0.6)
    assert parse("auto:40KB") == Memory(40_000)
    assert parse("auto:1.5 kib") == Memory(1536)
    assert parse("auto:700") == Memory(700)
    assert parse("fc1=4") == {"fc1": 4}
    for text in ("auto:", "auto:much", "auto:0%", "auto:-3KB", "auto:3GB"):
        with pytest.raises(UsageProblem, match=r"--bits auto:.*auto:60%"):
            parse(text)


@pytest.mark.law
@settings(max_examples=examples(60))
@given(data=st.data())
def test_the_least_of_all_that_fit_is_found(data: st.DataObject) -> None:
    names = [f"p{i}" for i in range(data.draw(st.integers(1, 4)))]
    sizes = {name: data.draw(st.integers(1, 50)) for name in names}
    found = [Sensitivity(name, bits, Loss(0, data.draw(st.floats(0, 1)))) for name in names for bits in (2, 4, 8)]
    limit = data.draw(st.integers(2 * sum(sizes.values()), 8 * sum(sizes.values())))
    lost = {(one.population, one.bits): one.loss.value for one in found}
    ways = [dict(zip(names, bits, strict=True)) for bits in itertools.product((2, 4, 8), repeat=len(names))]
    fit = [way for way in ways if sum(sizes[name] * bits for name, bits in way.items()) <= limit]
    least = min(sum(lost[one] for one in way.items()) for way in fit)
    first, *others = _least(sizes, found, limit)
    assert sum(lost[one] for one in first.items()) == pytest.approx(least)
    assert all(way in fit for way in (first, *others))


@pytest.mark.parametrize("part", [0.3, 0.5, 0.6, 0.9, 1.0])
def test_the_memory_is_kept_to(part: float) -> None:
    graph = check(networks.two_layers())
    whole = nd.build(graph, "fpga", bits=8, stop="quantize").network.weight_memory
    bits = within(Memory(part=part), graph, TARGET, _task(graph))
    assert rounded(with_bits(graph, bits), TARGET).weight_memory <= part * whole
    assert set(bits.values()) <= {2, 4, 8}
    assert part < 1.0 or set(bits.values()) == {8}


def test_the_layer_that_minds_gets_the_bits() -> None:
    """Weights of a layer that lie on a coarse grid lose nothing there."""
    nir_graph = networks.two_layers(sizes=(20, 30, 5))
    weight = nir_graph.nodes["fc1"].weight
    nir_graph.nodes["fc1"].weight = np.sign(weight) * (np.abs(weight) > 0.1) * 0.2
    graph = check(nir_graph)
    bits = within(Memory(part=0.45), graph, TARGET, _task(graph))
    assert bits["lif1"] == 2
    assert bits["lif2"] > 2
    rows = {(one.population, one.bits): one.loss.value for one in sensitivities(graph, TARGET, _task(graph))}
    assert rows["lif1", 2] == rows["lif1", 8]
    assert rows["lif2", 2] > rows["lif2", 8]


def test_a_memory_that_is_too_small_says_what_is_enough() -> None:
    graph = check(networks.two_layers())
    with pytest.raises(DoesNotFit, match=r"750 weights take 188 bytes.*100 are allowed.*auto:188"):
        within(Memory(100), graph, TARGET, _task(graph))
    with pytest.raises(UsageProblem, match="one width, 8 bits"):
        within(Memory(part=0.5), graph, registry.load("xylo_a2"), _task(graph))
