"""Settings shared by all tests."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.chips import table as chips
from tests.chips.table import table
from tests.docs import counted

__all__ = ["campaign", "examples", "pytest_terminal_summary", "table"]

#: Whether laws and campaigns look for what nobody has seen yet: in ``make fuzz`` and ``make soak``. ``make test`` tries
#: the same examples each time, so that a change is judged by what it changed.
EXPLORES = bool(os.environ.get("NIRDEPLOY_FUZZ") or os.environ.get("NIRDEPLOY_SOAK"))

# Examples run simulators: their time is not a property.
settings.register_profile(
    "laws", deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, derandomize=not EXPLORES
)
settings.load_profile("laws")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """pytest's hook: what stands in no single test."""
    chips.pytest_terminal_summary(terminalreporter)
    counted.summary(terminalreporter)


def examples(count: int) -> int:
    """Number of examples of a law: ``make fuzz`` (NIRDEPLOY_FUZZ=1) tries five times as many."""
    return 5 * count if os.environ.get("NIRDEPLOY_FUZZ") else count


def campaign(brief: int, long: int) -> int:
    """Length of a campaign, in cases: ``brief`` in ``make test``, ``long`` in ``make soak`` (NIRDEPLOY_SOAK=1).

    ``make fuzz`` makes of the brief one what it makes of a law's examples. The test bears the mark ``soak``.
    """
    return long if os.environ.get("NIRDEPLOY_SOAK") else examples(brief)


@pytest.fixture(autouse=True)
def _whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What commands say, those in processes of their own too, stands in one line each, and nothing of progress between
    them on a busy machine; tests of either ask for it (tests/contract/test_columns.py)."""
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("NIRDEPLOY_PROGRESS", "off")
