"""Latencies: the least that make every way possible, or those of the first way and what does not agree with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.backends.common.latency import delay_on_chip, first_ways, longest_ways, loop_delay, uneven_ways
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Dense
from tests.conftest import examples


def graph(*ways: tuple[str, str, int]) -> CheckedGraph:
    """Populations of one neuron, ``in`` the input, and projections (source, target, delay)."""
    names = dict.fromkeys(["in", *(name for source, target, _ in ways for name in (source, target))])
    made = tuple(Population(n, "Input" if n == "in" else "LIF", (1,), {}, np.zeros(1)) for n in names)
    projections = tuple(Projection(a, b, Dense(np.ones((1, 1))), delay=delay) for a, b, delay in ways)
    return CheckedGraph(made, projections, ("in",), {"output": made[-1].name}, Dialect(), "argument")


@st.composite
def forward(draw: st.DrawFn) -> CheckedGraph:
    """Without loops, every population behind the input."""
    count = draw(st.integers(1, 6))
    names = ["in", *(f"n{i}" for i in range(count))]
    ways = [(names[draw(st.integers(0, i))], names[i + 1], draw(st.integers(0, 3))) for i in range(count)]
    for _ in range(draw(st.integers(0, 5))):
        first = draw(st.integers(0, count - 1))
        ways.append((names[first], names[draw(st.integers(first + 1, count))], draw(st.integers(0, 3))))
    return graph(*ways)


@pytest.mark.law
@settings(max_examples=examples(100))
@given(forward())
def test_the_longest_ways_are_the_least_that_leave_each_connection_a_step(checked: CheckedGraph) -> None:
    latency, loop = longest_ways(checked)
    assert loop == ()
    assert latency["in"] == 0
    assert all(delay_on_chip(p, latency) >= 1 for p in checked.projections)
    for name, late in latency.items():
        into = [delay_on_chip(p, latency) for p in checked.into(name)]
        assert late == 0 or min(into) == 1


@pytest.mark.parametrize(("back", "found"), [(2, ()), (1, ("a", "b")), (0, ("a", "b"))])
def test_a_loop_that_is_shorter_than_its_connections(back: int, found: tuple[str, ...]) -> None:
    checked = graph(("in", "a", 0), ("a", "b", 0), ("b", "a", back))
    loop = longest_ways(checked)[1]
    assert set(loop) == set(found)
    if loop:
        assert loop_delay(checked, loop) == back


def test_the_first_way_decides_and_others_are_held_against_it() -> None:
    checked = graph(("in", "a", 0), ("a", "b", 0), ("in", "b", 0), ("in", "b", 1))

    def slack(p: Projection) -> int:
        return 1 - p.delay

    late = first_ways(checked, slack)
    assert late == {"in": 0, "a": 1, "b": 2}
    assert [(p.source, p.delay, through) for p, through in uneven_ways(checked, late, slack)] == [
        ("in", 0, 1),
        ("in", 1, 0),
    ]


@pytest.mark.law
@settings(max_examples=examples(100))
@given(forward())
def test_where_no_way_is_uneven_all_come_out_alike(checked: CheckedGraph) -> None:
    def slack(p: Projection) -> int:
        return 1 - min(p.delay, 1)

    late = first_ways(checked, slack)
    uneven = [p for p, _ in uneven_ways(checked, late, slack)]
    for p in checked.projections:
        assert (late[p.source] + slack(p) == late[p.target]) == (p not in uneven)
