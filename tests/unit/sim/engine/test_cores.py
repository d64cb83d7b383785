"""Work shared out over the cores, as many as there are."""

from __future__ import annotations

import threading

import pytest

from nirdeploy.sim.engine import cores


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize(("size", "step"), [(1, 1), (7, 1), (7, 3), (64, 8), (65, 8), (3, 100)])
def test_parts_are_the_whole(count: int, size: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "count", lambda: count)
    parts = cores.share(size, step, lambda first, last: (first, last))
    assert [first for first, _ in parts] == [0, *(last for _, last in parts[:-1])]
    assert parts[-1][1] == size
    assert all(first % step == 0 and first < last for first, last in parts)
    assert len(parts) == min(count, -(-size // step))


def test_what_a_part_shares_in_turn_it_does_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "count", lambda: 2)

    def part(first: int, last: int) -> tuple[list[tuple[int, int]], int]:
        return cores.share(10, 1, lambda a, b: (a, b)), threading.get_ident()

    found = cores.share(2, 1, part)
    assert [inner for inner, _ in found] == [[(0, 10)], [(0, 10)]]
    assert len({thread for _, thread in found}) == 2
    assert len(cores.share(10, 1, lambda a, b: (a, b))) == 2  # and afterwards it is shared again


def test_the_first_part_that_fails_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "count", lambda: 4)

    def part(first: int, last: int) -> None:
        if first >= 2:
            raise ValueError(f"part {first}")

    with pytest.raises(ValueError, match="part 2"):
        cores.share(4, 1, part)
    assert len(cores.share(4, 1, lambda a, b: None)) == 4
