"""Regions that are there at the same time stand apart, and those that are not may stand in the same words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.targets.player.allocation import allocate
from nirdeploy.targets.player.operations import Region


@st.composite
def regions(draw: st.DrawFn) -> list[Region]:
    made = []
    for _ in range(draw(st.integers(1, 12))):
        born = draw(st.integers(-1, 10))
        last = born + draw(st.integers(0, 5))
        made.append(Region(draw(st.integers(1, 3)), 2, draw(st.integers(1, 9)), born=born, last=last))
    return made


@given(regions())
def test_no_two_overlap(made: list[Region]) -> None:
    room = allocate(made)
    assert room >= max(one.offset + one.per_sample for one in made)
    for number, one in enumerate(made):
        for other in made[:number]:
            if one.born <= other.last and other.born <= one.last:
                assert one.offset + one.per_sample <= other.offset or other.offset + other.per_sample <= one.offset


def test_a_signal_goes_when_its_last_reader_has_run() -> None:
    chain = [Region(1, 1, 10, born=n, last=n + 1) for n in range(6)]
    assert allocate(chain) == 20
