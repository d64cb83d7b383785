"""transaction: several files of a folder that change together, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_PREFIX = ".nirdeploy-"
_MARK = ".unfinished"  # in a folder of ours, and of nobody else's
_SAYS = "nirdeploy was writing to the folder above; it removes this one when it next does.\n"


@contextlib.contextmanager
def replaced(folder: Path, last: str, gone: Iterable[str] = ()) -> Iterator[Path]:
    """A new folder to write to; what is there in the end takes the place of what ``folder`` has of the same names.

    ``gone``: names that are removed with it. Nobody else changes the folder meanwhile. Where anything fails, all is as
    it was. A process that is killed while the files are moved leaves some of both: ``last``, which is moved last, is
    what tells which ones belong together. A link is replaced, and what it leads to stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        _clear(folder)
        room = Path(tempfile.mkdtemp(dir=folder, prefix=_PREFIX))
        try:
            (room / _MARK).write_text(_SAYS)
            (room / "new").mkdir()
            (room / "old").mkdir()
            yield room / "new"
            _move(folder, room, last, gone)
        finally:
            if (room / _MARK).exists() or not any(room.iterdir()):
                _remove(room)


def _clear(folder: Path) -> None:
    """Remove what processes that were killed have left; nothing else, whatever its name."""
    for left in folder.glob(f"{_PREFIX}*"):
        if left.is_dir() and not left.is_symlink():
            mark = left / _MARK
            if mark.is_file() and not mark.is_symlink() and _SAYS.encode().startswith(mark.read_bytes()[:1000]):
                _remove(left)
            with contextlib.suppress(OSError):
                left.rmdir()  # which only an empty one lets happen: it was killed before all else


def _remove(room: Path) -> None:
    """The mark goes last: whatever a process that is killed meanwhile leaves has it, or is empty."""
    for part in room.iterdir():
        if part.name != _MARK:
            shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(room, ignore_errors=True)


def _move(folder: Path, room: Path, last: str, gone: Iterable[str]) -> None:
    """Move what is new into the folder and what was there into the room, or nothing: then all is moved back."""
    new, old = room / "new", room / "old"
    names = sorted((path.name for path in new.iterdir()), key=lambda name: (name == last, name))
    done: list[tuple[Path, Path]] = []  # from where to where
    try:
        for name in (*(name for name in gone if name not in names), *names):
            place = folder / name
            # the last is replaced at once: a folder that has it never is without
            if os.path.lexists(place) and (name != last or (place.is_dir() and not place.is_symlink())):
                place.rename(old / name)
                done.append((place, old / name))
            if name in names:
                (new / name).replace(place)
                done.append((new / name, place))
    except BaseException:
        _move_back(done, room)
        raise


def _move_back(done: list[tuple[Path, Path]], room: Path) -> None:
    """Undo moves. Where that fails, too, what is in the room is not ours to remove any more."""
    try:
        for place, moved in reversed(done):
            moved.rename(place)
    except BaseException:
        (room / _MARK).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process replaces anything in the folder meanwhile: it waits here. Without locks nobody waits, nor where
    it is no folder."""
    try:
        import fcntl

        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
