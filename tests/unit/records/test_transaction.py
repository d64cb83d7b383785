"""Files of a folder that change together, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
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


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_is_gone_goes_with_the_moves(tmp_path: Path) -> None:
    _write(tmp_path, "one")
    with pytest.raises(ZeroDivisionError), transaction.replaced(tmp_path, last="manifest", gone=("z", "none")) as new:
        (new / "manifest").write_text(str(1 // 0))
    assert "z" in _names(tmp_path)
    with transaction.replaced(tmp_path, last="manifest", gone=("z", "none")) as new:
        (new / "manifest").write_text("two")
    assert _names(tmp_path) == {"a", "manifest", "more"}


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_where_moving_fails_nothing_changes(
    number: int, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any of its moves: those made are undone, of files, folders and links."""
    (tmp_path / "elsewhere").mkdir()
    _write(tmp_path / "here", "one")
    (tmp_path / "here" / "a").unlink()
    (tmp_path / "here" / "a").symlink_to("../elsewhere")
    before = {path: path.lstat().st_mode for path in (tmp_path / "here").rglob("*")}
    calls = 0

    def fails_once(real: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def move(path: Path, to: Path) -> Path:
            nonlocal calls
            calls += 1
            if calls == number:
                raise error
            return real(path, to)

        return move

    for verb in ("replace", "rename"):
        monkeypatch.setattr(Path, verb, fails_once(getattr(Path, verb)))
    if not 1 <= number <= 7:  # so many moves there are
        _write(tmp_path / "here", "two")
        assert _read(tmp_path / "here") == {"two"}
        return
    with pytest.raises(type(error)):
        _write(tmp_path / "here", "two")
    assert {path: path.lstat().st_mode for path in (tmp_path / "here").rglob("*")} == before
    assert _read(tmp_path / "here") == {"one"}


def test_a_move_that_cannot_be_undone_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "one")
    real = Path.rename

    def rename(path: Path, to: Path) -> Path:
        if path.name == "more" or path.parent.name == "old":
            raise OSError(5, "Input/output error")
        return real(path, to)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="Input/output error"):
        _write(tmp_path, "two")
    monkeypatch.undo()
    (left,) = tmp_path.glob(".nirdeploy-*")
    assert (left / "old" / "a").read_text() == "one"
    _write(tmp_path, "three")
    assert (left / "old" / "a").read_text() == "one"


@pytest.mark.parametrize("name", ["a", "more", "manifest"])
def test_a_link_is_replaced_and_what_it_leads_to_stays(name: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("mine")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / name).symlink_to(other)
    _write(tmp_path / "here", "one")
    assert (other / "mine").read_text() == "mine"
    assert not any(path.is_symlink() for path in (tmp_path / "here").iterdir())


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / ".nirdeploy-left"
    with transaction.replaced(tmp_path, last="manifest") as new:
        shutil.copytree(new.parent, left)
        (left / "new" / "a").write_text("one")
    (tmp_path / ".nirdeploy-early").mkdir()
    assert _names(tmp_path) == {".nirdeploy-left", ".nirdeploy-early"}
    _write(tmp_path, "one")
    assert not list(tmp_path.glob(".nirdeploy-*"))


def test_the_mark_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may be killed while it clears away, too."""
    removed = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: removed.append(path.name))
    _write(tmp_path, "one")
    assert sorted(removed[:-1]) == ["new", "old"]
    assert removed[-1].startswith(".nirdeploy-")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
@pytest.mark.parametrize("number", range(1, 8))
def test_a_process_killed_at_a_move(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a last file at any time, and what is left is cleared away by the next."""
    _write(tmp_path, "one")
    if not (child := os.fork()):
        moves = 0

        def killed(real: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
            def move(path: Path, to: Path) -> Path:
                nonlocal moves
                moves += 1
                if moves == number:
                    os._exit(9)
                return real(path, to)

            return move

        for verb in ("replace", "rename"):
            monkeypatch.setattr(Path, verb, killed(getattr(Path, verb)))
        _write(tmp_path, "two")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (tmp_path / "manifest").read_text() == "one"
    assert list(tmp_path.glob(".nirdeploy-*"))
    _write(tmp_path, "three")
    assert _read(tmp_path) == {"three"}
    assert _names(tmp_path) == {"a", "manifest", "more", "z"}


def test_what_is_not_ours_is_not(tmp_path: Path) -> None:
    for name in (".new-design", ".nirdeploy-mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("mine")
    (tmp_path / ".nirdeploy-file").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".unfinished").write_text("")
    (tmp_path / ".nirdeploy-link").symlink_to(tmp_path / "elsewhere")
    _write(tmp_path, "one")
    assert {".new-design", ".nirdeploy-mine", ".nirdeploy-file", ".nirdeploy-link"} <= _names(tmp_path)
    assert (tmp_path / ".nirdeploy-mine" / "mine").read_text() == "mine"
    assert (tmp_path / "elsewhere" / ".unfinished").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with transaction.alone(tmp_path / "pipe"):
        pass


def test_many_at_once_leave_one(tmp_path: Path) -> None:
    code = f"from {__name__} import _write_many; _write_many(*__import__('sys').argv[1:])"
    command = [processes.command("-c", code, str(tmp_path), str(who)) for who in range(4)]
    writers = [subprocess.Popen(one, env=processes.environment()) for one in command]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(_read(tmp_path)) == 1
