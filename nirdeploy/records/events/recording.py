"""recording: events of a file, or of an array as tonic's data sets have them, without trusting either.

A child process under limits decodes files (:mod:`nirdeploy.records.events.child`); whoever asks gets plain arrays,
block by block, or an error in one paragraph.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nirdeploy import processes
from nirdeploy.errors import CorruptFile, ToolMissing, UsageProblem
from nirdeploy.records.events import child
from nirdeploy.records.events.child import EVENT

#: Endings of files that hold events, and what the library that decodes them calls their format.
FORMATS = {".aedat4": "aedat", ".aedat": "aedat", ".raw": "evt", ".dat": "dat", ".es": "es"}
MOST_EVENTS = 1 << 30
_CPU_S = 60  # of processor time, for any file; more for a large one
_BYTES_PER_SECOND = 1 << 20
_MOST_BYTES = 1 << 30  # of those; in the time for so many, all events that there may be are read some times over
_MOST_HEAD = 1 << 10  # bytes
_FIELDS = {
    "t": ("t", "ts", "timestamp", "timestamps", "time"),
    "x": ("x",),
    "y": ("y",),
    "p": ("p", "pol", "polarity", "on"),
}


def is_recording(path: Path | str) -> bool:
    """Whether a file's name is one of a recording of events."""
    return Path(path).suffix.lower() in FORMATS


@dataclass(frozen=True)
class Recording:
    """``width`` x ``height`` pixels; ``blocks``: of events (:data:`EVENT`), in the order of the file. ``where``: for
    errors."""

    width: int
    height: int
    blocks: Iterator[np.ndarray]
    where: str = ""

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path | str) -> Iterator[Recording]:
        """A file, decoded while its blocks are taken.

        Raises:
            UsageProblem: there is no such file, or its format is not known. ToolMissing: faery is not installed.
            CorruptFile: it is damaged, hostile or too large; while blocks are taken, too.
        """
        path = Path(path)
        if not is_recording(path):
            raise UsageProblem(
                f"files that end in {path.suffix or 'nothing'} are no recordings of events",
                where=str(path),
                hint=f"those end in {', '.join(FORMATS)}",
            )
        if not path.is_file():
            raise UsageProblem("there is no such recording", where=str(path))
        seconds = _seconds(path.stat().st_size)
        asked = [str(path.resolve()), FORMATS[path.suffix.lower()], str(seconds), str(MOST_EVENTS)]
        with tempfile.TemporaryFile() as said, subprocess.Popen(
            processes.command(child.__file__, *asked),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=processes.environment({"RAYON_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
        ) as process:  # fmt: skip
            try:
                assert process.stdout is not None
                size = _head(process.stdout)
                if size is None:
                    _refuse(process, said, path, seconds)
                else:
                    yield cls(*size, _blocks(process, process.stdout, said, path, seconds), str(path))
            finally:
                process.kill()

    @classmethod
    def of(cls, events: Any, size: tuple[int, ...] | None = None, where: str = "events") -> Recording:
        """A structured array as tonic's data sets have it: t in microseconds, x, y if there is one, p.

        Args:
            size: of the sensor, (width, height) or more, as tonic's ``sensor_size``; else as far as events reach.

        Raises:
            UsageProblem: it is no such array.
        """
        found = _structured(events, where)
        reach = [int(found[axis].max(initial=0)) + 1 for axis in ("x", "y")]
        width, height = reach if size is None else (int(size[0]), int(size[1]) if len(size) > 1 else 1)
        return cls(width, height, iter([found]), where)


def _seconds(size: int) -> int:
    """How much processor time reading a file of ``size`` bytes may take: a size is easily claimed."""
    return _CPU_S + min(size, _MOST_BYTES) // _BYTES_PER_SECOND


def _structured(events: Any, where: str) -> np.ndarray:
    given = np.asarray(events)
    names = given.dtype.names or ()
    chosen = {axis: next((n for n in names if n.lower() in known), None) for axis, known in _FIELDS.items()}
    if given.ndim != 1 or chosen["t"] is None or chosen["x"] is None:
        raise UsageProblem(
            f"this is no list of events, but {given.dtype} of shape {given.shape}",
            where=where,
            hint="give an array with fields t (microseconds), x, y and p, as tonic's data sets do",
        )
    found = np.zeros(len(given), EVENT)
    for axis, name in chosen.items():
        if name is None:
            found[axis] = axis == "p"
            continue
        values = given[name]
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise UsageProblem(f"the events' field {name!r} holds {values.dtype}, not numbers", where=where)
        values = (values > 0) if axis == "p" else values
        most = np.iinfo(EVENT[axis]).max
        if values.size and (values.min() < 0 or values.max() > most):
            raise UsageProblem(
                f"the events' field {name!r} goes from {values.min()} to {values.max()}, expected 0 to {most}",
                where=where,
            )
        found[axis] = values
    return found


def _head(stream: IO[bytes]) -> tuple[int, int] | None:
    """The sensor's size; None where the child ended first."""
    line = stream.readline(_MOST_HEAD)
    if not line.endswith(b"\n"):
        return None
    width, height = json.loads(line)
    return int(width), int(height)


def _blocks(
    process: subprocess.Popen[bytes], stream: IO[bytes], said: IO[bytes], path: Path, seconds: int
) -> Iterator[np.ndarray]:
    while len(head := stream.read(4)) == 4:
        count = int.from_bytes(head, "little")
        if not count:
            return
        data = stream.read(count * EVENT.itemsize)
        if len(data) < count * EVENT.itemsize:
            break
        yield np.frombuffer(data, EVENT)
    _refuse(process, said, path, seconds)


def _refuse(process: subprocess.Popen[bytes], said: IO[bytes], path: Path, seconds: int) -> None:
    """Raises the error that the child's end tells of."""
    status = process.wait()
    said.seek(0)
    reason = (said.read(1 << 16).decode(errors="replace").strip().splitlines() or ["no reason given"])[-1][:300]
    if status == 4:
        raise ToolMissing(
            f"reading recordings of events needs faery, which is not there: {reason}",
            hint="pip install 'nirdeploy[events]'",
        )
    if hasattr(signal, "SIGXCPU") and status == -signal.SIGXCPU:
        reason = f"reading it took more than {seconds} s of processor time"
    elif status != 3:
        reason = f"it crashed the reader (status {status}): the file is damaged or hostile"
    raise CorruptFile(
        f"the recording cannot be read: {reason}", where=str(path), hint="record it again, or check what wrote it"
    )
