"""A lab of a test's own: an empty folder and cache, and the adapters that are said to be plugged in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nirdeploy.device.lab import file
from tests.plugged import Plug, plug


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes boards.toml into the current folder."""
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(file.VARIABLE, raising=False)
    monkeypatch.delenv("NIRDEPLOY_WAIT", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def write(text: str) -> Path:
        path = Path.cwd() / file.FILE
        path.write_text(text)
        path.chmod(0o644)
        return path

    return write


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """``plugged(adapter, ...)``: what the system lists from now on."""
    return plug(monkeypatch)
