"""Compiled loops: what is kept of them holds only as long as all sources behind them are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from outer import doubled
print(doubled(3), sum(doubled.stats.cache_hits.values()))
"""


def _run(folder: Path, cache: Path) -> list[int]:
    home = str(Path(__file__).parents[4])
    environment = {**os.environ, "NIRDEPLOY_CACHE": str(cache), "PYTHONPATH": home, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", _RUN, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [int(part) for part in done.stdout.split()]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A loop that takes in another file's."""
    folder = tmp_path / "package"
    folder.mkdir()
    head = "from nirdeploy.sim.engine.loops import loop\n"
    (folder / "inner.py").write_text(f"{head}\n@loop()\ndef once(x):\n    return x * 2\n")
    (folder / "outer.py").write_text(f"{head}from inner import once\n\n@loop()\ndef doubled(x):\n    return once(x)\n")
    return folder


def test_a_change_in_another_file_is_noticed(package: Path, tmp_path: Path) -> None:
    inner, kept = package / "inner.py", tmp_path / "cache"
    assert _run(package, kept) == [6, 0]
    assert _run(package, kept) == [6, 1]
    before = inner.stat()
    inner.write_text(inner.read_text().replace("x * 2", "x * 5"))
    os.utime(inner, ns=(before.st_atime_ns, before.st_mtime_ns))  # as installed files have the time of their archive
    assert _run(package, kept) == [15, 0]
    assert not list(package.rglob("*.nbi"))


def test_where_nothing_can_be_kept_it_is_compiled_each_time(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert _run(package, tmp_path / "file") == [6, 0]
    assert _run(package, tmp_path / "file") == [6, 0]
    assert not list(package.rglob("*.nbi"))
