"""hdf5: every HDF5 file that nirdeploy reads, models and records alike, without trusting it.

A child process with limits looks first and reads then (:mod:`nirdeploy.records.hdf5child`): what HDF5 does with a
damaged or hostile file, it does there. Whoever asks gets plain arrays, or an error of its own kind.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from nirdeploy import processes
from nirdeploy.errors import NirdeployError, UsageProblem
from nirdeploy.records import hdf5child

_SECONDS = "NIRDEPLOY_READ_SECONDS"  # processor time that reading a file may take, for a file that needs more than
_CPU_S = 30  # some times what the most objects that are read take; damaged heaps send HDF5 into endless loops
_BYTES_PER_SECOND = 4 << 20  # a large file gets more time, up to the most that is read of any
_MOST_S = 1_000_000
#: Bytes that the child sends at most: what it may read, and what an npz has around 50,000 arrays; and that it says.
_MOST_SENT, _MOST_SAID = hdf5child.MAX_BYTES + (64 << 20), 1 << 20
_PART = 1 << 20
_WALL_PER_CPU = 10  # the clock on the wall ends only what sleeps, however busy the machine is


@dataclass(frozen=True)
class Kind:
    """What is read, in the words of its errors.

    ``what``: such as "the model file"; ``again``: how to get another one. ``refused``, ``late``: the errors of a file
    that is not read, and of one that takes too long. ``ratio``: how many bytes a stored one may stand for in a large
    dataset.
    """

    what: str
    again: str
    refused: type[NirdeployError]
    late: type[NirdeployError]
    ratio: int


@dataclass(frozen=True)
class Contents:
    """``datasets`` by path; groups are the keys that end in ``/``. ``attribute``: the root's that was asked for."""

    datasets: dict[str, np.ndarray]
    attribute: str = ""


def read(path: Path, kind: Kind, attribute: str = "") -> Contents:
    """All that a file holds. Nothing but the file itself is opened.

    Args:
        attribute: of the root, a text, to be read too.

    Raises:
        ``kind.refused``: the file is damaged, hostile or lacks the attribute. ``kind.late``: reading took longer than
        ``NIRDEPLOY_READ_SECONDS`` of processor time, or than its size needs. UsageProblem: that variable is no number.
    """
    seconds = _seconds(path.stat().st_size)
    return _contents(_ask_child(path, seconds, kind, attribute), str(path), seconds, kind)


def _seconds(size: int) -> int:
    """How much processor time reading a file of ``size`` bytes may take. Raises :class:`UsageProblem`."""
    text = os.environ.get(_SECONDS)
    if not text:
        return _CPU_S + min(size, hdf5child.MAX_BYTES) // _BYTES_PER_SECOND
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= _MOST_S:
        raise UsageProblem(
            f"{_SECONDS} is {text[:40]!r}, expected a whole number of seconds from 1 to {_MOST_S}",
            hint="correct the environment variable, or unset it",
        )
    return int(text)


def _ask_child(path: Path, seconds: int, kind: Kind, attribute: str) -> tuple[int, bytes, str]:
    """The child's exit status, its npz, and what it says. Raises ``kind.late``, and ``kind.refused`` where that is more
    than a file may hold."""
    settings = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"}
    longest = seconds * _WALL_PER_CPU
    asked = [str(path.resolve()), str(seconds), str(kind.ratio), *filter(None, [attribute])]
    with subprocess.Popen(
        processes.command(hdf5child.__file__, *asked),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=processes.environment(settings),
    ) as child:
        late = threading.Event()

        def end() -> None:
            late.set()
            child.kill()

        clock = threading.Timer(longest, end)
        clock.start()
        try:
            content, said = _both(child)
            child.wait()
        except BaseException:
            child.kill()
            raise
        finally:
            clock.cancel()
    if late.is_set() and child.returncode:
        raise kind.late(
            f"reading {kind.what} took more than {longest} s, though less than {seconds} s of processor time",
            where=str(path),
            hint=f"copy it to a local disk, or set {_SECONDS} to more than {seconds}",
        )
    if len(content) > _MOST_SENT:
        raise kind.refused(f"reading {kind.what} gives more than the file may hold", where=str(path), hint=kind.again)
    return child.returncode, content, said.decode(errors="replace")


def _both(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What a child writes to stdout and stderr, of each no more than it may; one that writes more is ended."""
    assert child.stdout is not None
    assert child.stderr is not None
    said = io.BytesIO()
    beside = threading.Thread(target=_taken, args=(child, child.stderr, said, _MOST_SAID))
    beside.start()
    content = io.BytesIO()
    _taken(child, child.stdout, content, _MOST_SENT)
    beside.join()
    return content.getvalue(), said.getvalue()  # which BytesIO does not copy


def _taken(child: subprocess.Popen[bytes], source: IO[bytes], into: io.BytesIO, most: int) -> None:
    """Reads to the end, or until there is more than ``most``."""
    while part := source.read1(_PART):  # type: ignore[attr-defined]
        into.write(part)
        if into.tell() > most:
            child.kill()
            return


def _contents(answer: tuple[int, bytes, str], where: str, seconds: int, kind: Kind) -> Contents:
    """``seconds``: what reading was allowed."""
    status, content, said = answer
    if status == 3:
        reason = (said.strip().splitlines() or ["no reason given"])[-1]
        if "truncated file" in reason or "already open for write" in reason:  # in HDF5's words
            raise kind.refused(
                f"writing the file was not finished: {reason}", where=where, hint=f"{kind.again}, and let it finish"
            )
        raise kind.refused(f"{kind.what} is refused: {reason}", where=where, hint=kind.again)
    if hasattr(signal, "SIGXCPU") and status == -signal.SIGXCPU:  # elsewhere the parent's clock is the only limit
        raise kind.late(
            f"reading {kind.what} took more than {seconds} s of processor time",
            where=where,
            hint=f"set {_SECONDS} to more than {seconds} if the file is as large as that, or {kind.again}",
        )
    if status:
        raise kind.refused(
            f"reading {kind.what} crashed the reader (status {status}): the file is damaged or hostile",
            where=where,
            hint=kind.again,
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        found = {str(name): archive[f"d{i}"] for i, name in enumerate(archive["names"])}
        groups = {f"{name}/": np.zeros(0) for name in archive["groups"]}
        return Contents(found | groups, str(archive["attribute"]) if "attribute" in archive.files else "")
