"""samples: a data set that is read some samples at a time, so that it may be larger than memory.

A file (.npy, .npz), a folder of such files, or any array that is cut as NumPy's are. Arrays are (T, B, ...); of what is
not packed only the samples that are asked for are read, once the CRC was looked at that an archive carries.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from nirdeploy.errors import CorruptFile, InputShapeError, NirdeployError, UsageProblem, meant_file
from nirdeploy.records import archive as archives
from nirdeploy.records import files
from nirdeploy.records.archive import ALONE, LABELS, Inputs
from nirdeploy.records.brief import brief

_ENDINGS = (".npy", ".npz")
_CLASSES = f"{LABELS}.npy"  # of all samples of a folder


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
                hint="a batch of one sample is x[:, None]; name classes with --labels, or save them as 'labels' in an"
                f" .npz file or as {_CLASSES} in a folder of samples",
            )
        if empty := [name for name, array in self.arrays.items() if 0 in array.shape]:
            raise InputShapeError(
                f"the array {empty[0]!r} is empty: shape {self.arrays[empty[0]].shape}",
                where=self.where,
                hint="give at least one step and one sample: (T, B, ...)",
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
        """A file, or a folder of files, in the order of their names; a folder's labels.npy (B,) is the labels of all.

        Args:
            labels: those of all, if not in there.
            inputs: of the network, whose names say what the arrays are (:func:`nirdeploy.records.archive.parted`).

        Raises:
            UsageProblem: there is no such file, or no array in it. CorruptFile: a damaged one. InputShapeError: files
            that do not go together.
        """
        if path.is_dir():
            classes = _classes(path / _CLASSES)
            there = sorted(one for one in path.iterdir() if one.suffix in _ENDINGS)
            there = [one for one in there if classes is None or one.name != _CLASSES]
            if not there:
                raise UsageProblem(
                    "the folder holds no .npy or .npz file of samples",
                    where=str(path),
                    hint="save samples there with numpy.savez, x as (T, B, ...)",
                )
        elif path.is_file():
            classes, there = None, [path]
        else:
            raise UsageProblem("there is no such stimulus file", where=str(path), hint=meant_file(path))
        found = cls([_opened(one, inputs) for one in there])
        if labels is not None or classes is None:
            return found.labelled(labels)
        if found.labels is not None:
            raise UsageProblem(
                f"there are labels in {_CLASSES} and in the .npz files",
                where=str(path),
                hint=f"take {_CLASSES} out of the folder, or name it with --labels",
            )
        return found.labelled(classes, str(path / _CLASSES))

    def labelled(self, labels: Any, where: str = "") -> Samples:
        """With these labels, if there are any, int (B,). Raises :class:`InputShapeError` where they are not as many."""
        if labels is None:
            return self
        given = np.asarray(labels)
        if given.shape != (self.count,):
            raise InputShapeError(
                f"the labels have the shape {given.shape}, there are {self.count} samples",
                where=where,
                hint="one for each sample",
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


@dataclass
class _Source:
    """A file of samples. It is opened for each read, and has to stay what it was when it was opened first."""

    path: Path
    stamp: tuple[int, int] | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Raises :class:`CorruptFile` for whatever is raised of damage, or where the file has changed."""
        try:
            with files.opened(self.path) as file:
                status = os.fstat(file.fileno())
                now = (status.st_size, status.st_mtime_ns)
                if self.stamp not in (None, now):
                    raise CorruptFile(
                        "the stimulus was changed while its samples were read",
                        where=str(self.path),
                        hint="run it again, and leave the file as it is until the end",
                    )
                self.stamp = now
                yield file
        except NirdeployError:
            raise
        except FileNotFoundError as error:
            raise CorruptFile(
                "the stimulus was taken away while its samples were read",
                where=str(self.path),
                hint="put it back, run it again, and leave it there until the end",
            ) from error
        except Exception as error:  # zipfile, zlib and numpy each raise their own
            raise CorruptFile(
                f"cannot read the stimulus ({str(error) or type(error).__name__})",
                where=str(self.path),
                hint="it is damaged, or of another kind: save it again with numpy.save or savez",
            ) from error


