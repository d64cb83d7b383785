"""Figures of a report on rounding."""

from __future__ import annotations

import numpy as np
import pytest

from nirdeploy.backends.common.quality import largest, lost_weights, sqnr_db


@pytest.mark.parametrize(("power", "noise", "db"), [(100.0, 1.0, 20.0), (1.0, 0.0, np.inf), (0.0, 1.0, np.inf)])
def test_the_ratio_of_weights_to_their_rounding(power: float, noise: float, db: float) -> None:
    assert sqnr_db(power, noise) == db


def test_only_what_rounding_made_zero_is_lost() -> None:
    exact = [np.array([[0.0, 0.2], [3.0, -0.1]]), np.array([0.0, 1.0])]
    rounded = [np.array([[0, 0], [3, 0]]), np.array([0, 1])]
    assert lost_weights(rounded, exact) == pytest.approx(2 / 6)


@pytest.mark.parametrize(("values", "furthest"), [([1.0, -3.0, 2.0], -3.0), ([0.0], 0.0), ([[1.0], [4.0]], 4.0)])
def test_the_value_that_is_furthest_from_zero(values: list[float], furthest: float) -> None:
    assert largest(np.array(values)) == furthest
