"""A lab of a test's own: an empty folder, cache and configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nirdeploy.device.lab import file

#: Writes boards.toml into the current folder.
Lab = Callable[[str], Path]


def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """From now on everything of a lab lies below ``tmp_path``."""
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
