"""Settings shared by all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.chips.table import pytest_terminal_summary, table

__all__ = ["examples", "pytest_terminal_summary", "table"]

# Examples run simulators: their time is not a property. CI explores afresh each time it runs.
settings.register_profile("ci", deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
settings.load_profile("ci")


def examples(count: int) -> int:
    """Number of examples of a law: ``make fuzz`` (NIRDEPLOY_FUZZ=1) tries five times as many."""
    return 5 * count if os.environ.get("NIRDEPLOY_FUZZ") else count
