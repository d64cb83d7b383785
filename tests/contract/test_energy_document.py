"""docs/energy.md: its figures are what benchmarks/energy.py prints, its sources those of the data, its models ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import pytest

from benchmarks import energy
from nirdeploy.proof.energy import models
from nirdeploy.proof.energy.published import published

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "energy.md").read_text(encoding="utf-8")
FLOWING = " ".join(DOCUMENT.split())


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "benchmarks" / "energy.py"), "--json"]
    env = {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=env)
    return dict(json.loads(found.stdout))


@pytest.mark.parametrize("name", list(energy.tables()))
def test_every_table_is_what_the_script_prints(name: str) -> None:
    assert energy.tables()[name] in DOCUMENT


def test_what_the_text_says_of_the_errors(printed: dict[str, Any]) -> None:
    factors = {
        name: tuple(energy.number(one[key]) for key in ("typical_factor", "worst_factor"))
        for name, one in printed["summary"].items()
    }
    board, chip = factors["power_of_boards_watts"], factors["operation_on_chips_pj"]
    assert f"right within a factor of {board[0]} typically and {board[1]} at worst" in FLOWING
    assert f"that of a chip within {chip[0]} and {chip[1]}." in FLOWING
    alone = factors["sample_and_synapse_nj"]
    assert f"off by {alone[0]} typically and by {alone[1]} at worst" in FLOWING


def test_each_design_is_predicted_from_the_others_alone(printed: dict[str, Any]) -> None:
    for name, group in printed["left_out"].items():
        assert len(group) >= 5
        for one in group:
            others = [other["value"] for other in group if other["name"] != one["name"]]
            assert len(others) == len(group) - 1
            assert one["predicted"] == pytest.approx(geometric_mean(others))
            assert one["factor"] == pytest.approx(max(one["value"] / one["predicted"], one["predicted"] / one["value"]))
            assert one["inside"] == (min(others) <= one["value"] <= max(others))
        assert printed["summary"][name]["worst_factor"] == max(one["factor"] for one in group)
        assert printed["summary"][name]["inside"] == sum(one["inside"] for one in group)


def test_no_design_gets_by_with_the_cheapest_table(printed: dict[str, Any]) -> None:
    """So the document says of the low end."""
    assert "read the low end of a range as what nobody reached" in FLOWING
    for one in printed["against_tables"]:
        assert one["measured"] > one["low"]
        assert one["above"] == pytest.approx(max(1, one["measured"] / one["high"]))


def test_models_and_sources_are_named() -> None:
    known = published()
    named = [model.name for model in models.of_tables()] + [models.of_boards(1).model, models.of_chips(1).model]
    for model in named:
        assert f"| {model} |" in DOCUMENT
    for one in (*known.boards, *known.chips):
        assert f"| {one.name} | {one.source} |" in DOCUMENT
    table = known.operations
    for said in (f"{table.float_addition:g} pJ", f"{table.float_addition + table.float_multiplication:g} pJ"):
        assert said in DOCUMENT
    assert "0.03 or 0.1 pJ" in DOCUMENT
    assert "0.2 or 3.1 pJ" in DOCUMENT
    assert (table.addition(8), table.addition(32)) == (0.03, 0.1)
    assert (table.multiplication(8), table.multiplication(32)) == (0.2, 3.1)
    assert "10, 20 or 100 pJ for 64 bits" in DOCUMENT
    assert (known.memory.access, known.memory.word_bits) == ((10.0, 20.0, 100.0), 64)
