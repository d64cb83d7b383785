"""Mutation testing: 300 planted faults on six networks, run on a stimulus that was made for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nirdeploy.proof.coverage.faults import SIGNS, planted
from nirdeploy.proof.coverage.judge import Ledger, run
from nirdeploy.proof.coverage.search import stimulus_for
from nirdeploy.proof.verify import verify
from nirdeploy.sim.integer import simulate
from tests.unit.proof.coverage.small import KINDS, network

FAULTS = 50  # of each network


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_red_or_said_not_to_be_exercised(kind: str) -> None:
    good = network(kind)
    made = stimulus_for(good, steps=24, samples=6, rounds=6, seed=1)
    assert made.coverage.percent is not None
    assert made.coverage.percent > 40
    ledger = Ledger(good, [p.name for p in good.populations])
    ledger.exercise(run(good, made.x))
    assert ledger.coverage().exercised == made.coverage.exercised
    every = [(at, *where) for at, site in enumerate(ledger.sites) for where in np.argwhere(site.possible).tolist()]
    expected = simulate(good, made.x)
    red = 0
    for number in np.random.default_rng(7).choice(len(every), FAULTS, replace=False):
        at, row, column = every[number]
        site = ledger.sites[at]
        faulty = planted(good, site, int(site.which[row]), SIGNS[column])
        measured = replace(simulate(faulty, made.x), source="device", manifest=expected.manifest)
        verdict = verify(expected, measured)
        assert verdict.equal != bool(ledger.shown[at][row, column]), (site.population, site.kind, row, SIGNS[column])
        if verdict.equal:
            assert not ledger.exercised(at)[row]
        red += not verdict.equal
    assert red > FAULTS // 4
