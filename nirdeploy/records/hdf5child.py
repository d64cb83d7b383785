"""The process that touches a stranger's HDF5 file: ``python hdf5child.py FILE SECONDS RATIO [ATTRIBUTE]``.

It writes an npz to stdout: all datasets, and an attribute of the root, a text, where one is named. RATIO: how many
bytes one that is stored may stand for, in a large dataset.

It runs alone, under limits, and imports nothing of nirdeploy: whatever HDF5 does with a hostile file, it
does it here. Every object is counted and looked at before any data is read. Exit status 3 with one line on
stderr is a refusal, SIGXCPU the end of the processor time allowed; any other end is a crash, which the parent
reports as such.
"""

from __future__ import annotations

import math
import os
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

import h5py
import numpy as np
from h5py import h5d, h5g, h5l, h5o

MAX_DEPTH = 24
MAX_OBJECTS = 50_000
MAX_BYTES = 1 << 30
MAX_TEXT = 1 << 28  # of those bytes: a text that is stored once may be named a thousand times
SUSPECT_BYTES = 1 << 28  # a dataset this large must not be compressed more than the ratio allowed
FILTERS = {1, 2, 3}  # deflate, shuffle, fletcher32
MEMORY_BYTES = 2 << 30
LINKS = {h5l.TYPE_SOFT: "SoftLink", h5l.TYPE_EXTERNAL: "ExternalLink"}


class RefusedError(Exception):
    """The file is not read; the message says why."""


@dataclass
class Contents:
    """What the file holds: datasets by path, paths of groups, how many objects, and bytes they declare; and those of
    the texts that were read.

    ``ratio``: how many bytes a stored one may stand for.
    """

    ratio: int
    datasets: dict[str, h5py.Dataset] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    objects: int = 0
    bytes: int = 0
    text: int = 0


