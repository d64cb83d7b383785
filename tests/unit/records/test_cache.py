"""Where caches are: where the user says, else where the system keeps them."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from nirdeploy.records import cache


def test_the_user_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "everybody's"))
    assert cache.folder() == tmp_path / "mine"


@pytest.mark.parametrize("said", [None, ""])
def test_else_the_system(said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", "") if said == "" else monkeypatch.delenv("NIRDEPLOY_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == platformdirs.user_cache_path("nirdeploy", appauthor=False)
    assert cache.folder().name == "nirdeploy"
