"""holders: which process has a file open, or a lock on it: its number, its command line and its user."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SHOWN = 120  # characters of a command line
_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A process. ``command``: its command line; ``user``: whose it is; empty where the system does not tell."""

    pid: int
    command: str
    user: str

    def __str__(self) -> str:
        command = self.command if len(self.command) <= _SHOWN else f"{self.command[:_SHOWN]}..."
        return f"process {self.pid}{f' ({command})' if command else ''}{f' of user {self.user}' if self.user else ''}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def of_process(pid: int) -> Holder:
    """What the system tells of a process, which may have ended."""
    if not (_PROC / "self").exists():
        return _by_ps(pid)
    try:
        words = [word.decode(errors="replace") for word in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")]
        command = " ".join(filter(None, words)) or (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        command = ""
    try:
        user = _name((_PROC / str(pid)).stat().st_uid)
    except OSError:
        user = ""
    return Holder(pid, _short(command), user)


def of_file(path: str, without: Collection[int] = ()) -> Holder | None:
    """A process that has a file open, or else one that has locked it; none, or none that this user may see.

    Args:
        without: numbers of processes that do not count.
    """
    real = os.path.realpath(path)
    for link in _PROC.glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == real and int(link.parts[2]) not in without:
                return of_process(int(link.parts[2]))
        except OSError:  # another user's, or it has just ended
            continue
    return next((of_process(pid) for pid in _lockers(real) if pid not in without), None)


def _lockers(path: str) -> list[int]:
    """Processes with a lock on a file, other users' too: Linux lists them by the file's device and number."""
    try:
        there = Path(path).stat()
        lines = (_PROC / "locks").read_text().splitlines()
    except OSError:
        return []
    wanted = f"{os.major(there.st_dev):02x}:{os.minor(there.st_dev):02x}:{there.st_ino}"
    found = []
    for line in lines:  # "1: FLOCK  ADVISORY  WRITE 1234 00:18:5 0 EOF"; those that wait have an arrow
        fields = line.split()
        if len(fields) >= 6 and fields[1] != "->" and fields[5] == wanted and int(fields[4]) > 0:
            found.append(int(fields[4]))
    return found


def _name(uid: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def _short(command: str) -> str:
    """In one line; the interpreter's path says little: its name does."""
    first, _, rest = " ".join(command.split()).partition(" ")
    return f"{Path(first).name} {rest}".strip()


def _by_ps(pid: int) -> Holder:
    """The same by the command ``ps``, which macOS and the BSDs have in the place of /proc."""
    line = ["ps", "-o", "user=,args=", "-p", str(pid)]
    try:
        said = subprocess.run(line, capture_output=True, text=True, check=False).stdout.split(maxsplit=1)
    except OSError:  # Windows
        said = []
    return Holder(pid, _short(said[1].strip()), said[0]) if len(said) == 2 else Holder(pid, "", "")