def limit(seconds: int) -> None:
    """Limit this process in memory and core dumps, and in the processor time from here on."""
    try:
        import resource
    except ImportError:  # not a POSIX system: the parent's clock is the only limit
        return

    def within(kind: int, value: int) -> int:
        """No more than this process may ask for."""
        most = resource.getrlimit(kind)[1]
        return value if most == resource.RLIM_INFINITY else min(value, most)

    memory = within(resource.RLIMIT_AS, MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    until = within(resource.RLIMIT_CPU, math.ceil(time.process_time()) + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def scan(group: h5g.GroupID, path: str, found: Contents) -> None:
    """Collect what lies below ``group``, by metadata alone. Raises :class:`RefusedError`."""
    if path.count("/") > MAX_DEPTH:
        raise RefusedError(f"groups are nested deeper than {MAX_DEPTH} (or in a cycle) at {path[:60]!r}")
    listed = names(group, MAX_OBJECTS - found.objects)
    found.objects += len(listed)  # a name is an object, also where several lead to the same
    for name in listed:
        here = f"{path}/{name.decode()}" if path else name.decode()
        link = group.links.get_info(name).type
        if link != h5l.TYPE_HARD:
            raise RefusedError(f"{here!r} is a {LINKS.get(link, 'link')}, which may lead out of the file")
        item = h5o.open(group, name)
        if isinstance(item, h5g.GroupID):
            found.groups.append(here)
            scan(item, here, found)
        elif isinstance(item, h5d.DatasetID):
            found.bytes += look(item, here, found.ratio)
            if found.bytes > MAX_BYTES:
                raise RefusedError(f"the datasets declare more than {MAX_BYTES >> 20} MiB")
            found.datasets[here] = h5py.Dataset(item)
        else:
            raise RefusedError(f"{here!r} is neither a group nor a dataset")


def names(group: h5g.GroupID, room: int) -> list[bytes]:
    """The names in a group; refused before any is visited if the group says, or turns out, to have too many."""
    listed: list[bytes] = []
    if group.get_num_objs() <= room:
        group.links.iterate(listed.append)
        if len(listed) <= room:
            return listed
    raise RefusedError(f"more than {MAX_OBJECTS} objects")


def look(item: h5d.DatasetID, here: str, ratio: int) -> int:
    """The bytes a dataset declares; refuses one whose data would come from elsewhere, or be out of proportion."""
    shape, dtype, creation = item.shape, item.dtype, item.get_create_plist()
    if shape is None:
        raise RefusedError(f"{here!r} has no data")
    if creation.get_external_count() or creation.get_layout() == h5d.VIRTUAL:
        raise RefusedError(f"{here!r} keeps its data in another file")
    if dtype.kind not in "biuf" and h5py.check_string_dtype(dtype) is None:
        raise RefusedError(f"{here!r} has type {dtype}, expected numbers or text")
    filters = {creation.get_filter(i)[0] for i in range(creation.get_nfilters())}
    if not filters <= FILTERS:
        raise RefusedError(f"{here!r} uses HDF5 filters {sorted(filters - FILTERS)}")
    declared = math.prod(shape) * max(dtype.itemsize, 1)
    if declared > SUSPECT_BYTES and declared > ratio * max(item.get_storage_size(), 1):
        raise RefusedError(f"{here!r} declares {declared >> 20} MiB but stores {item.get_storage_size()} bytes")
    return int(declared)


def load(item: h5py.Dataset, found: Contents) -> np.ndarray:
    """The dataset as a plain array; text as unicode. Raises :class:`RefusedError` as :func:`texts`."""
    if h5py.check_string_dtype(item.dtype) is None:
        return np.asarray(item[()])
    return texts(np.asarray(item.asstr()[()], dtype=object), repr(item.name), found)


def texts(given: np.ndarray, what: str, found: Contents) -> np.ndarray:
    """Texts as an array, which gives each the room of the longest and counts among what was found.

    Raises :class:`RefusedError` where all together are too large.
    """
    longest = max((len(one) for one in given.flat), default=0)
    found.text += given.size * longest * 4
    if found.text > MAX_TEXT or found.bytes + found.text > MAX_BYTES:
        raise RefusedError(
            f"its texts are too large together: {what} holds {given.size} texts of up to {longest} characters"
        )
    return np.array(given, dtype=np.str_)


def text_of(file: h5py.File, attribute: str) -> np.ndarray:
    """An attribute of the root as text. Raises :class:`RefusedError`."""
    item = file.attrs.get_id(attribute)
    if item.shape != () or h5py.check_string_dtype(item.dtype) is None:
        raise RefusedError(f"attribute {attribute!r} is no text")
    return np.array(str(file.attrs[attribute]), dtype=np.str_)


def answer(path: str, ratio: int, attribute: str, out: IO[bytes], say: IO[str]) -> int:
    """Read the file at ``path``: an npz on ``out``, or the reason for a refusal on ``say``. Returns the exit status.

    ``attribute``: of the root, to be read too; empty: none.
    """
    try:
        with h5py.File(path, "r") as file:
            found = Contents(ratio)
            text = text_of(file, attribute) if attribute else None
            scan(file["/"].id, "", found)
            with zipfile.ZipFile(out, "w") as archive:  # one dataset after the other: never all of them in memory
                for what, listed in (("names", list(found.datasets)), ("groups", found.groups)):
                    put(archive, what, texts(np.array(listed, dtype=object), f"the list of {what}", found))
                if text is not None:
                    put(archive, "attribute", text)
                for i, item in enumerate(found.datasets.values()):
                    put(archive, f"d{i}", load(item, found))
    except RefusedError as error:
        say.write(f"{error}\n")
        return 3
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, UnicodeError, MemoryError, RecursionError) as error:
        # h5py has no error class of its own.
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        say.write(f"HDF5 cannot read it: {reason}\n")
        return 3
    return 0


def mark(path: str, name: str, told: Callable[[dict[str, np.ndarray]], str]) -> None:
    """Add a text to the root of a file of our own: what ``told`` says of all that it holds, groups ending in ``/``."""
    with h5py.File(path, "r+") as file:
        found = Contents(MAX_BYTES)
        scan(file["/"].id, "", found)
        held = {at: load(item, found) for at, item in found.datasets.items()} | {
            f"{at}/": np.zeros(0) for at in found.groups
        }
        file.create_dataset(name, data=np.bytes_(told(held).encode()))


def put(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """Add an array to an npz, as ``np.savez`` does."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def main(path: str, seconds: int, ratio: int, attribute: str = "") -> int:
    limit(seconds)
    code = answer(path, ratio, attribute, sys.stdout.buffer, sys.stderr)
    sys.stdout.buffer.flush()
    return code


if __name__ == "__main__":
    code = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
    os._exit(code)  # a damaged file may leave HDF5 unable to shut down
