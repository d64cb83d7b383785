"""Placement: every neuron once, no core over a limit, and clear words where it does not fit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.fpga import packing
from nirdeploy.backends.fpga.placement import place
from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.quantize import quantize
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution
from nirdeploy.targets import fitting
from nirdeploy.targets import registry as targets
from nirdeploy.targets.placement import Placement, validate
from tests import networks
from tests.conftest import examples


@pytest.mark.law
@settings(max_examples=examples(60))
@given(
    graph=networks.graphs(max_size=200) | networks.graphs(max_size=200, beyond=True),
    cores=st.integers(1, 6),
    lanes=st.sampled_from([8, 32, 64]),
    rows=st.sampled_from([512, 2048, 16384]),
)
def test_whatever_is_placed_is_placed_rightly(graph: CheckedGraph, cores: int, lanes: int, rows: int) -> None:
    target = targets.load("fpga").with_hardware(cores=cores, lanes=lanes, weight_rows=rows, neurons=1024)
    fit = fitting.fit(graph, target)
    if fit.problems:
        return  # the examples that fit are the ones of this law; the messages have tests of their own
    network, placement = fit.network, fit.placement
    assert network is not None
    assert placement is not None
    targets.backend_of(target).validate(placement, network, target)
    if placement.passes:
        return  # so are those that fit at once
    validate(placement, network)
    assert sum(s.count for s in placement.slices) == sum(p.size for p in network.populations)
    assert len({s.group for s in placement.slices}) == len(placement.slices)
    words = [
        part.address + word
        for readout in packing.readouts(fit.plan.floorplan, target)
        for part in readout.parts
        for word in range(math.ceil(part.bits / 32) if readout.kind == "spikes" else part.count)
    ]
    assert len(set(words)) == len(words)


def test_a_large_layer_is_spread_over_the_cores() -> None:
    target = targets.load("fpga")
    network = quantize(check(networks.two_layers(sizes=(64, 128, 10))), target.formats.of_network())
    placement, _ = place(network, target)
    assert sorted(s.core for s in placement.of("lif1")) == [0, 1, 2, 3]
    cycles = [core.cycles for core in placement.cores]
    assert max(cycles) < 3 * min(cycles)


def test_too_large_says_by_how_much_and_where() -> None:
    target = targets.load("fpga").with_hardware(cores=1, weight_rows=64, neurons=64)
    network = quantize(check(networks.two_layers(sizes=(40, 100, 10))), target.formats.of_network())
    with pytest.raises(DoesNotFit) as caught:
        place(network, target)
    text = str(caught.value)
    assert "160 neurons ('lif1' alone 128), 64 there are" in text
    assert "384 weight rows ('lif1' alone 256), 64 there are" in text
    assert "128 weight rows for one line of 'lif2', 64 a core can hold" in text


@pytest.mark.parametrize(
    ("shape", "said"),
    [((1, 1, 5000), "the map of 'in' is 5,000 columns wide"), ((32, 1, 2100), "a line of it 67,200 bits")],
)
def test_a_map_wider_than_the_words_of_a_job(shape: tuple[int, int, int], said: str) -> None:
    """Whatever the memories hold: it would be read as a narrower one."""
    hardware = {"neurons": 65536, "spike_words": 16384, "out_words": 32768}
    target = targets.load("fpga").with_hardware(**hardware)
    made = (1, 1, 10)
    kernel = Convolution(np.ones((1, shape[0], 1, 3)), shape, stride=(1, (shape[2] - 3) // 9))
    params = {"r": np.ones(made), "v_threshold": np.ones(made), "v_reset": np.zeros(made)}
    graph = CheckedGraph(
        (
            Population("in", "Input", shape, {}, np.zeros(shape)),
            Population("out", "IF", made, params, np.zeros(made)),
        ),
        (Projection("in", "out", kernel),),
        *(("in",), {"output": "out"}, Dialect(dt=1.0), "argument"),
    )
    with pytest.raises(DoesNotFit) as caught:
        place(targets.backend_of(target).rounded(graph, target), target)
    problems = caught.value.problems
    assert any(said in str(problem) for problem in problems), problems
    assert "use a narrower map" in str(problems[0])
    assert nd.fit(graph, target).fits  # in passes, which see a part of it each


def test_save_and_load(tmp_path: Path) -> None:
    target = targets.load("fpga")
    placement, _ = place(quantize(check(networks.two_layers()), target.formats.of_network()), target)
    placement.save(tmp_path / "p.npz")
    assert Placement.load(tmp_path / "p.npz") == placement
    assert Placement.load(tmp_path / "p.npz").digest() == placement.digest()
