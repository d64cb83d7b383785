"""Exercised is what the whole simulation shows: a fault is planted, the network simulated, the records compared.

Nothing here looks at neurons alone, as the coverage does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.border import bordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.coverage.faults import SIGNS, planted
from nirdeploy.proof.coverage.judge import Ledger, run
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim.integer import simulate
from tests import networks
from tests.conftest import examples
from tests.unit.proof.coverage.small import KINDS
from tests.unit.proof.coverage.small import network as small

SMALL = (
    networks.graphs(max_size=6, max_layers=3)
    | networks.graphs(max_size=6, max_layers=3, beyond=True)
    | networks.grids(most=40)
    | networks.grids(most=40, beyond=True)
    | networks.encoded(most=40)
)


def differs(a: SpikeRecord, b: SpikeRecord) -> bool:
    """In any cell."""
    pairs = [(a.spikes[name], b.spikes[name]) for name in a.spikes]
    pairs += [(a.membrane[name], b.membrane[name]) for name in a.membrane]
    return any(bool((one != other).any()) for one, other in pairs)


def held_to_the_whole(network: IntegerNetwork, x: Any, most: int, seed: int, bits: int | None) -> tuple[int, int]:
    """Every fault of a ledger against the whole simulation; how many there were, and how many showed."""
    expected, signals = simulate(network, x), run(network, x)
    ledger = Ledger(network, [p.name for p in network.populations], most, seed, bits)
    apart = ledger.news(signals, apart=True)
    ledger.exercise(signals)
    tried = found = 0
    for at, (site, shown) in enumerate(zip(ledger.sites, ledger.shown, strict=True)):
        for row, column in np.argwhere(site.possible):
            faulty = planted(network, site, int(site.which[row]), SIGNS[column] * site.step)
            shows = differs(expected, simulate(faulty, x))
            assert bool(shown[row, column]) == shows, (site.population, site.kind, site.which[row], SIGNS[column])
            assert bool(apart[at][row, column].any()) == shows
            tried, found = tried + 1, found + shows
    return tried, found


@pytest.mark.law
@settings(max_examples=examples(40))
@given(SMALL, st.integers(0, 9999), st.sampled_from([None, None, 3, 5]))
def test_a_parameter_is_exercised_where_its_fault_changes_what_is_compared(
    graph: CheckedGraph, seed: int, bits: int | None
) -> None:
    try:
        network = quantize(bordered(graph), Formats(4, 16, 12, 6))
    except DoesNotFit:
        assume(False)
    held_to_the_whole(network, networks.stimulus(graph, seed, steps=10), 4, seed, bits)


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_of_a_small_network(kind: str) -> None:
    """None is drawn: all weights, thresholds, resets, biases, decays and delays, up and down."""
    network = small(kind)
    shape = network.inputs[0][1]
    tried, found = held_to_the_whole(network, networks.spikes(3, (12, 2, *shape), rate=0.4), 10_000, 0, None)
    assert 10 < found < tried - 10
