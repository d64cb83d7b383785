"""Which projection closes a cycle, and what must be stepped together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.semantics.order import components, ordered

CASES = {
    "a chain": ({"a": ["in"], "b": ["a"]}, ["in", "a", "b"]),
    "itself": ({"a": ["in", "a"], "b": ["a"]}, ["in", "a", "b"]),
    "feedback": ({"a": ["in", "b"], "b": ["a"]}, ["in", "a", "b"]),
    "feedback over two": ({"c": ["b"], "b": ["a"], "a": ["in", "c"]}, ["in", "a", "b", "c"]),
    "a skip into the cycle": ({"a": ["in"], "b": ["a", "c"], "c": ["b", "in"]}, ["in", "a", "b", "c"]),
    "the same, listed the other way": ({"c": ["b", "in"], "b": ["a", "c"], "a": ["in"]}, ["in", "a", "b", "c"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cycle_starts_where_the_way_from_the_input_arrives(case: str) -> None:
    sources, expected = CASES[case]
    assert ordered(["in", *sources], ["in"], sources) == expected


@st.composite
def anything(draw: st.DrawFn) -> tuple[list[str], dict[str, list[str]]]:
    """Populations, each with at least one source, all reached from the input."""
    names = [f"p{i}" for i in range(draw(st.integers(1, 7)))]
    sources = {}
    for i, name in enumerate(names):
        more = draw(st.lists(st.sampled_from(["in", *names]), max_size=3))
        sources[name] = [draw(st.sampled_from(["in", *names[:i]])), *more]
    return draw(st.permutations(names)), sources


@given(anything())
def test_what_is_late_lies_in_one_run(drawn: tuple[list[str], dict[str, list[str]]]) -> None:
    names, sources = drawn
    order = ordered(["in", *names], ["in"], sources)
    assert sorted(order) == sorted(["in", *names])
    runs = components(order, sources)
    assert [name for run in runs for name in run] == order
    place = {name: index for index, run in enumerate(runs) for name in run}
    for name, into in sources.items():
        for source in into:
            assert place[source] <= place[name]  # a run stands behind its sources
            assert order.index(source) < order.index(name) or place[source] == place[name]


@given(st.permutations(["a", "b", "c", "d"]))
def test_without_a_cycle_nothing_is_late(names: list[str]) -> None:
    sources = {"a": ["in"], "b": ["a"], "c": ["a", "b"], "d": ["c", "in"]}
    assert ordered(["in", *names], ["in"], sources) == ["in", "a", "b", "c", "d"]
