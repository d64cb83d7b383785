"""Nothing is silent for long: what is under way is said, and how far it is."""

from __future__ import annotations

import re
import threading
import time

import pytest

from nirdeploy.cli.watch import VARIABLE, Doing, Watch
from nirdeploy.processes import progress
from tests.unit.cli.conftest import Cli


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0.01")


def said(capsys: pytest.CaptureFixture[str], what: str) -> str:
    """stderr, once a line of it matches; each look gives the watch time for one."""
    err, end = "", time.monotonic() + 60
    while not re.search(what, err) and time.monotonic() < end:
        threading.Event().wait(0.05)
        err += capsys.readouterr().err
    return err


@pytest.mark.usefixtures("often")
def test_what_is_under_way_and_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    with watch.watching("starting"):
        assert re.search(r"^starting \.\.\. \d+ s$", said(capsys, "starting"), re.MULTILINE)
        with watch.doing("running") as work:
            work(3, 12)
            assert "running ... 3 of 12, " in said(capsys, "running.* of ")
            work.on_pass(2, 5)
            assert "running: pass 2 of 5 ... " in said(capsys, "pass")
            progress.tell("samples", 1, 2)  # by whoever works inside
            assert "running: samples ... 1 of 2, " in said(capsys, "samples")
        assert "finishing ... " in said(capsys, "finishing")
    assert capsys.readouterr().out == ""
    assert threading.active_count() == 1 or not any(one.name == "watch" for one in threading.enumerate())


@pytest.mark.parametrize("asked", ["off", "never"])
def test_nothing_is_said_where_it_is_turned_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv(VARIABLE, asked)
    watch, before = Watch(), threading.active_count()
    with watch.watching("starting"), watch.doing("running"):
        assert threading.active_count() == before
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("asked", ["-1", "0", "nan", "inf", "-inf"])
def test_a_number_that_is_no_time_is_refused(asked: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, asked)
    done = cli("targets")
    assert (done.code, done.out) == (2, "")
    said = f"NIRDEPLOY_PROGRESS={asked} is no number of seconds; such as 10, or none: NIRDEPLOY_PROGRESS=off"
    assert done.err == f"error[E201]: {said}\n"


def test_quick_work_says_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "600")
    watch = Watch()
    with watch.watching("starting"):
        for _ in range(100):
            with watch.doing("running") as work:
                work(1, 1)
    assert capsys.readouterr() == ("", "")


def test_only_the_outer_of_two_tells_how_far_it_is() -> None:
    heard: list[tuple[str, int, int]] = []
    with progress.listening(lambda *told: heard.append(told)):
        for _ in progress.each("outer", ["a", "b"]):
            list(progress.each("inner", [1, 2, 3]))
        progress.tell("after", 1, 1)
    progress.tell("to nobody", 1, 1)
    assert heard == [("outer", 0, 2), ("outer", 1, 2), ("after", 1, 1)]


def test_a_line() -> None:
    work = Doing("building", began=0.0)
    assert work.line(2.4) == "building ... 2 s"
    work.heard("stage 'place'", 2, 5)
    assert work.line(12.0) == "building: stage 'place' ... 2 of 5, 12 s"
    work.on("packing")
    assert work.line(12.0) == "building: packing ... 12 s"
