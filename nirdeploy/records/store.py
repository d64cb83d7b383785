"""Arrays and JSON in one deterministic blob: how every stage's product is kept on disk and hashed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from nirdeploy.errors import CorruptFile, NirdeployError
from nirdeploy.records import files

_META = "__meta__"


def digest(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 (hex) over metadata and arrays, every part length-prefixed, keys sorted."""
    sha = hashlib.sha256()

    def put(part: bytes) -> None:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)

    put(_canonical(meta))
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        put(name.encode())
        put(array.dtype.newbyteorder("<").str.encode())
        put(json.dumps(array.shape).encode())
        put(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return sha.hexdigest()


def pack(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The blob of ``meta`` and ``arrays``; equal inputs give equal bytes."""
    out = io.BytesIO()
    members = {_META: np.frombuffer(_canonical(meta), dtype=np.uint8)}
    members |= {name: np.asarray(arrays[name]) for name in sorted(arrays)}
    # numpy's stub takes keyword arrays only; names such as "fc.weight" are fine at run time.
    np.savez_compressed(out, **members)  # type: ignore[arg-type]
    return out.getvalue()


def unpack(blob: bytes, *, where: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Undo :func:`pack`. Raises :class:`CorruptFile` naming ``where``, :class:`ToolMissing` where there is not memory
    enough."""
    return _unpacked(io.BytesIO(blob), where)


def load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The same of a file. Raises as :func:`unpack`, and :class:`OSError` as opening does."""
    with files.opened(path) as file:
        return _unpacked(file, str(path))


def _unpacked(file: IO[bytes], where: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        files.check_archive(file, where)
        with files.enough(0, where), np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name != _META}
            meta = json.loads(archive[_META].tobytes().decode())
    except NirdeployError:
        raise
    except Exception as error:  # zipfile, zlib, numpy and json each raise their own
        raise CorruptFile(
            f"the file is damaged or not one of nirdeploy's ({type(error).__name__})",
            where=where,
            hint="build it again",
        ) from error
    return meta, arrays


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: temporary file beside it, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _canonical(meta: Mapping[str, Any]) -> bytes:
    return json.dumps(meta, sort_keys=True, separators=(",", ":")).encode()
