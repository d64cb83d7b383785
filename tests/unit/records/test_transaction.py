"""Files of a folder that change together, or not at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.records import transaction


def _write(folder: Path, text: str) -> None:
    with transaction.replaced(folder, last="manifest") as new:
        for name in ("a", "manifest", "z"):
            (new / name).write_text(text)
        (new / "more").mkdir()
        (new / "more" / text).write_text(text)


def _write_many(folder: str, who: str) -> None:
    for number in range(10):
        _write(Path(folder), f"{who} {number}")


def _write_in_vain(folder: Path) -> None:
    with transaction.replaced(folder, last="manifest") as new:
        (new / "a").write_text("two")
        (new / "nowhere" / "b").write_text("two")


def _read(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_what_is_new_takes_the_place_of_what_was(tmp_path: Path) -> None:
    _write(tmp_path / "here", "one")
    _write(tmp_path / "here", "two")
    assert _read(tmp_path / "here") == {"two"}
    assert [path.name for path in (tmp_path / "here" / "more").iterdir()] == ["two"]
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"a", "manifest", "more", "z"}


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    _write(tmp_path, "one")
    assert (tmp_path / "mine").read_text() == "mine"


def test_where_writing_fails_nothing_changes(tmp_path: Path) -> None:
    _write(tmp_path, "one")
    (tmp_path / "more" / "one").unlink()
    with pytest.raises(OSError, match="No such file"):
        _write_in_vain(tmp_path)
    assert _read(tmp_path) == {"one"}
    assert {path.name for path in tmp_path.iterdir()} == {"a", "manifest", "more", "z"}


def test_the_last_one_is_moved_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, real = [], Path.replace

    def told(path: Path, to: Path) -> Path:
        moved.append(path.name)
        return real(path, to)

    monkeypatch.setattr(Path, "replace", told)
    _write(tmp_path, "one")
    assert moved[-1] == "manifest"


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".new-left" / "new").mkdir(parents=True)
    _write(tmp_path, "one")
    assert not list(tmp_path.glob(".new-*"))


def test_many_at_once_leave_one(tmp_path: Path) -> None:
    code = f"from {__name__} import _write_many; _write_many(*__import__('sys').argv[1:])"
    command = [processes.command("-c", code, str(tmp_path), str(who)) for who in range(4)]
    writers = [subprocess.Popen(one, env=processes.environment()) for one in command]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(_read(tmp_path)) == 1
