"""kept: what chunks came to, in a folder: a run that was cut off goes on from there.

A file for each chunk, written whole or not at all, whose name is the digest of everything that decides what is in it:
build, options, versions, samples. What is damaged is judged again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from nirdeploy.errors import CorruptFile
from nirdeploy.proof.scale import stored
from nirdeploy.proof.scale.chunk import Chunk
from nirdeploy.proof.scale.stored import Part
from nirdeploy.records import store

_SUM = 32


class Kept:
    """``job``: its digest. ``folder``: None: nothing is kept."""

    def __init__(self, folder: Path | None, job: str) -> None:
        self._folder, self._job = folder, job

    def place(self, chunk: Chunk) -> Path | None:
        """The file of what a chunk comes to."""
        if self._folder is None:
            return None
        return self._folder / f"{store.digest({'job': self._job, 'chunk': chunk.digest()}, {})[:40]}.part"

    def get(self, path: Path | None) -> Part | None:
        """What a chunk came to, if that is there as it was written."""
        if path is None or not path.is_file():
            return None
        held = path.read_bytes()
        blob, checksum = held[:-_SUM], held[-_SUM:]
        return part_of(blob) if hashlib.sha256(blob).digest() == checksum else None

    def put(self, path: Path | None, blob: bytes) -> None:
        """Keep it: it is on the disk when this returns."""
        if path is not None:
            store.write_atomic(path, blob + hashlib.sha256(blob).digest())


def part_of(blob: bytes) -> Part:
    """What :func:`nirdeploy.proof.scale.chunk.answer` gave. Raises :class:`CorruptFile`."""
    meta, arrays = store.unpack(blob, where="a chunk's result")
    try:
        return stored.of_parts(meta, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFile(
            f"a chunk's result is damaged ({type(error).__name__})", hint="delete the file: the chunk is judged again"
        ) from error
