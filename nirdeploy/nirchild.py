"""The process that touches a stranger's HDF5 file: ``python nirchild.py FILE`` writes an npz to stdout.

It runs alone, under limits, and imports nothing of nirdeploy: whatever HDF5 does with a hostile file, it
does it here. Every object is looked at before any data is read. Exit status 3 with one line on stderr is
a refusal; any other end is a crash, which the parent reports as such.
"""

from __future__ import annotations

import math
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import IO

import h5py
import numpy as np

MAX_DEPTH = 24
MAX_OBJECTS = 50_000
MAX_BYTES = 1 << 30
SUSPECT_BYTES = 1 << 28  # a dataset this large must not be compressed more than MAX_RATIO
MAX_RATIO = 200
FILTERS = {1, 2, 3}  # deflate, shuffle, fletcher32
MEMORY_BYTES = 2 << 30
CPU_SECONDS = 3  # of reading; damaged heaps send HDF5 into endless loops
BYTES_PER_SECOND = 20 << 20  # a large file gets more time


class RefusedError(Exception):
    """The file is not read; the message says why."""


def limit(path: str) -> None:
    """Limit this process in memory and core dumps, and in the processor time from here on."""
    try:
        import resource
    except ImportError:  # not a POSIX system: the parent's clock is the only limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    seconds = CPU_SECONDS + Path(path).stat().st_size // BYTES_PER_SECOND
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def scan(group: h5py.Group, path: str, found: dict[str, h5py.Dataset], groups: list[str], total: list[int]) -> None:
    """Collect the datasets below ``group``, by metadata alone. Raises :class:`RefusedError`."""
    if path.count("/") > MAX_DEPTH:
        raise RefusedError(f"groups are nested deeper than {MAX_DEPTH} (or in a cycle) at {path[:60]!r}")
    for name in group:
        here = f"{path}/{name}" if path else name
        total[0] += 1
        if total[0] > MAX_OBJECTS:
            raise RefusedError(f"more than {MAX_OBJECTS} objects")
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise RefusedError(f"{here!r} is a {type(link).__name__}, which may lead out of the file")
        item = group[name]
        if isinstance(item, h5py.Group):
            groups.append(here)
            scan(item, here, found, groups, total)
        elif isinstance(item, h5py.Dataset):
            look(item, here)
            total[1] += item.size * max(item.dtype.itemsize, 1)
            if total[1] > MAX_BYTES:
                raise RefusedError(f"the datasets declare more than {MAX_BYTES >> 20} MiB")
            found[here] = item
        else:
            raise RefusedError(f"{here!r} is neither a group nor a dataset")


def look(item: h5py.Dataset, here: str) -> None:
    """Refuse a dataset whose data would come from elsewhere, or be out of proportion."""
    if item.shape is None:
        raise RefusedError(f"{here!r} has no data")
    if item.external or item.is_virtual:
        raise RefusedError(f"{here!r} keeps its data in another file")
    if item.dtype.kind not in "biuf" and h5py.check_string_dtype(item.dtype) is None:
        raise RefusedError(f"{here!r} has type {item.dtype}, expected numbers or text")
    creation = item.id.get_create_plist()
    filters = {creation.get_filter(i)[0] for i in range(creation.get_nfilters())}
    if not filters <= FILTERS:
        raise RefusedError(f"{here!r} uses HDF5 filters {sorted(filters - FILTERS)}")
    declared = item.size * max(item.dtype.itemsize, 1)
    if declared > SUSPECT_BYTES and declared > MAX_RATIO * max(item.id.get_storage_size(), 1):
        raise RefusedError(f"{here!r} declares {declared >> 20} MiB but stores {item.id.get_storage_size()} bytes")


def load(item: h5py.Dataset) -> np.ndarray:
    """The dataset as a plain array; text as unicode. Raises :class:`RefusedError` on text out of proportion."""
    if h5py.check_string_dtype(item.dtype) is None:
        return np.asarray(item[()])
    text = np.asarray(item.asstr()[()], dtype=object)
    longest = max((len(one) for one in text.flat), default=0)
    if text.size * longest * 4 > MAX_BYTES:  # the array gives every text the room of the longest
        raise RefusedError(f"{item.name!r} holds {text.size} texts of up to {longest} characters")
    return np.array(text, dtype=np.str_)


def answer(path: str, out: IO[bytes], say: IO[str]) -> int:
    """Read the file at ``path``: an npz on ``out``, or the reason for a refusal on ``say``. Returns the exit status."""
    try:
        with h5py.File(path, "r") as file:
            found: dict[str, h5py.Dataset] = {}
            groups: list[str] = []
            scan(file, "", found, groups, [0, 0])
            with zipfile.ZipFile(out, "w") as archive:  # one dataset after the other: never all of them in memory
                put(archive, "names", np.array(list(found), dtype=np.str_) if found else np.zeros(0, dtype="U1"))
                put(archive, "groups", np.array(groups, dtype=np.str_) if groups else np.zeros(0, dtype="U1"))
                for i, item in enumerate(found.values()):
                    put(archive, f"d{i}", load(item))
    except RefusedError as error:
        say.write(f"{error}\n")
        return 3
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, UnicodeError, MemoryError, RecursionError) as error:
        # h5py has no error class of its own.
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        say.write(f"HDF5 cannot read it: {reason}\n")
        return 3
    return 0


def put(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """Add an array to an npz, as ``np.savez`` does."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def main(path: str) -> int:
    limit(path)
    code = answer(path, sys.stdout.buffer, sys.stderr)
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    code = main(sys.argv[1])
    os._exit(code)  # a damaged file may leave HDF5 unable to shut down
