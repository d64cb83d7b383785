"""Placements on disk: what is saved is loaded, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nirdeploy.errors import CorruptFile
from nirdeploy.records import store
from nirdeploy.targets.placement import CoreUse, Placement, Slice

PLACED = Placement(
    network="n",
    target="t",
    slices=(Slice("a", 0, 0, 0, 3), Slice("a", 1, 0, 3, 2)),
    cores=(CoreUse(0, {"words": 3}, {"words": 8}), CoreUse(1, {"words": 2}, {"words": 8}, 5.5, "rows")),
    layout={"own": [1]},
)
SLICE: dict[str, Any] = {"population": "a", "core": 0, "group": 0, "first": 0, "count": 3}
CORE: dict[str, Any] = {"core": 0, "used": {"words": 3}, "limits": {"words": 8}, "cycles": 0.0, "limited_by": ""}


def test_saved_and_loaded(tmp_path: Path) -> None:
    whole = Placement("n", "t", (), PLACED.cores, passes=(PLACED, PLACED))
    for placed in (PLACED, whole):
        placed.save(tmp_path / "p.npz")
        assert Placement.load(tmp_path / "p.npz") == placed


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"network": 5}, "the network is 5"),
        ({"target": None}, "the target is None"),
        ({"slices": 3}, "slices is 3"),
        ({"slices": [[1]]}, "a slice is [1]"),
        ({"slices": [{**SLICE, "count": 0}]}, "count of a slice of 'a' is 0"),
        ({"slices": [{**SLICE, "first": "x"}]}, "first of a slice of 'a' is 'x'"),
        ({"slices": [{**SLICE, "other": 1}]}, "other"),
        ({"cores": "abc"}, "cores is 'abc'"),
        ({"cores": [{**CORE, "core": -1}]}, "a core's number is -1"),
        ({"cores": [{**CORE, "used": [1]}]}, "what core 0 holds is [1]"),
        ({"cores": [{**CORE, "limits": {}}]}, "'words'"),
        ({"cores": [{**CORE, "cycles": "x"}]}, "the cycles of core 0 is 'x'"),
        ({"layout": [1]}, "the layout is [1]"),
        ({"passes": 5}, "passes is 5"),
        ({"passes": [5]}, "it is 5"),
        ({"unknown": 5}, "unknown"),
    ],
    ids=str,
)
def test_what_is_none_is_refused(tmp_path: Path, changed: dict[str, Any], expected: str) -> None:
    PLACED.save(tmp_path / "p.npz")
    meta, _ = store.load(tmp_path / "p.npz")
    (tmp_path / "p.npz").write_bytes(store.pack({**meta, **changed}, {}))
    with pytest.raises(CorruptFile, match="not a placement") as caught:
        Placement.load(tmp_path / "p.npz")
    assert expected in str(caught.value)


def test_a_list_is_none(tmp_path: Path) -> None:
    meta: Any = [1]
    (tmp_path / "p.npz").write_bytes(store.pack(meta, {}))
    with pytest.raises(CorruptFile, match=r"not a placement \(it is \[1\]"):
        Placement.load(tmp_path / "p.npz")
