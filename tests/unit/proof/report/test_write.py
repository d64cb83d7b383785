"""A verdict as a file: what it is, its name says."""

from __future__ import annotations

from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.errors import UsageProblem
from tests.unit.proof.test_verify import record

VERDICT = nd.verify(record(), record(source="device"))


@pytest.mark.parametrize("name", ["page.html", "page.htm", "PAGE.HTML"])
def test_a_page(tmp_path: Path, name: str) -> None:
    nd.report(VERDICT, tmp_path / name)
    text = (tmp_path / name).read_text()
    assert text.startswith("<!doctype html>")
    assert "<title>integer against device</title>" in text
    assert "device equals integer" in text


def test_junit(tmp_path: Path) -> None:
    nd.report(VERDICT, str(tmp_path / "v.xml"))
    assert '<testsuite name="integer against device" tests="3" failures="0">' in (tmp_path / "v.xml").read_text()


@pytest.mark.parametrize("name", ["verdict", "verdict.json", "html"])
def test_anything_else_is_refused_and_nothing_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageProblem, match=r"name does not say which \(in .*\); end it in .html, .htm or .xml"):
        nd.report(VERDICT, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
