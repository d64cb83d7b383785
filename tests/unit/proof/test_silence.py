"""Records in which nothing spiked: equal cell by cell, and no proof of anything."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.proof import regress
from nirdeploy.proof.report.write import report
from nirdeploy.proof.verify import verify
from nirdeploy.records.spikes import SpikeRecord
from tests.unit.cli.conftest import Cli, cli
from tests.unit.proof.test_verify import record

__all__ = ["cli"]


def quiet(*names: str) -> SpikeRecord:
    """The record of test_verify (spiking "a" and, the output, "b"; read-out "r") with some populations silent."""
    full = record()
    spikes = {name: values * (name not in names) for name, values in full.spikes.items()}
    membrane = {name: values * (name not in names) for name, values in full.membrane.items()}
    return replace(full, spikes=spikes, membrane=membrane)


def test_equal_and_silent_is_not_equal_unless_asked() -> None:
    names = ("a", "b", "r")
    verdict = verify(quiet(*names), replace(quiet(*names), source="device"))
    assert not verdict
    assert not verdict.equal
    assert verdict.mismatches == 0
    assert verdict.silent == names
    assert verdict.silence == (silence := "nothing spiked in either record")
    summary = verdict.summary()
    assert summary.startswith("device is not shown to equal integer: 324 cells compared, 0 differ, but " + silence)
    assert "allow_silent=True" in summary
    assert summary.endswith("never spiked: 'a', 'b', 'r'")
    asked = verify(quiet(*names), quiet(*names), allow_silent=True)
    assert asked
    assert f"; {silence} (never spiked" in asked.summary()


@pytest.mark.parametrize("names", [("b",), ("b", "r")])
def test_outputs_that_never_spike_are_said(names: tuple[str, ...]) -> None:
    """What was compared besides spiked, and is equal."""
    verdict = verify(quiet(*names), quiet(*names))
    assert verdict
    assert verdict.silent == names
    assert verdict.silence == "no output spiked in either record"
    silent = ", ".join(map(repr, names))
    assert verdict.summary().endswith(f"0 differ; no output spiked in either record (never spiked: {silent})")


def test_only_some_are_silent() -> None:
    verdict = verify(quiet("a"), quiet("a"))
    assert verdict
    assert verdict.silence == ""
    assert verdict.summary().endswith("0 differ; never spiked: 'a'")
    assert verify(record(), record()).silent == ()


def test_silence_of_one_record_is_a_difference() -> None:
    verdict = verify(record(), quiet("a", "b", "r"))
    assert verdict.silent == ()
    assert verdict.silence == ""
    assert "differs from" in verdict.summary()
    assert not verify(record(), quiet("a", "b", "r"), allow_silent=True)


def test_a_difference_in_a_membrane_is_still_one() -> None:
    """Where nothing spiked and a read-out differs, the difference comes first and silence is said beside it."""
    silent, other = quiet("a", "b"), quiet("a", "b", "r")
    summary = verify(silent, other).summary()
    assert "differs from" in summary
    assert "nothing spiked in either record (never spiked: 'a', 'b')" in summary


def test_read_outs_alone_speak_by_their_membrane() -> None:
    moving = replace(record(), spikes={}, outputs={"output": "r"})
    assert verify(moving, moving).equal
    still = replace(quiet("r"), spikes={}, outputs={"output": "r"})
    assert verify(still, still).silence == "nothing spiked in either record"


def test_a_read_out_that_moves_while_nothing_spikes_shows_nothing() -> None:
    """Its own bias moves it."""
    moving = replace(record(), spikes={"a": quiet("a").spikes["a"]}, outputs={"output": "r"})
    verdict = verify(moving, moving)
    assert (verdict.vacuous, verdict.equal, verdict.silent) == (True, False, ("a",))
    assert verify(moving, moving, allow_silent=True).equal


def test_a_membrane_recorded_besides_spikes_is_no_spike() -> None:
    subliminal = replace(quiet("a", "b", "r"), membrane={"b": np.ones((9, 3, 2, 3), np.int32)}, scale={})
    assert verify(subliminal, subliminal).silence == "nothing spiked in either record"


@given(st.sets(st.sampled_from(["a", "b", "r"])), st.booleans())
def test_what_is_said_is_the_same_everywhere(names: set[str], allowed: bool) -> None:
    verdict = verify(quiet(*names), quiet(*names), allow_silent=allowed)
    told = json.loads(json.dumps(verdict.as_dict()))
    assert set(told["silent"]) == names
    assert told["equal"] == bool(verdict) == (allowed or not {"a", "b"} <= names)
    assert told["vacuous"] == ({"a", "b"} <= names)
    assert bool(told["silence"]) == ("b" in names)


def test_the_page_says_it(tmp_path: Path) -> None:
    report(verify(quiet("b"), quiet("b")), tmp_path / "v.html")
    page = (tmp_path / "v.html").read_text()
    assert "no output spiked in either record" in page
    assert page.count("silent in both") == 1
    report(verify(quiet("a", "b", "r"), quiet("a", "b", "r")), tmp_path / "v.html")
    page = (tmp_path / "v.html").read_text()
    assert "but nothing spiked in either record" in page
    assert 'class="verdict bad"' in page


@pytest.mark.parametrize(
    ("names", "allowed", "failures", "found"),
    [("abr", False, "1", "failure"), ("abr", True, "0", "skipped"), ("b", False, "0", "skipped")],
)
def test_junit_says_it(names: str, allowed: bool, failures: str, found: str, tmp_path: Path) -> None:
    report(verify(quiet(*names), quiet(*names), allow_silent=allowed), tmp_path / "v.xml")
    suite = ET.parse(tmp_path / "v.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("4", failures)
    case = suite.find("testcase[@classname='silence']")
    assert case is not None
    assert [one.tag for one in case] == [found]
    told = suite.find("properties/property[@name='silent']")
    assert told is not None
    assert told.get("value") == ", ".join(names)


def test_the_commands(cli: Cli, tmp_path: Path) -> None:
    run, golden = tmp_path / "run.nird", tmp_path / "golden.nird"
    quiet("a", "b", "r").save(run)
    said = cli("verify", run, run)
    assert said.code == 1
    assert "nothing spiked in either record" in " ".join(said.out.split())
    assert cli("verify", run, run, "--allow-silent").code == 0
    assert cli("verify", run, run, "--json").json["verdicts"][0]["silent"] == ["a", "b", "r"]
    assert cli("regress", "record", golden, run).code == 0
    said = cli("regress", "check", golden, run, "--tolerance", "0.1")
    assert said.code == 1
    assert "no regression was looked for" in " ".join(said.out.split())
    assert cli("regress", "check", golden, run, "--allow-silent").code == 0


def test_a_silent_golden(tmp_path: Path) -> None:
    names = ("a", "b", "r")
    regress.record(tmp_path / "golden.nird", quiet(*names))
    assert not regress.check(tmp_path / "golden.nird", quiet(*names), tolerance=0.5)
    assert regress.check(tmp_path / "golden.nird", quiet(*names), allow_silent=True)
