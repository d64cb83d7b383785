"""docs/dialects.md names every preset, every field and every value, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from nirdeploy.exchange.frontends import FRONTENDS
from nirdeploy.semantics.dialect import _ALLOWED, PRESETS, Dialect
from tests.contract import dialect_table

TEXT = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, str]:
    """First cell (a code word) to the rest of each table row below a heading."""
    part = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \|(.*)\|$", part, re.MULTILINE))


def test_presets() -> None:
    assert list(rows("Presets")) == list(PRESETS)


def test_fields_and_their_values() -> None:
    found = rows("Fields")
    assert set(found) == {field.name for field in fields(Dialect)} - {"preset"}
    for name, values in _ALLOWED.items():
        assert re.findall(r"`([^`]+)`", found[name].split("|")[0]) == list(values), name


def test_frontends() -> None:
    assert all(f"`{name}`" in TEXT or f"--from {name}" in TEXT for name in FRONTENDS)


def test_what_fits_where() -> None:
    made = dialect_table.rows()
    assert dialect_table.written() == dialect_table.text(made), "run python -m tests.contract.dialect_table"
    assert {(row.preset, row.model) for row in made if row.fits["fpga"] == "yes"} == {
        (preset, model) for preset in PRESETS for model in dialect_table.MODELS
    }
