"""What comes from files and devices draws on no terminal, and turns no line around."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from nirdeploy.errors import printable
from nirdeploy.proof.report import html, junit
from nirdeploy.proof.verify import verify
from tests.unit.cli.conftest import Cli
from tests.unit.proof.test_verify import record
from tests.unit.test_printable import EVIL, SHOWN


def _evil(path: Path) -> Path:
    made = record()
    replace(made, spikes={EVIL: made.spikes["a"]}, membrane={}, scale={}, outputs={EVIL: EVIL}).save(path)
    return path


@pytest.mark.parametrize("as_json", [False, True])
def test_names_of_populations_are_shown_harmlessly(cli: Cli, tmp_path: Path, as_json: bool) -> None:
    path, page, xml = _evil(tmp_path / "r.nird"), tmp_path / "r.html", tmp_path / "r.xml"
    said = cli("verify", path, path, "--html", page, "--junit", xml, *(["--json"] if as_json else []))
    assert said.code == 0, said.err
    for text in (said.out, said.err, page.read_text(), xml.read_text()):
        assert printable(text) == text
    assert as_json or "owned" in said.out
    assert SHOWN in page.read_text()


def test_errors_are_shown_harmlessly(cli: Cli, tmp_path: Path) -> None:
    said = cli("verify", tmp_path / EVIL, tmp_path / EVIL)
    assert said.code != 0
    assert SHOWN in said.err
    assert printable(said.err) == said.err


def test_what_records_do_not_agree_on_fails_in_junit_too() -> None:
    found = ET.fromstring(junit.render([verify(record(), record(dt=1.0))]))
    (suite,) = found
    assert (suite.get("failures"), suite.get("tests")) == ("1", "4")
    assert "a step takes" in str(next(suite.iter("failure")).get("message"))


def test_a_page_is_harmless() -> None:
    assert SHOWN in html.render(html.Report(EVIL))
