"""How likely a change of a number is: all of them together are all there are, and what shares them is told apart."""

from __future__ import annotations

import numpy as np
import pytest

from nirdeploy.proof.causes.hypothesis import likeliest, share, slipped

SPAN = 255


@pytest.mark.parametrize("now", [100, -100, 1])
def test_all_changes_together_are_all(now: int) -> None:
    """Nearly: what a number that is not 0 cannot become, as its register holds no more, is not taken off."""
    assert 0.8 < share(np.array([-128 - now, -1, 1, 127 - now]), now, SPAN) <= 1.0


def test_what_a_change_is_shared_among_adds_up() -> None:
    parts = [share(np.array([low, high]), 100, SPAN) for low, high in ((1, 9), (10, 70), (71, SPAN))]
    assert sum(parts) == pytest.approx(share(np.array([1, SPAN]), 100, SPAN))


def test_one_bit_is_likelier_than_another_change_of_that_size() -> None:
    assert share(np.array([16]), 64, SPAN) > 5 * share(np.array([17]), 64, SPAN)


def test_a_change_of_the_own_size_is_likelier_than_one_that_is_small_beside_it() -> None:
    """In as large a part of all sizes: three to six of a thousand, three hundred to six hundred of it."""
    small, large = (share(np.array([3 * size, 6 * size]), 1000, 1 << 20) for size in (1, 100))
    flips = 0.4 / (1 << 20).bit_length()
    assert large > 2 * (small - flips)


def test_a_bit_counts_where_it_flips_in_all_numbers() -> None:
    alike, apart = np.array([1, 3, 65]), np.array([1, 16, 65])
    assert share(np.array([16]), alike, SPAN) > 5 * share(np.array([16]), apart, SPAN)
    assert likeliest(np.array([7, 16]), alike, SPAN) == 16
    assert likeliest(np.array([7, 16]), apart, SPAN) == 7


def test_a_clock_slips_once_rather_than_twice() -> None:
    assert slipped(1) == slipped(-1) == 1 == 10 * slipped(2)
