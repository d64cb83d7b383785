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


def test_no_progress_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.progress("running") as bar:
        assert bar is None
    with ui.spinner("building"):
        pass
    assert capsys.readouterr() == ("", "")


def test_passes_are_said_now_and_then_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with ui.running() as (bar, on_pass):
        assert bar is None
        assert on_pass is not None
        for number in range(1, 1001):
            on_pass(number, 1000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pass 1 of 1,000 ...\n")
    assert len(err.splitlines()) < 10
    with ui.running(quiet=True) as told:
        assert told == (None, None)
