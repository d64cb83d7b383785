"""The store of spike trains: what was put in comes out, from memory and from files, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.records.trains import JOURNAL, Kept, Trains, discard, is_begun

KEPT = Kept(samples=3, tiles=2, steps=4, size=11, planes=1)


@given(
    planes=st.integers(0, 5),
    size=st.integers(1, 40),
    samples=st.integers(1, 3),
    tiles=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_packed_is_unpacked(planes: int, size: int, samples: int, tiles: int, seed: int) -> None:
    kept = Kept(samples, tiles, 2, size, planes)
    low, high = (0, 1 << planes) if planes else (-(2**31), 2**31)
    values = np.random.default_rng(seed).integers(low, high, (samples, tiles, 2, size))
    held = kept.packed(values)
    assert held.shape == kept.shape
    assert held.dtype == kept.dtype
    assert held.nbytes == kept.nbytes
    assert np.array_equal(kept.unpacked(held), values)


@pytest.mark.parametrize("in_files", [True, False])
def test_what_is_done_stays(tmp_path: Path, in_files: bool) -> None:
    trains = Trains(tmp_path if in_files else None, {"a": 1}, 100)
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, KEPT.shape, dtype=np.uint8)
    trains.make("one", KEPT)[:] = values
    assert not trains.is_done("one")
    trains.finish("one")
    assert trains.is_done("one")
    assert np.array_equal(trains.get("one", KEPT), values)
    assert trains.check("one", KEPT)
    trains.drop("one")
    assert trains.is_done("one")
    trains.close()
    assert not list(tmp_path.glob("*.bin"))


def test_what_is_large_goes_to_a_file_of_its_own() -> None:
    trains = Trains(None, {}, 1 << 40)
    held = trains.make("one", KEPT)
    assert isinstance(held, np.memmap)
    folder = Path(str(held.filename)).parent
    trains.finish("one")
    trains.close()
    assert not folder.exists()


def test_another_run_goes_on_where_this_one_ended(tmp_path: Path) -> None:
    first = Trains(tmp_path, {"a": 1}, 100)
    first.make("one", KEPT)[:] = 7
    first.finish("one")
    first.make("two", KEPT)[:] = 8
    first.close()
    again = Trains(tmp_path, {"a": 1}, 100)
    assert again.is_done("one")
    assert again.check("one", KEPT)
    assert (again.get("one", KEPT) == 7).all()
    assert not again.is_done("two")
    with pytest.raises(UsageProblem, match="another run"):
        Trains(tmp_path, {"a": 2}, 100)


@pytest.mark.parametrize("damage", ["bit", "size", "gone"])
def test_damaged_files_are_not_done(tmp_path: Path, damage: str) -> None:
    first = Trains(tmp_path, {}, 100)
    first.make("one", KEPT)[:] = 7
    first.finish("one")
    first.close()
    path = tmp_path / "one.bin"
    if damage == "bit":
        path.write_bytes(b"\x08" + path.read_bytes()[1:])
    elif damage == "size":
        path.write_bytes(path.read_bytes()[1:])
    else:
        path.unlink()
    again = Trains(tmp_path, {}, 100)
    assert again.is_done("one")
    assert not again.check("one", KEPT)
    assert not again.is_done("one")


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "journal.json").write_text("[]")
    with pytest.raises(CorruptFile, match="journal"):
        Trains(tmp_path, {}, 100)


def test_saturations_outlive_a_run_that_was_broken_off(tmp_path: Path) -> None:
    first = Trains(tmp_path, {}, 100)
    first.make("one", KEPT)
    first.finish("one", 3)
    first.make("two", KEPT)
    first.finish("two", 4)
    first.close()
    again = Trains(tmp_path, {}, 100)
    assert again.saturations == 7
    again.make("two", KEPT)  # played again: what it came upon then does not count
    assert again.saturations == 3
    again.finish("two", 5)
    assert again.saturations == 8


def test_what_was_kept_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    for mine in (None, "one.txt", "my.bin"):
        trains = Trains(folder, {}, 100)
        assert is_begun(folder) is False
        trains.make("one", KEPT)
        trains.finish("one")
        assert is_begun(folder)
        (folder / f".{JOURNAL}.abc").write_text("{")  # a run that was killed while it wrote
        if mine:
            (folder / mine).write_text("")
        trains.close()
        discard(folder)
        assert [path.name for path in folder.glob("*")] == ([mine] if mine else [])
        assert folder.exists() == bool(mine)
        if mine:
            (folder / mine).unlink()
