"""The table at the end of the test output sums up what tests added to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.chips.table import Table, lines, pytest_terminal_summary


def test_rows_alike_are_summed_and_what_differs_is_shown() -> None:
    properties: list[tuple[str, Any]] = []
    table = Table(properties)
    table.compared("b", "its maker", networks=1, values=1000, spikes=5, mismatches=0)
    table.compared("b", "its maker", networks=1, values=234, spikes=1, mismatches=2)
    table.refused("b", "alone")
    table.refused("a", "alone", 3)
    found = [line.split() for line in lines(row for _, row in properties)]
    assert found[:2] == [[], ["a"]]
    assert ["alone", "3"] in found[2:4]
    assert ["its", "maker", "2", "1,234", "6", "2"] in found
    assert found[-1] == ["alone", "1"]


@pytest.mark.parametrize("when", ["call", "setup"])
def test_it_is_made_of_the_calls_of_all_tests(when: str) -> None:
    properties: list[tuple[str, Any]] = [("else", 1)]
    Table(properties).refused("chip", "alone")
    written: list[str] = []
    reporter = SimpleNamespace(
        stats={"passed": [SimpleNamespace(when=when, user_properties=properties)], "": [SimpleNamespace()]},
        section=written.append,
        write_line=written.append,
    )
    pytest_terminal_summary(reporter)
    assert bool(written) == (when == "call")
