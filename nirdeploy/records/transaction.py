"""transaction: several files of a folder that change together, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = ".new-"


@contextlib.contextmanager
def replaced(folder: Path, last: str) -> Iterator[Path]:
    """A new folder to write to; what is there in the end takes the place of what ``folder`` has of the same names.

    Nobody else changes the folder meanwhile. Where writing fails nothing has changed. A process that ends while the
    files are moved leaves some of both: ``last``, which is moved last, is what tells which ones belong together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        for left in folder.glob(f"{_PREFIX}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_PREFIX) as name:
            new, old = Path(name) / "new", Path(name) / "old"
            new.mkdir()
            old.mkdir()
            yield new
            for path in sorted(new.iterdir(), key=lambda path: path.name == last):
                _put(path, folder / path.name, old / path.name)


def _put(path: Path, place: Path, old: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        place.rename(old)
    path.replace(place)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process replaces anything in the folder meanwhile: it waits here. Without locks nobody waits."""
    try:
        import fcntl

        held = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
