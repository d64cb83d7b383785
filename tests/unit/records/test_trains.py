"""The store of spike trains: what was put in comes out, from memory and from files, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.records import manifest
from nirdeploy.records.trains import JOURNAL, Kept, Trains, discard, is_begun

ONE, TWO = "pass00001.0", "batch00002.1"
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
    trains.make(ONE, KEPT)[:] = values
    assert not trains.is_done(ONE)
    trains.finish(ONE)
    assert trains.is_done(ONE)
    assert np.array_equal(trains.get(ONE, KEPT), values)
    assert trains.check(ONE, KEPT)
    trains.drop(ONE)
    assert trains.is_done(ONE)
    trains.close()
    assert not list(tmp_path.glob("*.bin"))


def test_what_is_large_goes_to_a_file_of_its_own() -> None:
    trains = Trains(None, {}, 1 << 40)
    held = trains.make(ONE, KEPT)
    assert isinstance(held, np.memmap)
    folder = Path(str(held.filename)).parent
    trains.finish(ONE)
    trains.close()
    assert not folder.exists()


def test_another_run_goes_on_where_this_one_ended(tmp_path: Path) -> None:
    first = Trains(tmp_path, {"a": 1}, 100)
    first.make(ONE, KEPT)[:] = 7
    first.finish(ONE)
    first.make(TWO, KEPT)[:] = 8
    first.close()
    again = Trains(tmp_path, {"a": 1}, 100)
    assert again.is_done(ONE)
    assert again.check(ONE, KEPT)
    assert (again.get(ONE, KEPT) == 7).all()
    assert not again.is_done(TWO)
    with pytest.raises(UsageProblem, match="another run"):
        Trains(tmp_path, {"a": 2}, 100)


@pytest.mark.parametrize("damage", ["bit", "size", "gone"])
def test_damaged_files_are_not_done(tmp_path: Path, damage: str) -> None:
    first = Trains(tmp_path, {}, 100)
    first.make(ONE, KEPT)[:] = 7
    first.finish(ONE)
    first.close()
    path = tmp_path / f"{ONE}.bin"
    if damage == "bit":
        path.write_bytes(b"\x08" + path.read_bytes()[1:])
    elif damage == "size":
        path.write_bytes(path.read_bytes()[1:])
    else:
        path.unlink()
    again = Trains(tmp_path, {}, 100)
    assert again.is_done(ONE)
    assert not again.check(ONE, KEPT)
    assert not again.is_done(ONE)


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "journal.json").write_text("[]")
    with pytest.raises(CorruptFile, match="journal"):
        Trains(tmp_path, {}, 100)


def write_journal(folder: Path, **said: Any) -> None:
    """As a run would seal it."""
    (folder / JOURNAL).write_bytes(manifest.sealed({"run": {}, "done": {}, "saturations": {}, **said}))


@pytest.mark.parametrize(
    "said",
    [
        {"done": {"../victim": "0" * 64}},
        {"done": {"my": "0" * 64}},
        {"done": {"pass00001.0/../../victim": "0" * 64}},
        {"done": {f"{ONE}\n": "0" * 64}},
        {"done": {ONE: 5}},
        {"done": {ONE: ["0" * 64]}},
        {"done": {ONE: "0"}},
        {"done": [[ONE, "0" * 64]]},
        {"saturations": {ONE: "7"}},
        {"saturations": {ONE: [7]}},
        {"saturations": {ONE: True}},
        {"saturations": {ONE: float("nan")}},
        {"saturations": {ONE: float("inf")}},
        {"saturations": {ONE: -1}},
        {"saturations": {ONE: 10**400}},
        {"saturations": {"../victim": 1}},
        {"run": []},
        {"more": 1},
    ],
)
def test_a_sealed_journal_that_no_run_wrote_names_nothing(said: Mapping[str, Any], tmp_path: Path) -> None:
    kept, victims = tmp_path / "kept", [tmp_path / "victim.bin", tmp_path / "kept" / "my.bin"]
    kept.mkdir()
    for victim in victims:
        victim.write_text("precious")
    write_journal(kept, **said)
    for opens in (lambda: Trains(kept, {}, 100), lambda: discard(kept)):
        with pytest.raises(CorruptFile, match=r"journal.*damaged.*remove the folder"):
            opens()
    assert [victim.read_text() for victim in victims] == ["precious"] * 2


@pytest.mark.parametrize("text", ["[" * 100_000, '{"run":' + "9" * 5000 + "}", "\udcff", '{"done": {}}'])
def test_text_that_is_no_journal(text: str, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text(text, errors="surrogateescape")
    with pytest.raises(CorruptFile, match="journal"):
        Trains(tmp_path, {}, 100)


def test_a_journal_that_was_altered(tmp_path: Path) -> None:
    first = Trains(tmp_path, {}, 100)
    first.make(ONE, KEPT)
    first.finish(ONE, 3)
    first.close()
    path = tmp_path / JOURNAL
    path.write_text(path.read_text().replace(f'"{ONE}": 3', f'"{ONE}": 4'))
    with pytest.raises(CorruptFile, match="journal"):
        Trains(tmp_path, {}, 100)


def test_a_pipe_in_place_of_the_journal_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / JOURNAL)
    with pytest.raises(CorruptFile, match="journal"):
        Trains(tmp_path, {}, 100)


def a_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def a_second_name(path: Path, victim: Path) -> None:
    path.hardlink_to(victim)


def a_pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("plant", [a_link, a_second_name, a_pipe])
def test_what_stands_in_a_piece_s_place_is_left_alone(plant: Callable[[Path, Path], None], tmp_path: Path) -> None:
    kept, victim = tmp_path / "kept", tmp_path / "victim.txt"
    kept.mkdir()
    victim.write_text("precious")
    plant(kept / f"{ONE}.bin", victim)
    trains = Trains(kept, {}, 100)
    trains.make(ONE, KEPT)[:] = 7
    trains.finish(ONE)
    trains.close()
    discard(kept)
    assert victim.read_text() == "precious"
    assert not kept.exists()


@pytest.mark.parametrize("plant", [a_link, a_pipe])
def test_what_is_no_file_of_the_folder_is_not_done(plant: Callable[[Path, Path], None], tmp_path: Path) -> None:
    kept, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    first = Trains(kept, {}, 100)
    first.make(ONE, KEPT)[:] = 7
    first.finish(ONE)
    first.close()
    (kept / f"{ONE}.bin").rename(elsewhere)
    plant(kept / f"{ONE}.bin", elsewhere)
    assert not Trains(kept, {}, 100).check(ONE, KEPT)


def test_a_journal_that_links_elsewhere_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    kept, victim = tmp_path / "kept", tmp_path / "victim"
    kept.mkdir()
    (kept / JOURNAL).symlink_to(victim)
    trains = Trains(kept, {}, 100)
    trains.make(ONE, KEPT)
    assert not victim.exists()
    assert not (kept / JOURNAL).is_symlink()


def test_saturations_outlive_a_run_that_was_broken_off(tmp_path: Path) -> None:
    first = Trains(tmp_path, {}, 100)
    first.make(ONE, KEPT)
    first.finish(ONE, 3)
    first.make(TWO, KEPT)
    first.finish(TWO, 4)
    first.close()
    again = Trains(tmp_path, {}, 100)
    assert again.saturations == 7
    again.make(TWO, KEPT)  # played again: what it came upon then does not count
    assert again.saturations == 3
    again.finish(TWO, 5)
    assert again.saturations == 8


def test_what_was_kept_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    for mine in (None, "one.txt", "my.bin"):
        trains = Trains(folder, {}, 100)
        assert is_begun(folder) is False
        trains.make(ONE, KEPT)
        trains.finish(ONE)
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
