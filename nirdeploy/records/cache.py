"""Where what can be made again is kept: compiled hardware, bitstreams, records of boards that run.

An entry is complete or absent: beside it stands its SHA-256, and one that is not what that says, as after a crash of
the system or on a bad disk, is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from nirdeploy.errors import ToolMissing
from nirdeploy.records import store


def folder() -> Path:
    """The folder that ``NIRDEPLOY_CACHE`` names, else ``nirdeploy`` where this system keeps the user's caches.

    Raises:
        ToolMissing: nobody says, and the user has no home.
    """
    if chosen := os.environ.get("NIRDEPLOY_CACHE"):
        return Path(chosen)
    try:
        return platformdirs.user_cache_path("nirdeploy", appauthor=False)
    except RuntimeError as error:
        raise ToolMissing(
            "there is no folder for what is kept between runs, for this user has no home",
            hint="set NIRDEPLOY_CACHE to a folder that you may write, or HOME: export NIRDEPLOY_CACHE=FOLDER",
        ) from error


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """``path`` in the cache, which ``make`` makes unless it is there: whole or not at all, and by one process.

    Args:
        make: writes the file whose name it gets, which becomes ``path`` when it has returned.
    """
    if not holds(path):
        with alone(path):
            if not holds(path):  # who had to wait finds it made
                beside = path.with_suffix(f".{os.getpid()}.tmp")
                try:
                    make(beside)
                    _on_disk(beside)
                    beside.replace(path)
                    store.write_atomic(_sum(path), _digest(path).encode())
                finally:
                    beside.unlink(missing_ok=True)
    return path


def holds(path: Path) -> bool:
    """Whether ``path`` is in the cache, as it was made."""
    try:
        return _sum(path).read_text() == _digest(path)
    except (OSError, ValueError):
        return False


def _sum(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _on_disk(path: Path) -> None:
    """Wait until it is there to stay."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """No other process makes ``path`` meanwhile: it waits here. A process that dies lets the next one in.

    The lock is an empty file beside ``path``. It stays: were it removed, one that waits for it and one that makes it
    anew would both go in. On a system without locks nobody waits, and the last to be ready stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
