"""Where what can be made again is kept: compiled hardware, bitstreams, records of boards that run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs


def folder() -> Path:
    """The folder that ``NIRDEPLOY_CACHE`` names, else ``nirdeploy`` where this system keeps the user's caches."""
    if chosen := os.environ.get("NIRDEPLOY_CACHE"):
        return Path(chosen)
    return platformdirs.user_cache_path("nirdeploy", appauthor=False)


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """``path`` in the cache, which ``make`` makes unless it is there: whole or not at all, and by one process.

    Args:
        make: writes the file whose name it gets, which becomes ``path`` when it has returned.
    """
    if not path.exists():
        with alone(path):
            if not path.exists():  # who had to wait finds it made
                beside = path.with_suffix(f".{os.getpid()}.tmp")
                try:
                    make(beside)
                    beside.replace(path)
                finally:
                    beside.unlink(missing_ok=True)
    return path


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
