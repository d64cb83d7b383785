"""The chips' table, at the end of the test output: what was compared, what was refused, how near to float a chip is.

Tests add to it by the fixture ``table``; rows of the same chip and text are summed up. It travels with the tests'
reports, so it is whole however many processes ran them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nirdeploy.proof.explain import Explanation

KEY = "the chips' table"
TITLES = {
    "compared": ("random networks, against", ("networks", "values", "spikes", "mismatches")),
    "recorded": ("recordings of the chip", ("values", "spikes", "mismatches")),
    "refused": ("illegal networks, all refused with the right message", ("networks",)),
    "near": ("graphs of the NIR paper, against the float model", ("cells", "differ", "spikes")),
}


class Table:
    """What one test adds."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def compared(self, chip: str, against: str, *, networks: int, values: int, spikes: int, mismatches: int) -> None:
        """Random networks held to something; ``values``: all cells compared, spikes and states."""
        counts = {"networks": networks, "values": values, "spikes": spikes, "mismatches": mismatches}
        self._add("compared", chip, against, counts)

    def recorded(self, chip: str, recording: str, *, values: int, spikes: int, mismatches: int) -> None:
        """A recording of a real chip, reproduced."""
        self._add("recorded", chip, recording, {"values": values, "spikes": spikes, "mismatches": mismatches})

    def refused(self, chip: str, how: str, networks: int = 1) -> None:
        """Illegal networks; ``how``: broken alone, in pairs ..."""
        self._add("refused", chip, how, {"networks": networks})

    def near(self, chip: str, graph: str, why: Explanation, spikes: int) -> None:
        """How a graph of the NIR paper agrees with the float model, and how many cells each rounding changes alone."""
        alone = {cause.rounding: sum(cause.differing.values()) for cause in why.causes}
        counts = {"cells": why.verdict.cells, "differ": why.verdict.mismatches, "spikes": spikes}
        said = ", ".join(f"{rounding} {count:,}" for rounding, count in alone.items() if count)
        self._add("near", chip, graph, counts, f"alone: {said}" if said else "")

    def _add(self, kind: str, chip: str, text: str, counts: Mapping[str, int], why: str = "") -> None:
        row = {"kind": kind, "chip": chip, "text": text, "why": why}
        self._properties.append((KEY, {**row, "counts": {name: int(count) for name, count in counts.items()}}))


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """What this test adds to the table."""
    return Table(request.node.user_properties)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """pytest's hook: the table of all tests that ran here or in a worker."""
    reports = (report for reports in terminalreporter.stats.values() for report in reports)
    of_a_call = (report for report in reports if getattr(report, "when", "") == "call")
    rows = [row for report in of_a_call for key, row in report.user_properties if key == KEY]
    if rows:
        terminalreporter.section("the chips")
        for line in lines(rows):
            terminalreporter.write_line(line)


def lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The table as text: chips in order of their names, each with what was compared, recorded, refused, near."""
    summed: dict[tuple[str, str, str, str], dict[str, int]] = {}
    for row in rows:
        into = summed.setdefault((row["chip"], row["kind"], row["text"], row["why"]), {})
        for name, count in row["counts"].items():
            into[name] = into.get(name, 0) + count
    made: list[str] = []
    for chip in sorted({key[0] for key in summed}):
        made += ["", chip]
        for kind, (title, columns) in TITLES.items():
            found = {(text, why): counts for (c, k, text, why), counts in summed.items() if (c, k) == (chip, kind)}
            if not found:
                continue
            made.append(f"  {title:<58}" + "".join(f"{name:>14}" for name in columns))
            for (text, why), counts in sorted(found.items()):
                figures = "".join(f"{counts[name]:>14,}" for name in columns)
                made.append(f"    {text:<56}{figures}" + (f"    {why}" if why else ""))
    return made
