"""Law: positions of windows, as the cores go through them, make up the windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.backends.fpga import windows
from nirdeploy.backends.fpga.windows import Axis


@st.composite
def _axes(draw: st.DrawFn) -> Axis:
    """Windows that lie in the padding with no more than half of themselves, or one value more behind the image."""
    kernel, stride, inputs = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(st.integers(1, 12))
    before = draw(st.integers(0, kernel // 2))
    behind = draw(st.integers(before, max(before, kernel - 1 - before)))
    outputs = (inputs + before + behind - kernel) // stride + 1
    return Axis(inputs, outputs, kernel, stride, before) if outputs > 0 else Axis(inputs, inputs, 1, 1, 0)


@pytest.mark.law
@given(_axes())
def test_the_positions_that_are_there_make_up_each_window(axis: Axis) -> None:
    there: dict[int, set[int]] = {n: set() for n in range(axis.outputs)}
    for position in windows.across(axis):
        first, last = axis.absent(position)
        for n in range(first, axis.outputs - last):
            there[n].add(n * axis.stride + position - axis.padding)
    assert there == {n: set(axis.within(n)) for n in there}


@pytest.mark.law
@given(_axes())
def test_a_position_that_is_not_there_is_another_one_of_the_window(axis: Axis) -> None:
    n = np.arange(axis.outputs)
    seen = np.array([axis.everywhere(n, position) for position in range(axis.kernel)])
    assert [set(column.tolist()) for column in seen.T] == [set(axis.within(output)) for output in n.tolist()]
