"""What goes to the terminal, and where."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nirdeploy.cli import ui
from nirdeploy.errors import DoesNotFit
from nirdeploy.proof.report import tables


def test_a_result_is_one_versioned_object(capsys: pytest.CaptureFixture[str]) -> None:
    ui.result("check", {"populations": [{"name": "lif", "size": np.int64(3)}], "rate": np.float32(0.5)})
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "schema": 1,
        "command": "check",
        "populations": [{"name": "lif", "size": 3}],
        "rate": 0.5,
    }


def test_what_json_cannot_say_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    ui.result("build", {"sqnr": float("inf"), "rows": [(np.float64("nan"), None, True)]})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "schema": 1,
        "command": "build",
        "sqnr": None,
        "rows": [[None, None, True]],
    }


def test_an_error_goes_to_stderr_and_under_json_to_stdout_too(capsys: pytest.CaptureFixture[str]) -> None:
    error = DoesNotFit("too many neurons", where="population 'lif'", hint="use fewer")
    assert ui.report_error(error, as_json=False) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error[E401]: too many neurons (in population 'lif'); use fewer\n"
    assert ui.report_error(error, as_json=True) == 4
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "schema": 1,
        "error": {
            "code": "E401",
            "exit_code": 4,
            "message": "too many neurons",
            "where": "population 'lif'",
            "hint": "use fewer",
        },
    }


def test_names_from_files_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["[/b]", "[red]x", ":smile:"]
    ui.show(tables.rows_table("", [{"name": name} for name in names]))
    out = capsys.readouterr().out
    for name in names:
        assert name in out


def test_long_rows_are_not_cut_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    ui.show(tables.rows_table("", [{"name": "x" * 120}]))
    assert "x" * 120 in capsys.readouterr().out


def test_prose_is_wrapped_between_words_and_keeps_what_it_is_indented_by(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    path = "/a/" + "long/" * 20 + "path"
    ui.say(f"  wrote {path}, and " + "some words " * 20)
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("  ") for line in lines)
    assert path in "".join(lines)  # what is one word stays one
    assert all(len(line) <= 60 for line in lines if path not in line)


def test_a_note_is_one_line_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    ui.note("some words " * 20)
    assert capsys.readouterr().err.count("\n") == 1
