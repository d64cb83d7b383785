"""A lab of a test's own, and the adapters that are said to be plugged in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.labs import Lab, alone
from tests.plugged import Plug, plug


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return alone(tmp_path, monkeypatch)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """``plugged(adapter, ...)``: what the system lists from now on."""
    return plug(monkeypatch)
