"""samples: a data set that is read some samples at a time, so that it may be larger than memory.

A file (.npy, .npz), a folder of such files, or any array that is cut as NumPy's are. Arrays are (T, B, ...); what is
not packed is mapped, so that only the samples that are asked for are read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from nirdeploy.errors import CorruptFile, InputShapeError, UsageProblem, meant_file
from nirdeploy.records import archive as archives
from nirdeploy.records.archive import ALONE, LABELS, Inputs
from nirdeploy.records.brief import brief

_ENDINGS = (".npy", ".npz")


@dataclass(frozen=True)
class _Array:
    """One that is there when it is read. ``read(first, last)``: so many of its samples."""

    shape: tuple[int, ...]
    read: Callable[[int, int], np.ndarray]

    @classmethod
    def of(cls, values: Any) -> _Array:
        shape = tuple(int(size) for size in values.shape)
        return cls(shape, lambda first, last: np.asarray(values[:, first:last]))


@dataclass(frozen=True)
class _Piece:
    """Some samples, of one file: arrays (T, B, ...) by name, and the class of each, if it is known."""

    arrays: Mapping[str, _Array]
    labels: np.ndarray | None
    where: str = ""

    def __post_init__(self) -> None:
        if not self.arrays:
            raise UsageProblem("there is no array of samples", where=self.where, hint="save it as 'x'")
        if short := [name for name, array in self.arrays.items() if len(array.shape) < 2]:
            raise InputShapeError(
                f"the array {short[0]!r} has the shape {self.arrays[short[0]].shape}, expected (T, B, ...)",
                where=self.where,
                hint="a batch of one sample is x[:, None]",
            )
        if len({array.shape[:2] for array in self.arrays.values()}) > 1:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arrays.items())
            raise InputShapeError(
                f"the arrays differ in steps or samples: {shapes}",
                where=self.where,
                hint="give all of them the same steps and samples: (T, B, ...)",
            )

    @property
    def steps(self) -> int:
        return next(iter(self.arrays.values())).shape[0]

    @property
    def count(self) -> int:
        return next(iter(self.arrays.values())).shape[1]


@dataclass(frozen=True, repr=False)
class Samples:
    """``pieces``: one after the other. All have the same arrays, and as many steps."""

    pieces: Sequence[_Piece]

    def __post_init__(self) -> None:
        first = self.pieces[0]
        for piece in self.pieces:
            of, other = ({name: (a.shape[0], *a.shape[2:]) for name, a in p.arrays.items()} for p in (first, piece))
            if of != other:
                raise InputShapeError(
                    f"the samples are not as those of {Path(first.where).name}: (steps, ...) of {other}, there {of}",
                    where=piece.where,
                    hint="put samples of one network into a folder, and others elsewhere",
                )
            if (piece.labels is None) != (first.labels is None):
                raise InputShapeError(
                    "some of the files have labels and others have none",
                    where=piece.where,
                    hint="save 'labels' in all of them, or name all with --labels",
                )

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else "labels"
        names = ", ".join(f"{name} {array.shape[2:]}" for name, array in self.pieces[0].arrays.items())
        return brief(self, f"{self.count:,} of {self.steps:,} steps, {names}, {labels}")

    @classmethod
    def of(cls, x: Any, labels: Any = None, inputs: Inputs | None = None) -> Samples:
        """Of an array (T, B, ...) or a dict of such by input; a path is opened, as what ``inputs`` makes of it."""
        if isinstance(x, Samples):
            return x if labels is None else x.labelled(labels)
        if isinstance(x, (str, Path)):
            return cls.open(Path(x), labels, inputs)
        held = {str(name): values for name, values in x.items()} if isinstance(x, Mapping) else {ALONE: x}
        held = {name: values.detach().cpu() if hasattr(values, "detach") else values for name, values in held.items()}
        arrays = {name: _Array.of(v if hasattr(v, "shape") else np.asarray(v)) for name, v in held.items()}
        return cls([_Piece(arrays, None)]).labelled(labels)

    @classmethod
    def open(cls, path: Path, labels: Any = None, inputs: Inputs | None = None) -> Samples:
        """A file, or a folder of files, in the order of their names.

        Args:
            labels: those of all, if not in there.
            inputs: of the network, whose names say what the arrays are (:func:`nirdeploy.records.archive.parted`).

        Raises:
            UsageProblem: there is no such file, or no array in it. CorruptFile: a damaged one. InputShapeError: files
            that do not go together.
        """
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if one.suffix in _ENDINGS)
            if not files:
                raise UsageProblem(
                    "the folder holds no .npy or .npz file",
                    where=str(path),
                    hint="save samples there with numpy.savez, x as (T, B, ...)",
                )
        elif path.is_file():
            files = [path]
        else:
            raise UsageProblem("there is no such stimulus file", where=str(path), hint=meant_file(path))
        return cls([_opened(one, inputs) for one in files]).labelled(labels)

    def labelled(self, labels: Any) -> Samples:
        """With these labels, if there are any, int (B,). Raises :class:`InputShapeError` where they are not as many."""
        if labels is None:
            return self
        given = np.asarray(labels)
        if given.shape != (self.count,):
            raise InputShapeError(
                f"the labels have the shape {given.shape}, there are {self.count} samples", hint="one for each sample"
            )
        own = np.split(given, np.cumsum([piece.count for piece in self.pieces])[:-1])
        return Samples([_Piece(p.arrays, of, p.where) for p, of in zip(self.pieces, own, strict=True)])

    @property
    def steps(self) -> int:
        return self.pieces[0].steps

    @cached_property
    def count(self) -> int:
        return sum(piece.count for piece in self.pieces)

    @property
    def size(self) -> int:
        """Numbers of a sample."""
        return sum(int(np.prod(array.shape)) // max(array.shape[1], 1) for array in self.pieces[0].arrays.values())

    @cached_property
    def labels(self) -> np.ndarray | None:
        found = [piece.labels for piece in self.pieces if piece.labels is not None]
        return np.concatenate(found) if found else None

    def read(self, first: int, last: int) -> Any:
        """Some samples: an array (T, last - first, ...), or a dict of such where there are several."""
        parts: dict[str, list[np.ndarray]] = {name: [] for name in self.pieces[0].arrays}
        begin = 0
        for piece in self.pieces:
            a, b = max(first - begin, 0), min(last - begin, piece.count)
            begin += piece.count
            if a < b:
                for name, array in piece.arrays.items():
                    parts[name].append(array.read(a, b))
        found = {name: own[0] if len(own) == 1 else np.concatenate(own, axis=1) for name, own in parts.items()}
        return archives.alone(found)


def _opened(path: Path, inputs: Inputs | None) -> _Piece:
    try:
        if path.suffix == ".npz":
            return _archive(path, inputs)
        return _Piece({ALONE: _Array.of(np.load(path, mmap_mode="r", allow_pickle=False))}, None, str(path))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CorruptFile(
            f"cannot read the stimulus ({type(error).__name__})",
            where=str(path),
            hint="save it with numpy.save or savez",
        ) from error


def _archive(path: Path, inputs: Inputs | None) -> _Piece:
    with zipfile.ZipFile(path) as archive:
        members = archives.members(archive)
        arrays = {name: _member(path, archive, info) for name, info in members.items()}
    chosen, labels = archives.parted(arrays, inputs)
    piece = _Piece(chosen, None, str(path))
    if labels is None:
        return piece
    with np.load(path, allow_pickle=False) as loaded:
        return Samples([piece]).labelled(loaded[members[LABELS].filename]).pieces[0]


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Array:
    """An array of an archive: mapped where it is stored as it is, else unpacked when it is read."""
    with archive.open(info) as file:
        shape, fortran, kind = _header(file)
        begin = file.tell()
    if kind.hasobject:
        raise ValueError("an array of objects")
    if info.compress_type != zipfile.ZIP_STORED:
        return _Array(shape, lambda first, last: np.load(path, allow_pickle=False)[info.filename][:, first:last])
    with path.open("rb") as file:  # behind the local header, whose length stands in it
        file.seek(info.header_offset)
        local = file.read(30)
    offset = info.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    if offset + begin + int(np.prod(shape)) * kind.itemsize > path.stat().st_size:
        raise ValueError("the file ends before the array does")
    order: Any = "F" if fortran else "C"
    return _Array.of(np.memmap(path, dtype=kind, mode="r", offset=offset + begin, shape=shape, order=order))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    found = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    shape, fortran, kind = found
    return tuple(shape), bool(fortran), np.dtype(kind)
