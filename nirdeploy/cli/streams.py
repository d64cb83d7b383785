"""streams: stdin, stdout and stderr as the commands find them, whatever they were started with.

What is closed is as ``/dev/null``: otherwise the next file that is opened would take its place. Notes that cannot be
written are lost, and that is all. A result that cannot be written is an error, once.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import IO, Any

# What the terminal's encoding does not have is spelt out (``\u8109``): a name is no reason to fail.
_SPELT_OUT = "backslashreplace"


class _Notes(io.FileIO):
    """Whose writes are lost where nobody takes them."""

    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            return super().write(data) or len(data)
        return len(data)


class _Result(io.FileIO):
    """Which raises the first time that it cannot be written, and takes all that comes after that: there is nobody to
    write it for."""

    lost: OSError | None = None

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        if self.lost is not None:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.lost = error
            raise


_KINDS = {"stdin": io.FileIO, "stdout": _Result, "stderr": _Notes}


def prepare() -> None:
    """Make them so, for as long as this process lives. What a program has put in their place stays as it is."""
    for number, (name, kind) in enumerate(_KINDS.items()):
        stream = getattr(sys, name)
        setattr(sys, name, _nowhere(number) if stream is None else _through(stream, kind))


def lost() -> OSError | None:
    """Why the result could not be written, where it could not."""
    raw = _raw(sys.stdout)
    return raw.lost if isinstance(raw, _Result) else None


def finish() -> None:
    """Write all of the result that is left. Raises :class:`OSError` where that, or some of it before, could not be
    written."""
    sys.stdout.flush()
    if (error := lost()) is not None:
        raise error


def _nowhere(number: int) -> IO[str]:
    """What stands for a stream that is closed, under its number if no other file has taken that."""
    opened = os.open(os.devnull, os.O_RDWR)
    try:
        os.fstat(number)
    except OSError:
        os.dup2(opened, number)
    if opened == number:
        os.set_inheritable(number, True)
    else:
        os.close(opened)
    return open(os.devnull, "w" if number else "r", encoding="utf-8", errors=_SPELT_OUT)  # noqa: PTH123


def _through(stream: Any, kind: type[io.FileIO]) -> Any:
    """The stream with a raw file of this kind below it, unless it is none of Python's own."""
    if kind is io.FileIO or not isinstance(stream, io.TextIOWrapper):
        return stream
    raw = _raw(stream)
    if type(raw) is not io.FileIO:  # of a program, a console of Windows
        stream.reconfigure(errors=_SPELT_OUT)
        return stream
    stream.flush()
    own = kind(raw.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        own if stream.buffer is raw else io.BufferedWriter(own),
        encoding=stream.encoding,
        errors=_SPELT_OUT,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _raw(stream: Any) -> Any:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)
