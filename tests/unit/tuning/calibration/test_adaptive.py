"""Weights on a grid: steps and whole numbers that lose least of what arrives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.tuning.calibration import adaptive
from tests.conftest import examples


def _seen(rng: np.random.Generator, columns: int, rows: int = 400) -> np.ndarray:
    """Correlated inputs, some of which never spike."""
    mixed = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) > rng.normal(0, 2, columns)
    return mixed * (rng.random(columns) > 0.1)


def _cost(weight: np.ndarray, whole: np.ndarray, step: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.asarray((((weight - whole * step[:, None]) @ seen.T) ** 2).mean(axis=1))


@pytest.mark.law
@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([2, 3, 4, 8]))
def test_whole_numbers_stay_within_their_bits_and_steps_cost_no_more(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, most = int(rng.integers(1, 8)), int(rng.integers(2, 40)), 2 ** (bits - 1) - 1
    weight, seen = rng.standard_t(3, (rows, columns)), _seen(rng, columns).astype(float)
    correlation = seen.T @ seen / len(seen)
    full = np.abs(weight).max(axis=1) / most
    step = adaptive.steps(weight, correlation, most, np.arange(rows))
    plain, clipped = (adaptive.nearest(weight, by, most) for by in (full, step))
    assert (_cost(weight, clipped, step, seen) <= _cost(weight, plain, full, seen) * (1 + 1e-9) + 1e-12).all()
    for whole in (plain, clipped, adaptive.rounded(weight, step, correlation, most)):
        assert (whole == np.rint(whole)).all()
        assert np.abs(whole).max() <= most


def test_errors_make_up_for_each_other() -> None:
    """Summed over many networks, adaptive rounding loses clearly less than rounding to nearest."""
    lost = np.zeros(2)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weight, seen = rng.normal(size=(6, 30)), _seen(rng, 30).astype(float)
        correlation, step = seen.T @ seen / len(seen), np.abs(weight).max(axis=1) / 7
        for at, whole in enumerate((adaptive.nearest(weight, step, 7), adaptive.rounded(weight, step, correlation, 7))):
            lost[at] += _cost(weight, whole, step, seen).sum()
    assert lost[1] < 0.7 * lost[0]


def test_rows_that_share_a_step_have_one() -> None:
    rng = np.random.default_rng(0)
    weight, shares = rng.normal(size=(4, 10)), np.array([0, 1, 0, 1])
    step = adaptive.steps(weight, np.eye(10), 7, shares)
    assert step[0] == step[2] != step[1] == step[3]
    assert (np.abs(adaptive.nearest(weight, step, 7)) <= 7).all()


def test_rows_without_weights_and_columns_without_spikes() -> None:
    weight, correlation = np.zeros((2, 5)), np.zeros((5, 5))
    step = adaptive.steps(weight, correlation, 7, np.arange(2))
    assert (step > 0).all()
    assert not adaptive.rounded(weight, step, correlation, 7).any()
