"""Which trials there are: each once, and within a memory those that should lose least."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.precision import with_bits
from nirdeploy.targets import registry
from nirdeploy.targets.fitting import rounded
from nirdeploy.tuning.calibration.task import Task
from nirdeploy.tuning.trials.plan import MEMORIES, Plan
from nirdeploy.tuning.trials.trial import Bits, Job, Outcome
from tests import networks
from tests.conftest import examples


def test_every_width_and_each_population_alone() -> None:
    plan = Plan({"a": 10, "b": 30}, (2, 4, 8))
    assert plan.first() == [
        {},
        *({"a": width, "b": width} for width in (2, 4, 8)),
        *({"a": width, "b": 8} for width in (2, 4)),
        *({"a": 8, "b": width} for width in (2, 4)),
    ]
    assert plan.limits()[0] == 80
    assert plan.limits()[-1] == 320
    assert len(plan.limits()) == MEMORIES


def test_one_population_or_one_width() -> None:
    assert Plan({"a": 10}, (2, 4)).first() == [{}, {"a": 2}, {"a": 4}]
    alone = Plan({"a": 10, "b": 3}, (8,))
    assert alone.first() == [{}, {"a": 8, "b": 8}]
    assert alone.limits() == []
    assert alone.second(lambda bits: Outcome(bits, loss=1.0)) == []


@pytest.mark.law
@settings(max_examples=examples(30))
@given(graph=st.one_of(networks.graphs(), networks.grids(most=80)), width=st.sampled_from([2, 4, 8]))
def test_the_memory_is_that_of_the_integers(graph: CheckedGraph, width: int) -> None:
    """With relays, and populations that have none of the weights."""
    target = registry.load("fpga")
    try:
        plan = Plan.of(Job(graph, target, Task(graph, {})))
        network = rounded(with_bits(graph, plan.uniform(width)), target)
    except DoesNotFit:
        return
    assert -(-plan.memory(plan.uniform(width)) // 8) == network.weight_memory


@pytest.mark.law
@settings(max_examples=examples(60))
@given(data=st.data())
def test_within_each_memory_the_best_is_tried(data: st.DataObject) -> None:
    """Losses that add up, and some trials that have no figure."""
    names, widths = [f"p{i}" for i in range(data.draw(st.integers(1, 4)))], (2, 4, 8)
    plan = Plan({name: data.draw(st.integers(1, 50)) for name in names}, widths, data.draw(st.integers(0, 100)))
    lost = {(name, width): data.draw(st.floats(0.01, 1)) for name in names for width in (2, 4)}
    lost |= {(name, 8): 0.0 for name in names}
    gone = data.draw(st.sets(st.sampled_from([(name, width) for name in names for width in (2, 4)]), max_size=2))

    def outcome(bits: Bits) -> Outcome:
        if gone & set(bits.items()):
            return Outcome(bits, reason="nothing is left")
        return Outcome(bits, loss=sum(lost[one] for one in bits.items()))

    trials = [*plan.first(), *plan.second(outcome)]
    assert all(trials.count(bits) == 1 for bits in trials)
    every = [dict(zip(names, bits, strict=True)) for bits in itertools.product(widths, repeat=len(names))]
    for limit in plan.limits():
        found = plan.best([outcome(bits) for bits in trials], limit)
        fit = [one.loss for bits in every if plan.memory(bits) <= limit and (one := outcome(bits)).loss is not None]
        assert (found is None) == (not fit)
        assert found is None or found.loss == pytest.approx(min(fit))
        assert found is None or plan.memory(found.bits) <= limit
