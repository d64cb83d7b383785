"""nd.energy: a range over published models, of a board's time or of a chip's operations, labelled as what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.device.encoding import encode_samples
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.proof.energy.models import of_tables
from nirdeploy.proof.energy.published import published
from nirdeploy.targets.image import stimulus_of
from nirdeploy.targets.registry import backend_of
from tests import networks
from tests.conftest import examples

TABLES = [model.name for model in of_tables()]


@pytest.fixture(scope="module")
def built() -> nd.Build:
    return nd.build(networks.two_layers(sizes=(40, 20, 4)))


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return networks.spikes(1, (5, 3, 40))


def test_a_board_draws_power_for_its_time(built: nd.Build, x: np.ndarray) -> None:
    record = nd.simulate(built, x)
    found = nd.energy(built, record, x)
    assert [one.model for one in found.estimates] == [*TABLES, "boards' power x time"]
    board, on_board = found.estimates[-1], found.on_board
    assert on_board is not None
    sent = np.count_nonzero(x) + sum(np.count_nonzero(spikes) for spikes in record.spikes.values())
    activity = sent / (3 * 5 * (40 + 20 + 4))
    figures = backend_of(built.target).estimate(built.network, built.placement, built.plan, built.target, activity)
    assert on_board.seconds == pytest.approx(5e-6 * float(figures["step_us"]))
    assert (board.low, board.high) == pytest.approx((0.111 * on_board.seconds, 1.5 * on_board.seconds))
    assert on_board.bus_words == 5 * (2 + 1 + 1)  # 40, 20 and 4 bits in words of 32
    streams = encode_samples(built.image, stimulus_of(built.image, x))
    assert on_board.link_bytes == pytest.approx(sum(map(len, streams)) / 3)


def test_the_cycles_that_a_device_counted_go_before_an_estimate(built: nd.Build, x: np.ndarray) -> None:
    record = replace(nd.simulate(built, x), stats={"busy_cycles": 36_000.0})
    on_board = nd.energy(built, record, x).on_board
    assert on_board is not None
    assert on_board.seconds == pytest.approx(36_000 / 3 / 12e6)


def test_a_chip_takes_for_operations_what_chips_take(x: np.ndarray) -> None:
    built = nd.build(networks.two_layers(sizes=(40, 20, 4)), "loihi2")
    found = nd.energy(built, nd.simulate(built, x), x)
    *_, chips, own = found.estimates
    total = found.counts.total
    assert [one.model for one in found.estimates] == [*TABLES, "chips' operations", "Loihi 2 (Intel), one chip"]
    assert (chips.low, chips.high) == pytest.approx((1.54e-12 * total.operations, 26e-12 * total.operations))
    assert own.low == own.high == pytest.approx(1e-12 * (23.6 * total.operations + 81 * 5 * 24))
    assert "Davies et al., IEEE Micro 38(1), 2018" in own.source
    assert found.on_board is None


@pytest.mark.parametrize("of", ["graph", "network", "build"])
def test_what_stands_nowhere_has_tables_alone(of: str, x: np.ndarray) -> None:
    built = nd.build(networks.two_layers(sizes=(40, 20, 4)), stop="quantize")
    what: Any = {"graph": built.graph, "network": built.network, "build": built}[of]
    found = nd.energy(what, nd.simulate(what, x), x)
    assert [one.model for one in found.estimates] == TABLES
    assert len(TABLES) >= 3


@pytest.mark.law
@settings(max_examples=examples(20))
@given(graph=networks.grids(most=60) | networks.graphs(max_size=10), seed=st.integers(0, 1000))
def test_the_range_holds_every_model(graph: CheckedGraph, seed: int) -> None:
    network = nd.quantize(graph, nd.Formats(8, 24, 24, 12))
    x = networks.stimulus(graph, seed, steps=4)
    found = nd.energy(network, nd.simulate(network, x), x)
    assert min(one.low for one in found.estimates) == found.low
    assert max(one.high for one in found.estimates) == found.high
    assert all(found.low <= one.low <= one.high <= found.high for one in found.estimates)
    assert 0 <= found.low < found.high


def test_silence_is_said(built: nd.Build, x: np.ndarray) -> None:
    quiet = np.zeros_like(x)
    none = replace(nd.simulate(built, x), spikes={"lif1": np.zeros((5, 3, 20)), "lif2": np.zeros((5, 3, 4))})
    assert nd.energy(built, none, x).warnings == ("nothing spiked: the energy is that of inputs and updates alone",)
    silent = nd.energy(built, none, quiet)
    assert silent.warnings == ("no spike and no number was taken by any synapse: the energy is that of updates alone",)
    assert 0 == silent.estimates[0].high < silent.high
    assert nd.energy(built, nd.simulate(built, x), x).warnings == ()


def test_what_is_told(built: nd.Build, x: np.ndarray) -> None:
    found = nd.energy(built, nd.simulate(built, x), x)
    told = found.as_dict()
    assert told["label"] == "modelled, not measured"
    assert (told["low_joules"], told["high_joules"]) == (found.low, found.high)
    assert [one["model"] for one in told["models"]] == [one.model for one in found.estimates]
    assert all(one["source"] and one["low"] <= one["high"] for one in told["models"])
    assert told["events"]["spike_rate"] == found.counts.rate > 0
    assert list(told["events"]["populations"]) == ["input", "lif1", "lif2"]
    assert told["events"]["total"]["operations"] == found.counts.total.operations
    assert len(published().powers) >= 5
