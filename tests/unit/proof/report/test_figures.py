"""What an estimate's figures are called, and what they come to."""

from __future__ import annotations

import re

import pytest

from nirdeploy.proof.energy import models
from nirdeploy.proof.report import figures
from nirdeploy.targets.backend import Backend


def test_every_shared_figure_has_a_name_and_a_meaning() -> None:
    named = set(re.findall(r"``([a-z_]+)``", Backend.estimate.__doc__ or "")) - {"activity"}
    assert named
    assert named <= set(figures.FIGURES)
    assert all(one.name and one.says for one in figures.FIGURES.values())


def test_a_figure_that_nobody_named_is_told_by_its_key() -> None:
    (row,) = figures.rows({"odd_thing": 12345.6})
    assert row == {"figure": "odd thing", "value": "12,346", "what it is": ""}
    assert figures.rows({"step_us": 0.5})[0]["value"] == "0.5 us"


@pytest.mark.parametrize(
    ("found", "pace"),
    [
        ({"step_us": 2.0, "link_us": 11.0}, 11.0),
        ({"step_us": 2.0}, 2.0),
        ({"step_us": 2.0, "link_us": 11.0, "play_us": 5.0, "external_step_us": 1.0}, 5.0),
        ({"synaptic_events": 3.0}, None),
    ],
)
def test_the_longer_sets_the_pace(found: dict[str, float | str], pace: float | None) -> None:
    assert figures.pace_us(found) == pace


def test_energy_is_the_makers_or_a_range_or_not_known() -> None:
    assert figures.energy({"energy_nj": 4.0, "synaptic_events": 9.0}, False) == (4e-9, 4e-9)
    board = figures.energy({"step_us": 2.0}, True)
    assert board == (models.of_boards(2e-6).low, models.of_boards(2e-6).high)
    chip = figures.energy({"synaptic_events": 100.0, "step_us": 2.0}, False)
    assert chip == (models.of_chips(100.0).low, models.of_chips(100.0).high)
    assert figures.energy({}, True) is None
    assert figures.energy({"synaptic_events": 0.0}, False) is None  # of a network at rest nothing is known, not 0
