"""docs/tutorial.md followed word by word, in a fresh folder, from the installation on.

pip installs the wheel of this checkout into the environment that the page makes, as the page says; what the wheel
requires is lent from this environment, so that nothing is loaded from anywhere.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.contract.conftest import clean_environment
from tests.docs.apart import apart
from tests.docs.pages import blocks
from tests.docs.reader import Reader

PAGE = "docs/tutorial.md"
NOT_LENT = ("nirdeploy", "__editable__", "_nirdeploy", "pip")


@pytest.fixture
def environment(wheel: Path, tmp_path: Path) -> dict[str, str]:
    """Of a shell that has a Python, a compiler, the wheel, and all packages but nirdeploy."""
    lent, bin_ = tmp_path / "lent", tmp_path / "bin"
    lent.mkdir()
    bin_.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(NOT_LENT) and entry.suffix != ".pth":
            (lent / entry.name).symlink_to(entry)
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (bin_ / "python3").write_text(f'#!/bin/sh\nexec {base} "$@"\n')
    (bin_ / "python3").chmod(0o755)
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join([str(bin_), *(part for part in os.environ["PATH"].split(os.pathsep) if part != own)])
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    theirs = ("PYTEST_", "VIRTUAL_ENV", "NIRDEPLOY_")
    ours = {name: value for name, value in clean_environment().items() if not name.startswith(theirs)}
    return {
        **ours,
        **offline,
        "PATH": path,
        "PYTHONPATH": str(lent),
        "COLUMNS": "400",
        "NIRDEPLOY_PROGRESS": "off",
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.xdist_group("docs")
def test_the_tutorial_does_what_it_says(environment: dict[str, str], tmp_path: Path) -> None:
    fresh, keeps = tmp_path / "fresh", tmp_path / "keeps"
    fresh.mkdir()
    keeps.mkdir()
    with apart(tmp_path / "cache") as cache:
        reader = Reader(fresh, keeps, environment | cache)
        for block in blocks(PAGE):
            if not block.unrun:
                reader.does(block)
    evening = fresh / "evening"
    installed = next(evening.glob(".venv/lib/python*/site-packages/nirdeploy/__init__.py"))
    assert installed.is_file()  # and not the checkout's
    page = (evening / "report.html").read_text()
    assert "device equals integer" in page
