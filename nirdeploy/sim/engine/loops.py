"""loops: functions that numba compiles, kept so that what is found again is what the sources say.

Numba keeps a compiled function beside its source, and looks at the time of that one file to tell whether it still
holds. What it has taken in from functions of other files is not looked at: a changed file, or an installed one whose
time says nothing, would leave the old sums running. Here the contents of all files of the package say where it looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache as once
from pathlib import Path
from typing import Any

from nirdeploy.records import cache
from nirdeploy.sim.engine.compiler import numba


def loop(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A function that is compiled when it is first called with arguments of new types. ``options``: numba's."""

    def compiled(function: Callable[..., Any]) -> Any:
        folder = kept_in(Path(function.__code__.co_filename).parent)
        before = numba.config.CACHE_DIR
        try:
            numba.config.CACHE_DIR = str(folder or before)
            return numba.njit(cache=folder is not None, nogil=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return compiled


@once
def kept_in(package: Path) -> Path | None:
    """Where what is compiled of a package's functions is kept; None where nothing can be written."""
    sha = hashlib.sha256(numba.__version__.encode())
    for path in sorted({*package.glob("*.py"), *Path(__file__).parent.glob("*.py")}):
        sha.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    folder = cache.folder() / "loops" / sha.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".written").touch()
    except OSError:
        return None
    return folder
