"""Aimed samples: the membrane comes where it is wanted, and what was before is left as it is."""

from __future__ import annotations

import numpy as np
import pytest

from nirdeploy.proof.coverage.aim import Aim, Target, aimable
from nirdeploy.proof.coverage.candidates import Candidates
from nirdeploy.proof.coverage.judge import run
from nirdeploy.sim.integer import compared
from tests.unit.proof.coverage.small import network

STEPS = 30


@pytest.mark.parametrize(("kind", "least"), [("dense", 6), ("convolutional", 3), ("delayed", 6)])
def test_membranes_come_to_their_thresholds(kind: str, least: int) -> None:
    """A kernel's few weights leave fewer sums to choose from."""
    good, rng, name = network(kind), np.random.default_rng(0), "p0"
    candidates = Candidates(good, STEPS, rng)
    aim, population = Aim(good, candidates, rng), good.neurons(name)
    size = int(np.prod(good.inputs[0][1]))
    hits = 0
    for number in range(12):
        sample = candidates.fresh({"in0": np.zeros(size)})
        target = Target(name, number % population.size, bool(number % 2))
        tried, at = aim.aimed(sample, run(good, candidates.stimulus([sample])), target, 8, 16)
        assert 8 < at < STEPS
        for one in tried:
            assert (one["in0"][:8] == sample["in0"][:8]).all()
            assert (one["in0"][at + 1 :] == sample["in0"][at + 1 :]).all()
        wanted = population.threshold[target.neuron] + target.above
        if tried:
            hits += bool((compared(good, candidates.stimulus(tried), name)[at, :, target.neuron] == wanted).any())
    assert hits >= least


def test_what_reads_inputs_as_they_are_can_be_aimed_at() -> None:
    found = {kind: sorted(aimable(network(kind))) for kind in ("dense", "recurrent", "pooled", "read-out")}
    assert found == {"dense": ["p0"], "recurrent": ["p0"], "pooled": [], "read-out": ["p0"]}
