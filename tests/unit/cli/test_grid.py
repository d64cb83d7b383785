"""Tables in few columns."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.cli.grid import drawn
from nirdeploy.proof.report.tables import facts_table, rows_table
from tests.conftest import examples

ROWS = [
    {"population": f"features.{n}", "cells": 1000 * n, "first at": "step 14, sample 8, neuron 9", "what": "spikes"}
    for n in range(8)
]


def test_what_fits_stays_as_it_is() -> None:
    title, head, rule, *rows = drawn(rows_table("verdict", ROWS), 80)
    assert title == "verdict"
    assert head.split() == ["population", "cells", "first", "at", "what"]
    assert set(rule) == {"\u2500"}
    assert len(rows) == len(ROWS)


def test_what_does_not_goes_on_below_with_its_first_column() -> None:
    lines = drawn(rows_table("verdict", ROWS), 40)
    assert max(map(len, lines)) <= 40
    assert sum(line.startswith("population") for line in lines) > 1
    for row in ROWS:  # every cell is there, whole
        assert any(str(row["population"]) in line and str(row["first at"]) in line for line in lines)
    assert "" in lines


def test_a_table_of_few_rows_is_turned_round() -> None:
    wide = [{"witness": name, **{f"figure {n}": 1000 + n for n in range(12)}} for name in ("float", "device")]
    lines = drawn(rows_table("", wide), 60)
    assert "figure 3" in lines[5]
    assert lines[5].split()[-2:] == ["1,003", "1,003"]


def test_a_digest_is_folded_among_facts_and_nowhere_else() -> None:
    assert max(map(len, drawn(facts_table({"digest": "a" * 64}), 50))) <= 50
    assert any("x" * 120 in line for line in drawn(rows_table("", [{"name": "x" * 120}]), 50))


def test_without_rows() -> None:
    assert drawn(rows_table("cores", []), 80) == ["cores: none"]


NAMES = st.text("abc ._", min_size=1, max_size=12).filter(lambda text: text.strip() == text and "  " not in text)


@settings(max_examples=examples(60))
@given(
    st.lists(st.lists(NAMES, min_size=5, max_size=5), min_size=1, max_size=6),
    st.integers(40, 100),
)
def test_no_cell_is_lost_and_no_line_too_long(cells: list[list[str]], width: int) -> None:
    """Whatever is in it, and however wide it is."""
    lines = drawn(rows_table("", [{f"column {n}": cell for n, cell in enumerate(row)} for row in cells]), width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert all(cell in text for row in cells for cell in row)
