"""Seconds and joules as a person says them."""

from __future__ import annotations

from nirdeploy.cli import units


def test_units() -> None:
    assert [units.seconds(value) for value in (5e-7, 4.65e-3, 2.0, 1200.0)] == ["0.5 us", "4.65 ms", "2 s", "20 min"]
    assert units.joules(1.234e-6) == "1.23 uJ"
    assert units.joules(66e-9, 897e-9) == "66-900 nJ"
    assert units.joules(220e-9, 3e-6) == "220 nJ-3 uJ"
