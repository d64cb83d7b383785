"""Networks larger than the chip, played by the board from its external memory: the same record as passes by the host."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.errors import DeviceMismatch, DoesNotFit, TransferError
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target
from tests import networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.unit.device.models import ModelPort


def small(**hardware: int) -> Target:
    sizes = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "segments": 1024, "spike_words": 32}
    return targets.load("fpga").with_hardware(**{**sizes, "out_words": 128, "external": 1, **hardware})


TARGET = small()


@cache
def built(target: Target = TARGET) -> nd.Build:
    """250 inputs are too many for the weight memory, 60 neurons for the bitmaps of their sums."""
    return nd.build(networks.two_layers(sizes=(250, 60, 5)), target)


def device(target: Target = TARGET) -> Device:
    return Device(ModelPort(DeviceModel(target)))


X = networks.spikes(0, (4, 3, 250))


def test_a_run_on_the_board_equals_the_integer_simulator() -> None:
    told: list[tuple[int, int]] = []
    passes: list[tuple[int, int]] = []
    with device() as there:
        measured = nd.run(
            there,
            X,
            image=built().image,
            progress=lambda done, total: told.append((done, total)),
            on_pass=lambda *now: passes.append(now),
        )
    verdict = nd.verify(nd.simulate(built(), X), measured)
    assert verdict.equal, verdict.summary()
    assert verdict.cells == 4 * 3 * 65
    assert measured.stats["batches"] == 1
    tiles = sum(one.wiring.tiles for one in built().image.passes if one.wiring)
    assert measured.stats["steps"] == 4 * 3 * tiles
    assert told[-1] == (3 * tiles, 3 * tiles)
    assert told == sorted(told)
    assert passes == sorted(passes)


@pytest.mark.law
@settings(max_examples=examples(12))
@given(
    graph=networks.graphs(max_size=40, max_layers=3)
    | networks.graphs(max_size=40, max_layers=3, beyond=True)
    | networks.grids(most=120)
    | networks.encoded(most=90),
    rows=st.sampled_from([64, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_board_host_and_integer_simulator_agree(graph: CheckedGraph, rows: int, seed: int) -> None:
    board, host = small(weight_rows=rows, neurons=32), small(weight_rows=rows, neurons=32, external=0)
    try:
        made, by_host = nd.build(graph, board), nd.build(graph, host)
    except DoesNotFit:
        reject()
    x = networks.stimulus(graph, seed, steps=4)
    with device(board) as there:
        nd.flash(made, there)
        measured = nd.run(there, x)
    with device(host) as there:
        nd.flash(by_host, there)
        expected = nd.run(there, x)
    assert nd.verify(nd.simulate(made, x), measured, allow_silent=True).equal
    assert nd.verify(expected, measured, allow_silent=True).equal
    assert measured.stats["saturations"] == expected.stats["saturations"]
