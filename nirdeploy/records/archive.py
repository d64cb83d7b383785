"""archive: .npz files that hold arrays under any name, and which of their arrays are a stimulus' inputs and labels."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import numpy as np
from numpy.lib import format as npy

from nirdeploy.errors import UsageProblem

LABELS = "labels"
ALONE = "x"  # the name of an array that has none
_ENDING = ".npy"
_LONGEST = 0xFFFF  # bytes of a member's name
_HEADER = 30  # bytes of a member's local header, before its name
_BLOCK = 1 << 20  # bytes that are read at once

#: Name and shape of each of a network's inputs; called where names alone do not say what an array is.
Inputs = Callable[[], Iterable[tuple[str, Any]]]


class Shaped(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


A = TypeVar("A", bound=Shaped)


def parted(arrays: Mapping[str, A], inputs: Inputs | None = None) -> tuple[dict[str, A], A | None]:
    """The arrays of a network's inputs (T, B, ...) by name, and the labels (B,), if there are any.

    An array under the name of an input is that input's, whatever the name. Else ``labels`` is what its name says, and
    ``x`` the only input. What has one dimension is no input's, so that ``labels`` (B,) are labels in any case.

    Args:
        inputs: of the network; without it names are taken for what they say.
    """
    found, known = dict(arrays), set[str]()
    labelled = LABELS in found and len(found[LABELS].shape) > 1
    if inputs is not None and (labelled or (ALONE in found and len(found.keys() - {LABELS}) > 1)):
        known = {name for name, _ in inputs()}
    labels = None if labelled and LABELS in known else found.pop(LABELS, None)
    own = {name: values for name, values in found.items() if name in known}
    if own and len(known) == 1:
        return own, labels
    if ALONE in found and not own:
        return {ALONE: found[ALONE]}, labels
    return found, labels


def alone(arrays: dict[str, A]) -> A | dict[str, A]:
    """The array where there is one, which a network of one input takes whatever its name; else all by name."""
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, that of an .npy file as ``x``. Raises as zipfile, zlib and NumPy do."""
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {ALONE: loaded}
    with loaded:  # by the names of the members: NumPy's own leave off an ending, which is an input's name, too
        return {name: values(loaded.zip, info) for name, info in members(loaded.zip).items()}


def values(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """An array of an archive, read to the end of the member, where its CRC is looked at: NumPy stops where the array
    ends by its header.

    Raises as zipfile, zlib and NumPy do.
    """
    with archive.open(info) as file:
        found: np.ndarray = npy.read_array(file, allow_pickle=False)
        while file.read(_BLOCK):
            pass
    return found


def begins(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin: behind its local header, whose length stands in it."""
    file.seek(info.header_offset)
    local = file.read(_HEADER)
    return info.header_offset + _HEADER + sum(int.from_bytes(local[at : at + 2], "little") for at in (26, 28))


def check_crc(file: IO[bytes], info: zipfile.ZipInfo) -> None:
    """Looks at all bytes of a member that is stored as it is, and holds a block of them at a time.

    Raises :class:`zipfile.BadZipFile` where they are not those that were stored.
    """
    file.seek(begins(file, info))
    left, found = info.file_size, 0
    while left and (block := file.read(min(left, _BLOCK))):
        left, found = left - len(block), zlib.crc32(block, found)
    if left or found != info.CRC:
        raise zipfile.BadZipFile(f"the CRC-32 of {info.filename!r} is another")


def members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Its arrays by name; a file that was put beside them is none."""
    every = archive.infolist()
    return {info.filename.removesuffix(_ENDING): info for info in every if info.filename.endswith(_ENDING)}


def check_names(names: Iterable[str]) -> None:
    """Raises :class:`UsageProblem` where no .npz file can hold an array of a name."""
    for name in names:
        member = f"{name}{_ENDING}"
        try:
            holds = zipfile.ZipInfo(member).filename == member and len(member.encode()) <= _LONGEST
        except UnicodeEncodeError:
            holds = False
        if not holds:
            raise UsageProblem(
                f"an .npz file cannot hold an array for the input {name[:80]!r}", hint="give the input another name"
            )


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz file as ``numpy.savez_compressed`` writes it, which takes no array of the name ``file``.

    Raises :class:`UsageProblem` as :func:`check_names`.
    """
    check_names(arrays)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}{_ENDING}", "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(values), allow_pickle=False)
    return out.getvalue()
