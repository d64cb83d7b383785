"""make docs: the site is built without a warning, and is whole without internet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nirdeploy.cli.entry import _COMMANDS
from tests.docs.pages import ROOT

_LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(?:https?:)?//[^\"' >]+", re.I)
_IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]+", re.I)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_it_is_built_without_a_warning_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        assert not (found := _LOADED.findall(page.read_text())), (page.name, found)
    for sheet in site.rglob("*.css"):
        assert not (found := _IMPORTED.findall(sheet.read_text())), (sheet.name, found)


def test_every_command_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text()
    assert all(f">nirdeploy {name}<" in page for name in _COMMANDS)


def test_no_fence_and_no_role_is_left_as_it_was_written(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = re.sub(r"<pre>.*?</pre>", "", page.read_text(), flags=re.S)
        assert "```" not in text, page.name
        assert not re.search(r":(?:class|func|meth|mod|data):(?:`|<code)", text), page.name
