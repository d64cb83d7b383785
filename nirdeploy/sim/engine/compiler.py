"""compiler: Numba, as all of the engine takes it.

Numba takes settings from ``.numba_config.yaml`` in whatever folder is the current one, as it is imported and again as
it compiles; there lie a user's data, or a stranger's, which must not turn compiling off or print on stdout. Here it is
imported so that it knows no such file. Its variables (``NUMBA_...``) hold.

What it would import when it first compiles is imported here: that is in threads else, where a process that is told to
end meanwhile would wait for an import that nobody goes on with.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_SETTINGS = "numba.core.config"
_FILE = "_config_fname"  # which of its names says the file's


class _Names(dict[str, Any]):
    """What a module's code writes, but for the name of the file: there is none."""

    def __init__(self, written: dict[str, Any]) -> None:
        super().__init__()
        self._written = written

    def __setitem__(self, name: str, value: Any) -> None:
        self._written[name] = "" if name == _FILE else value

    def __delitem__(self, name: str) -> None:
        del self._written[name]


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        code: Any = self.get_code(module.__name__)
        exec(code, vars(module), _Names(vars(module)))


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name == _SETTINGS else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


def _imported() -> None:
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        import numba  # noqa: F401
    finally:
        sys.meta_path.remove(finder)


_imported()

import numba  # noqa: E402 - not before
from llvmlite import ir  # noqa: E402
from numba import types  # noqa: E402
from numba.core import boxing as _boxing  # noqa: E402, F401 - what is imported in threads else
from numba.core import cgutils  # noqa: E402
from numba.core.registry import cpu_target  # noqa: E402
from numba.core.runtime import context as _context  # noqa: E402, F401
from numba.extending import intrinsic  # noqa: E402

cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()

__all__ = ["cgutils", "intrinsic", "ir", "numba", "types"]
