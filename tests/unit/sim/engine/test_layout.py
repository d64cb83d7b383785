"""The order in which numbers lie inside, there and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.sim.engine.layout import LINE, Laid, Layout, Signals, aligned

LAYOUTS = st.builds(Layout.of, st.integers(1, 40), st.integers(1, 90)) | st.builds(Layout.as_it_is, st.integers(1, 90))


@given(layout=LAYOUTS, seed=st.integers(0, 2**32 - 1))
def test_there_and_back(layout: Layout, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 3, (2, 3, layout.size)).astype(np.uint8)
    laid = layout.lay(values)
    assert laid.shape == (2, 3, layout.width)
    assert laid.sum() == values.sum()  # what lies empty is 0
    np.testing.assert_array_equal(layout.natural(laid), values)
    np.testing.assert_array_equal(Laid(laid, layout).natural(), values)
    np.testing.assert_array_equal(laid[..., layout.index], values)


def test_channels_of_a_position_lie_together() -> None:
    layout = Layout.of(3, 2)
    assert layout.lay(np.arange(1, 7), empty=9).tolist() == [1, 3, 5, 9, 2, 4, 6, 9]


def test_signals_are_put_in_order_when_asked_for() -> None:
    layout = Layout.of(2, 2)
    known = np.array([[[1, 2, 3, 4]]])
    signals = Signals({"x": known})
    np.testing.assert_array_equal(signals.laid("x", layout), [[[1, 3, 0, 0, 2, 4, 0, 0]]])
    values = np.zeros((1, 1, 8), dtype=np.uint8)
    signals.keep("y", Laid(values, layout))
    values[..., 4] = 7  # written later
    assert "y" not in dict.keys(signals)
    assert signals["y"].tolist() == [[[0, 7, 0, 0]]]
    assert signals.laid("y", layout) is values


def test_room_begins_with_a_line_of_the_cache() -> None:
    for size in (1, 7, 1000):
        room = aligned((size, 3), np.float64)
        assert room.shape == (size, 3)
        assert room.ctypes.data % LINE == 0