@dataclass(frozen=True)
class _Form:
    """What an array's header says, and ``begin``: where its numbers begin behind it."""

    shape: tuple[int, ...]
    fortran: bool
    kind: np.dtype[Any]
    begin: int

    @classmethod
    def of(cls, file: IO[bytes], size: int) -> _Form:
        """``size``: bytes of header and array. Raises :class:`ValueError` where it is none that can be read."""
        version = npy.read_magic(file)
        found = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
        form = cls(tuple(found[0]), bool(found[1]), np.dtype(found[2]), file.tell())
        if form.kind.hasobject:
            raise ValueError("an array of objects")
        if min(form.shape, default=0) < 0 or form.begin + math.prod(form.shape) * form.kind.itemsize > size:
            raise ValueError("the file ends before the array does")
        return form

    def read(self, file: IO[bytes], begin: int, first: int, last: int) -> np.ndarray:
        """Samples of the array whose header is at ``begin``, and nothing else.

        They are not mapped: a file that is cut off under its map ends the process. Raises :class:`EOFError` instead.
        """
        shape, axis = (self.shape[::-1], len(self.shape) - 2) if self.fortran else (self.shape, 1)
        one = math.prod(shape[axis + 1 :]) * self.kind.itemsize
        found = np.empty((math.prod(shape[:axis]), (last - first) * one), np.uint8)
        for row, into in enumerate(found):
            file.seek(begin + self.begin + (row * shape[axis] + first) * one)
            if file.readinto(into) != into.size:  # type: ignore[attr-defined]
                raise EOFError
        values = found.reshape(-1).view(self.kind).reshape(*shape[:axis], last - first, *shape[axis + 1 :])
        return values.T if self.fortran else values


def _opened(path: Path, inputs: Inputs | None) -> _Piece:
    source = _Source(path)
    with source.opened() as file:
        packed = file.read(2) == b"PK"
        file.seek(0)
        if packed or path.suffix == ".npz":
            return _archive(source, file, inputs)
        form = _Form.of(file, os.fstat(file.fileno()).st_size)

    def read(first: int, last: int) -> np.ndarray:
        with source.opened() as file:
            return form.read(file, 0, first, last)

    return _Piece({ALONE: _Array(form.shape, read)}, None, str(path))


def _archive(source: _Source, file: BinaryIO, inputs: Inputs | None) -> _Piece:
    with zipfile.ZipFile(file) as archive:
        members = archives.members(archive)
        arrays = {name: _member(source, archive, info) for name, info in members.items()}
        chosen, labels = archives.parted(arrays, inputs)
        piece = _Piece(chosen, None, str(source.path))
        if labels is None:
            return piece
        classes = archives.values(archive, members[LABELS])
    return Samples([piece]).labelled(classes, str(source.path)).pieces[0]


def _member(source: _Source, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Array:
    """An array of an archive: some of its samples where it is stored as it is, else unpacked when it is read."""
    with archive.open(info) as member:
        form = _Form.of(member, info.file_size)

    def unpack(first: int, last: int) -> np.ndarray:
        with source.opened() as file, files.enough(info.file_size, str(source.path)), zipfile.ZipFile(file) as again:
            return archives.values(again, info)[:, first:last].copy()  # the others are not held

    @functools.cache
    def begin() -> int:
        """Once it was seen that the array is what was stored."""
        with source.opened() as file:
            archives.check_crc(file, info)
            return archives.begins(file, info)

    def read(first: int, last: int) -> np.ndarray:
        at = begin()
        with source.opened() as file:
            return form.read(file, at, first, last)

    return _Array(form.shape, read if info.compress_type == zipfile.ZIP_STORED else unpack)


def _classes(path: Path) -> np.ndarray | None:
    """Labels of one dimension, if there is such a file; more are samples."""
    if not path.exists():
        return None
    with _Source(path).opened() as file:
        if len(_Form.of(file, os.fstat(file.fileno()).st_size).shape) != 1:
            return None
        file.seek(0)
        return np.asarray(npy.read_array(file, allow_pickle=False))
