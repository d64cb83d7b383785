"""Planted faults of every kind in networks of every kind: the cause is told. ``benchmarks/causes.py`` plants ten times
as many."""

from __future__ import annotations

import pytest

from nirdeploy.proof.causes.search import cause
from tests.planted import KINDS, devices, stimulus
from tests.unit.proof.coverage import small

#: What may be told wrongly of the sixty: a fault that shows in a cell or two looks like many.
WRONG_KINDS, WRONG_AMONG = 6, 3


def test_the_population_and_the_kind_are_told() -> None:
    planted, wrong, missing = 0, [], []
    for of_network in small.KINDS:
        network = small.network(of_network)
        x = stimulus(network)
        for kind in KINDS:
            for device in devices(network, x, kind, 1, seed=3):
                planted += 1
                found = cause(network, x, device.record)
                told = [(fault.kind, fault.population) for fault in found.faults]
                what = (of_network, device.population, kind, device.text, *found.lines())
                assert (told[0][1] if found.known else found.population) == device.population, what
                if not found.known or (kind, device.population) != told[0]:
                    wrong.append(what)
                if not found.known or (kind, device.population) not in told:
                    missing.append(what)
                if found.known:
                    assert found.faults[0].explains == found.differing
    assert planted == len(small.KINDS) * len(KINDS)
    assert len(wrong) <= WRONG_KINDS, wrong
    assert len(missing) <= WRONG_AMONG, missing


@pytest.mark.parametrize("of_network", small.KINDS)
def test_a_device_as_it_should_be_has_no_cause(of_network: str) -> None:
    from nirdeploy.sim.integer import simulate

    network = small.network(of_network)
    x = stimulus(network, samples=4)
    found = cause(network, x, simulate(network, x))
    assert not found
    assert found.differing == 0
    assert found.lines() == ["no cell differs, there is nothing to explain"]
