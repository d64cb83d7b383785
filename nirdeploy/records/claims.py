"""claims: one process at a time has a board: the others wait for it, and are told for whom.

A claim is a lock on a file in the cache's folder ``claims``, named by what is claimed, in which its holder says who it
is. The system gives it up when the process ends, however it ends; the file stays. A port is exclusive by itself as
well, for processes that know nothing of this; but a board is more than its port: it is loaded and switched by other
means.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO

from nirdeploy.errors import PortBusy
from nirdeploy.records import boards, cache, holders
from nirdeploy.records.holders import Holder

_POLL_S = 0.05

Say = Callable[[str], None]


class Claim:
    """What this process has until :meth:`release`, or the end of a ``with``."""

    def __init__(self, lock: IO[str] | None) -> None:
        self._lock = lock

    def release(self) -> None:
        """Let the next one have it; harmless where that has been done."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def claim(what: str, label: str, wait: float = 0.0, say: Say | None = None) -> Claim:
    """Claim ``what`` (a port's path, ``auto:SERIAL``) for this process.

    Where the system has no locks, or the folder cannot be written, nobody is kept out.

    Args:
        label: as users know it: "board 'lab1'".
        wait: seconds to wait at most while another has it.
        say: is told once whom it waits for.

    Raises:
        PortBusy: another has it still; names process, command and user.
    """
    try:
        import fcntl

        path = _path(what)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")
    except (ImportError, OSError):
        return Claim(None)
    deadline, told = time.monotonic() + wait, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                lock.close()
                raise busy(label, holder(what)) from None
            if say is not None and not told:
                told = True
                say(waits(label, holder(what), wait))
            time.sleep(_POLL_S)
        except OSError:  # a file system without locks
            lock.close()
            return Claim(None)
    with contextlib.suppress(OSError):
        lock.truncate(0)
        lock.write(json.dumps({**asdict(holders.of_process(os.getpid())), "started": boards.started(os.getpid())}))
        lock.flush()
    return Claim(lock)


def holder(what: str) -> Holder | None:
    """The process that has it, where there is one and it has said who it is."""
    try:
        said = json.loads(_path(what).read_text())
        known = Holder(int(said["pid"]), str(said["command"]), str(said["user"]))
        return known if boards.started(known.pid) == said["started"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def busy(label: str, by: Holder | None) -> PortBusy:
    """The error of one who comes too late, or has waited long enough."""
    return PortBusy(
        f"{label} is held by {by or 'another process'}",
        hint="close that program and try again, or wait for it: --wait SECONDS (NIRDEPLOY_WAIT)",
    )


def waits(label: str, by: Holder | None, seconds: float) -> str:
    """What is said meanwhile."""
    return f"waiting for {label}, which is held by {by or 'another process'}, {seconds:g} s at most ..."


def _path(what: str) -> Path:
    return cache.folder() / "claims" / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock"
