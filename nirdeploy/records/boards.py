"""The record that a simulated board leaves while it runs: what finds it, and tells it from another holder of its port.

A file of JSON in the cache's folder ``boards``, gone when the board ends. One that was killed leaves its record
behind: it names the process by its start too, for the number may be another's by now, and whoever comes across it
forgets it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nirdeploy.records import cache, store


@dataclass(frozen=True)
class BoardRecord:
    """A board that runs.

    ``pid``, ``started``: its process, as :func:`started` tells. ``port``: what to open. ``name``: of a board in the
    background, None of one that ends with its host. ``baud``: the device's.
    """

    pid: int
    started: int
    port: str
    name: str | None
    target: str
    baud: int

    def shown(self) -> dict[str, Any]:
        """What a user wants to know."""
        return {key: value for key, value in asdict(self).items() if key != "started"}


def folder() -> Path:
    return cache.folder() / "boards"


@contextlib.contextmanager
def announced(port: str, name: str | None, target: str, baud: int) -> Iterator[None]:
    """This process is a board meanwhile. Where nothing can be written, it is one that nobody finds."""
    record = BoardRecord(os.getpid(), started(os.getpid()), port, name, target, baud)
    path = folder() / f"{record.pid}-{record.started}.json"
    with contextlib.suppress(OSError):
        store.write_atomic(path, json.dumps(asdict(record)).encode())
    try:
        yield
    finally:
        _forget(path)


def running() -> list[BoardRecord]:
    """Every board that runs; forgets those whose process has ended."""
    found = []
    for path in sorted(folder().glob("*.json")):
        try:
            record = BoardRecord(**json.loads(path.read_bytes()))
        except OSError:  # it has just ended
            continue
        except (TypeError, ValueError):  # not a record, or an older nirdeploy's
            _forget(path)
            continue
        if is_running(record):
            found.append(record)
        else:
            _forget(path)
    return found


def is_running(board: BoardRecord) -> bool:
    """Whether the process is still that board's."""
    return board.started != 0 and started(board.pid) == board.started


def started(pid: int) -> int:
    """When the process started, in units of the system's; 0: there is none, it has ended, or the system does not tell.

    Linux tells in clock ticks since its own start, others in seconds. A process whose first thread has ended holds its
    port until the last one has.
    """
    if not Path("/proc/self/stat").exists():
        return started_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    state, threads, ticks = fields[0], int(fields[17]), int(fields[19])
    return 0 if state in "ZX" and threads <= 1 else ticks


def started_by_ps(pid: int) -> int:
    """The same in seconds, by the command ``ps``, which macOS and the BSDs have in the place of /proc."""
    command, english = ["ps", "-o", "stat=,lstart=", "-p", str(pid)], {**os.environ, "LC_ALL": "C"}
    try:
        said = subprocess.run(command, capture_output=True, text=True, env=english, check=False).stdout.split(
            maxsplit=1
        )
    except OSError:  # Windows, where no board runs
        return 0
    if len(said) < 2 or said[0].startswith("Z"):
        return 0
    return int(time.mktime(time.strptime(said[1].strip(), "%a %b %d %H:%M:%S %Y")))


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):  # another user's
        path.unlink(missing_ok=True)
