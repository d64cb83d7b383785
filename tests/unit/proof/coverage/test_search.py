"""A made stimulus: what it takes, that it can be made again, and when the search ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.quantize import quantize
from nirdeploy.proof.coverage.judge import DEAD, SOURCE
from nirdeploy.proof.coverage.search import stimulus_for
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.semantics.operators import Dense
from tests import networks
from tests.unit.proof.coverage.small import FORMATS, network


def test_the_same_seed_and_rounds_give_the_same_stimulus() -> None:
    good = network("dense")
    first, again = (stimulus_for(good, steps=12, samples=3, seed=5) for _ in range(2))
    assert first.rounds == again.rounds
    assert first.x.tobytes() == again.x.tobytes()
    other = stimulus_for(good, steps=12, samples=3, seed=6)
    assert other.x.tobytes() != first.x.tobytes()


@pytest.mark.parametrize("none", [{"steps": 0}, {"samples": 0}, {"steps": -3}, {"rounds": 0}, {"seed": -1}])
def test_a_stimulus_of_nothing_is_refused(none: dict[str, int]) -> None:
    with pytest.raises(UsageProblem, match=f"{next(iter(none))}=.* makes no stimulus; give . at least"):
        stimulus_for(network("dense"), **none)  # type: ignore[arg-type]


def test_fewer_rounds_are_the_beginning_of_more() -> None:
    """So that a search which the clock ended is one of fewer rounds."""
    good = network("recurrent")
    few, more = (stimulus_for(good, steps=12, samples=8, seed=5, rounds=rounds) for rounds in (2, 4))
    assert (more.x[:, : few.x.shape[1]] == few.x).all()
    assert few.ended == "2 rounds are over"


def test_it_exercises_more_than_as_many_random_samples() -> None:
    good = network("convolutional")
    made = stimulus_for(good, steps=24, samples=8, seed=0)
    drawn = nd.coverage(good, networks.spikes(0, (24, 8, 1, 6, 6)))
    assert made.coverage.exercised > drawn.exercised
    assert made.coverage.exercised == nd.coverage(good, made.x).exercised


def test_it_ends_where_enough_is_exercised() -> None:
    made = stimulus_for(network("read-out"), steps=24, samples=50, cover=50)
    assert made.ended == "what was asked for is exercised"
    assert made.coverage.reaches(50)
    assert made.coverage.samples < 50


def test_coarser_faults_are_easier_to_exercise() -> None:
    good = network("dense")
    fine, coarse = (stimulus_for(good, steps=24, samples=6, bits=bits).coverage for bits in (None, 4))
    assert coarse.exercised > fine.exercised
    assert coarse.parameters == fine.parameters


@pytest.mark.parametrize("held", [InputEncoding(4), InputEncoding.of_range(5, -1.0, 2.0)])
def test_numbers_are_those_that_the_input_takes(held: InputEncoding) -> None:
    good = encoded(held)
    made = stimulus_for(good, steps=16, samples=4, seed=2)
    assert held.holds(made.x)
    assert len(np.unique(made.x)) > 8
    (source,) = made.coverage.inputs
    assert source.possible == 1 << held.bits
    assert source.codes == len(np.unique(made.x))


def encoded(held: InputEncoding) -> IntegerNetwork:
    from nirdeploy.graph.check import CheckedGraph
    from nirdeploy.graph.parts import Population, Projection
    from nirdeploy.semantics.dialect import Dialect

    params = {"r": np.full(4, 1000.0), "v_threshold": np.full(4, 2.0), "v_reset": np.zeros(4)}
    populations = (
        Population("in0", "Input", (5,), {}, np.zeros(5)),
        Population("p0", "IF", (4,), params, np.zeros(4)),
    )
    weight = np.random.default_rng(0).normal(0.3, 0.4, (4, 5))
    way = (Projection("in0", "p0", Dense(weight)),)
    graph = CheckedGraph(
        populations, way, ("in0",), {"output": "p0"}, Dialect(dt=1e-3), "argument", encodings={"in0": held}
    )
    return quantize(graph, FORMATS)


def test_what_cannot_be_exercised_is_said() -> None:
    """A neuron behind weights that are all 0, and what reads it."""
    good = network("dense")
    first, second = good.projections
    weight = first.weight.copy()
    weight[2] = 0
    dead = replace(first, operator=Dense(weight))
    still = replace(good.neurons("p0"), bias=np.zeros(6, dtype=np.int64))
    deaf = replace(good, projections=(dead, second), populations=(still, good.populations[1]))
    made = stimulus_for(deaf, steps=12, samples=4)
    population = next(p for p in made.coverage.populations if p.population == "p0")
    assert 3 < population.fired < 6
    assert {part.kind: part.left.get(DEAD, 0) for part in population.parts}["threshold"] == 1
    after = next(p for p in made.coverage.populations if p.population == "p1")
    assert next(part for part in after.parts if part.kind == "weights").left[SOURCE] == 3 * (6 - population.fired)
    assert any(DEAD in line for line in made.coverage.missing())
