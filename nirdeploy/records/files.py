"""files: what somebody names is looked at before it is read: whether it is a file, and of a size that can be read.

A pipe would be waited for without end, and a file that only claims its size, or what it unpacks to, would take all the
memory there is.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from nirdeploy.errors import CorruptFile, NirdeployError, ToolMissing, UsageProblem, meant_file

_DEFLATED = 1032  # to one, at best
_SMALL = 1 << 16  # bytes that are not worth a look
_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup/memory.max")  # of a container


def absent(path: Path, what: str = "file", hint: str = "") -> UsageProblem:
    """What to say of a path that is no regular file."""
    if path.exists():
        kind = kind_of(path.stat().st_mode)
        return UsageProblem(f"this is {kind}, not a {what}", where=str(path), hint=hint or f"name a {what}")
    return UsageProblem(f"there is no such {what}", where=str(path), hint=meant_file(path))


def kind_of(mode: int) -> str:
    """What a path is, by its mode."""
    kinds = (
        (stat.S_ISREG, "a file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for is_one, name in kinds if is_one(mode)), "a device")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file to read. Raises :class:`OSError` as opening does, :class:`CorruptFile` where it is none."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)  # nobody waits for a pipe's other end
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise CorruptFile(f"this is {kind_of(mode)}, not a file", where=str(path), hint="put a file in its place")
    with os.fdopen(handle, "rb") as file:
        yield file


def content(path: Path, most: int | None = None, begins: bytes = b"") -> bytes:
    """All that a regular file holds; only its beginning, where that is not ``begins``.

    Args:
        most: bytes that such a file may have; by default what there is memory for.

    Raises:
        OSError: as opening and reading do. CorruptFile: it is no file, or larger than ``most``.
        ToolMissing: there is not memory enough.
    """
    with opened(path) as file:
        head = file.read(len(begins))
        if head != begins:
            return head
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise CorruptFile(
                f"the file has {size:,} bytes and is larger than such a file may be ({most:,})",
                where=str(path),
                hint="name the right one, or make it again",
            )
        with enough(size, str(path)):
            return head + file.read(size - len(head))


def toml(path: Path, most: int = 1 << 20) -> dict[str, Any]:
    """What a TOML file says. Raises :class:`ValueError` where it is not valid, else as :func:`content`."""
    text = content(path, most).decode("utf-8-sig")  # Windows' editors begin a file with a mark
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        raise ValueError("a number in it has thousands of digits") from error
    except RecursionError as error:
        raise ValueError("brackets in it are nested hundreds deep") from error


def check_archive(file: IO[bytes], where: str) -> None:
    """Looks at what the members of a .zip (.npz) claim to unpack to.

    Raises:
        zipfile.BadZipFile: it is none. CorruptFile: no such file unpacks to so much.
        ToolMissing: there is not memory enough for it.
    """
    if not zipfile.is_zipfile(file):
        raise zipfile.BadZipFile
    with enough(file.seek(0, os.SEEK_END), where):
        members = _members(file)
    file.seek(0)
    for one in members:
        if one.file_size > _SMALL + _DEFLATED * one.compress_size:
            raise CorruptFile(
                f"{one.filename!r} claims to unpack from {one.compress_size:,} bytes to {one.file_size:,}",
                where=where,
                hint="it is damaged, or made to do harm: make it again",
            )
    with enough(sum(one.file_size for one in members), where):
        pass


def _members(file: IO[bytes]) -> list[zipfile.ZipInfo]:
    """What an archive says of its members. Raises :class:`zipfile.BadZipFile` for whatever zipfile raises of damage."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except MemoryError:
        raise
    except Exception as error:  # another version, a place before the file, a name that is none: each has its own
        raise zipfile.BadZipFile(str(error)) from error


def check(path: Path, archive: bool = False) -> None:
    """A file before all of it is read. Raises as :func:`opened` and, of an archive (.npz), as :func:`check_archive`;
    :class:`CorruptFile` where it has to be an ``archive`` and is none."""
    with opened(path) as file:
        try:
            if archive or file.read(2) == b"PK":
                check_archive(file, str(path))
                return
        except zipfile.BadZipFile as error:
            if archive:
                raise CorruptFile(
                    "the file is damaged or not one of nirdeploy's (BadZipFile)", where=str(path), hint="build it again"
                ) from error
        with enough(os.fstat(file.fileno()).st_size, str(path)):
            return


@contextlib.contextmanager
def enough(size: int, where: str) -> Iterator[None]:
    """There is memory for so many bytes, before and while they are read. Raises :class:`ToolMissing` where not."""
    there = None if size <= _SMALL else available()
    if there is not None and size > there:
        raise _too_little(size, where, f", {there:,} are free")
    try:
        yield
    except MemoryError as error:
        raise _too_little(size, where) from error


def _too_little(size: int, where: str, free: str = "") -> NirdeployError:
    return ToolMissing(
        f"there is not memory enough to read this: it takes {size:,} bytes{free}",
        where=where,
        hint="make sure that it is the right file; else end other programs, or take a machine with more memory",
    )


def available() -> int | None:
    """Bytes of memory that this process may still take, as far as the system says."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = _MEMORY.read_text().splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with contextlib.suppress(OSError, ValueError):  # "max": as much as there is
        found.append(int(_GROUP.read_text()))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit, pages = resource.getrlimit(resource.RLIMIT_AS)[0], Path("/proc/self/statm").read_text().split()[0]
        if limit != resource.RLIM_INFINITY:
            found.append(max(limit - int(pages) * resource.getpagesize(), 0))
    return min(found, default=None)
