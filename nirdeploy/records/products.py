"""products: what a build's folder holds, each as the folder's manifest names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from nirdeploy.errors import CorruptFile, UsageProblem, meant_file
from nirdeploy.records import files, manifest

MANIFEST = "manifest.json"
_MOST = 1 << 24  # bytes of a manifest


class Product(Protocol):
    """What is kept in a file of its own."""

    @classmethod
    def load(cls, path: Path) -> Self: ...

    def digest(self) -> str: ...


def opened(folder: Path) -> dict[str, Any]:
    """What a build folder's manifest says. Raises :class:`UsageProblem` where it is no such folder,
    :class:`CorruptFile` where the manifest is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        if folder.exists() and not folder.is_dir():
            raise files.absent(folder, "build folder", "make one: nirdeploy build MODEL.nir -o FOLDER")
        hint = "make one: nirdeploy build MODEL.nir -o FOLDER" if folder.is_dir() else meant_file(folder)
        raise UsageProblem("this is not a build folder: it has no manifest.json", where=str(folder), hint=hint)
    try:
        kept = manifest.opened(files.content(path, _MOST))
        return {**kept, "digests": dict(kept["digests"])}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptFile("the manifest is damaged", where=str(path), hint="build again") from error


def loaded(product: type[Product], path: Path, digests: Mapping[str, str]) -> Any:
    """A product from its file. Raises :class:`CorruptFile` where it is not the one that the manifest names,
    :class:`ToolMissing` where there is not memory enough for it."""
    if not path.is_file():
        raise CorruptFile("the manifest names it, and it is not there", where=str(path), hint="build again")
    files.check(path, archive=path.suffix == ".npz")
    found = product.load(path)
    if found.digest() != digests[path.stem]:
        raise CorruptFile(
            "this is not what the folder's manifest names: it is of another build, or was changed since",
            where=str(path),
            hint="build again",
        )
    return found
