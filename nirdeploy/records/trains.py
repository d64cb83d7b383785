"""trains: the store of spike trains between passes: what each pass gave, until no later one reads it.

Spikes are kept as bits, numbers as int32; in memory, or in a folder of memory-mapped files beside a journal
of the passes that are whole, so that a run which was broken off goes on: even one that was killed, or lost its power.
Its files are data: a pass whose bytes are not those of its SHA-256 counts as not played, and neither does one that is
no file of the folder's own. No link in it is followed, and only files of a pass' name are written or removed, whatever
the journal says. Who can write to the folder can forge what passes gave, though: it is the user's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy.errors import CorruptFile, UsageProblem
from nirdeploy.records import files, manifest, store

JOURNAL = "journal.json"
_IN_MEMORY = 1 << 29  # bytes: what is larger goes to a file where no folder is named
_BLOCK = 1 << 24
_MOST = 1 << 26  # bytes of a journal
_NAME = re.compile(r"(pass|batch)[0-9]{5,9}\.[0-9]{1,9}")  # of a piece
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COUNTED = 2**63  # more nobody has counted


@dataclass(frozen=True)
class Kept:
    """The form of one thing that a pass gives: values (samples, tiles, steps, size), spikes in ``planes`` of bits.

    ``planes``: 0 where they are whole numbers.
    """

    samples: int
    tiles: int
    steps: int
    size: int
    planes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array that holds it."""
        lead = (self.samples, self.tiles, self.steps)
        return (*lead, self.planes, -(-self.size // 8)) if self.planes else (*lead, self.size)

    @property
    def dtype(self) -> Any:
        return np.uint8 if self.planes else np.int32

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * int(np.dtype(self.dtype).itemsize)

    def packed(self, values: np.ndarray) -> np.ndarray:
        """Values (..., size) as they are kept."""
        if not self.planes:
            return values.astype(np.int32)
        planes = [np.packbits(values >> plane & 1, axis=-1) for plane in range(self.planes)]
        return np.stack(planes, axis=-2)

    def unpacked(self, held: np.ndarray) -> np.ndarray:
        """The inverse."""
        if not self.planes:
            return held
        bits = np.unpackbits(held, axis=-1, count=self.size)
        found = bits[..., 0, :].copy()
        for plane in range(1, self.planes):
            found |= bits[..., plane, :] << plane
        return found


class Trains:
    """What passes gave, by a name for each: ``passNUMBER.PIECE``, or ``batchNUMBER.PIECE``.

    Args:
        folder: to keep it in. None: in memory, or in a file of its own where that is too large.
        run: what tells this run from another: plain data.
        size: bytes that the run will keep at most.

    Raises:
        UsageProblem: the folder holds another run.
        CorruptFile: its journal is not as it was written.
    """

    def __init__(self, folder: Path | None, run: Mapping[str, Any], size: int) -> None:
        self._temporary = tempfile.TemporaryDirectory() if folder is None and size > _IN_MEMORY else None
        self._folder = Path(self._temporary.name) if self._temporary else folder
        self._run, self._done, self._saturations = dict(run), dict[str, str](), dict[str, float]()
        self._held: dict[str, np.ndarray] = {}
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._read_journal(self._folder / JOURNAL)

    def _read_journal(self, path: Path) -> None:
        if (journal := _journal(path)) is None:
            return
        if journal["run"] != self._run:
            raise UsageProblem(
                "the folder keeps another run: of another build, stimulus or probe",
                where=str(path.parent),
                hint="name another folder, or remove it",
            )
        self._done, self._saturations = journal["done"], journal["saturations"]

    def is_done(self, name: str) -> bool:
        """Whether it is there as a whole, from this run or from one that was broken off."""
        return name in self._done

    def check(self, name: str, kept: Kept) -> bool:
        """Whether the bytes of what is done are those that were written; what is not, is not done any more."""
        if not self._is_whole(name, kept) or _sha256(self.get(name, kept)) != self._done.get(name):
            self._done.pop(name, None)
        return name in self._done

    def _is_whole(self, name: str, kept: Kept) -> bool:
        """Whether it is there, as a file of the folder's own."""
        if self._folder is None:
            return True
        try:
            found = self._path(name).lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == kept.nbytes

    def make(self, name: str, kept: Kept) -> np.ndarray:
        """The array to be filled with it, of :attr:`Kept.shape`; what was there is gone."""
        self._done.pop(name, None)
        if self._folder is None:
            self._held[name] = np.zeros(kept.shape, dtype=kept.dtype)
        else:
            self._write_journal()
            self.drop(name)
            with self._path(name).open("x+b") as anew:  # follows no link, and is no file that was there
                self._held[name] = np.memmap(anew, dtype=kept.dtype, mode="w+", shape=kept.shape)
        return self._held[name]

    def get(self, name: str, kept: Kept) -> np.ndarray:
        """The array that holds it."""
        if name not in self._held:
            self._held[name] = np.memmap(self._path(name), dtype=kept.dtype, mode="r", shape=kept.shape)
        return self._held[name]

    def finish(self, name: str, saturations: float = 0.0) -> None:
        """It is whole: on disk before the journal says so. ``saturations``: what making it came upon."""
        held = self._held[name]
        if isinstance(held, np.memmap):
            held.flush()
        self._done[name], self._saturations[name] = _sha256(held), saturations
        self._write_journal()

    @property
    def saturations(self) -> float:
        """Of all that is done, in this run and in those that were broken off."""
        return sum(count for name, count in self._saturations.items() if name in self._done)

    def drop(self, name: str) -> None:
        """Nothing reads it any more. It stays done."""
        self._held.pop(name, None)
        if self._folder is not None:
            self._path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of all files, and remove those that are nobody's to keep."""
        self._held.clear()
        if self._temporary:
            self._temporary.cleanup()

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        assert _NAME.fullmatch(name)
        return self._folder / f"{name}.bin"

    def _write_journal(self) -> None:
        if self._folder is not None:
            kept = {"run": self._run, "done": self._done, "saturations": self._saturations}
            store.write_atomic(self._folder / JOURNAL, manifest.sealed(kept))


def is_begun(folder: Path) -> bool:
    """Whether a run keeps something there, which was broken off or is under way."""
    return (folder / JOURNAL).is_file()


def discard(folder: Path) -> None:
    """Remove what a run that is done kept in a folder; what else is there stays, and the folder with it.

    Raises:
        CorruptFile: its journal is not as it was written.
    """
    done = (_journal(folder / JOURNAL) or {"done": ()})["done"]
    cut_off = folder.glob(f".{JOURNAL}.*")  # writing it, where the run was killed just then
    for path in (*(folder / f"{name}.bin" for name in done), *cut_off, folder / JOURNAL):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something of the user's is there
        folder.rmdir()


def _journal(path: Path) -> dict[str, Any] | None:
    """What it says, where there is one. Raises :class:`CorruptFile` where that is not what a run wrote."""
    try:
        journal = manifest.opened(files.content(path, _MOST))
        _check(**journal)
    except FileNotFoundError:
        return None
    except (CorruptFile, ValueError, TypeError, RecursionError) as error:
        raise CorruptFile(
            "the journal of the run is damaged, or of another version",
            where=str(path),
            hint="remove the folder that it is in, and all passes are played again",
        ) from error
    return journal


def _check(*, run: Any, done: Mapping[Any, Any], saturations: Mapping[Any, Any]) -> None:
    """What a journal says. Raises ValueError or TypeError where no run of ours wrote it."""
    if not (isinstance(run, dict) and isinstance(done, dict) and isinstance(saturations, dict)):
        raise TypeError("tables")
    if not all(map(_NAME.fullmatch, (*done, *saturations))) or not all(map(_SHA256.fullmatch, done.values())):
        raise ValueError("names of pieces, and their SHA-256")
    if not all(type(count) in (int, float) and 0 <= count <= _COUNTED for count in saturations.values()):
        raise ValueError("counts")


def _sha256(held: np.ndarray) -> str:
    """In blocks: a file may be larger than the memory."""
    sha, flat = hashlib.sha256(), held.reshape(-1).view(np.uint8)
    for at in range(0, flat.size, _BLOCK):
        sha.update(flat[at : at + _BLOCK].tobytes())
    return sha.hexdigest()
