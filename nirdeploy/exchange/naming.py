"""naming: what the nodes of an exported graph are called."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection

_ODD = re.compile(r"[^0-9A-Za-z_]")
_NUMBERED = re.compile(r"(.*)_(\d+)")


class Names:
    """Names that are given once. ``plain``: identifiers, as torch.fx makes them; else modules' own paths."""

    def __init__(self, *, plain: bool) -> None:
        self.plain = plain
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        """The name, or the next free one after it."""
        name = self.legal(wanted)
        if self._free(name):
            self._taken.add(name)
            return name
        numbered = _NUMBERED.fullmatch(name)
        base, number = (numbered[1], int(numbered[2])) if numbered and self.plain else (name, 0)
        while not self._free(f"{base}_{number + 1}"):
            number += 1
        self._taken.add(f"{base}_{number + 1}")
        return f"{base}_{number + 1}"

    def end(self, wanted: str, avoid: Collection[str] = ()) -> str:
        """The name of an input or output: nothing else may be called so, nor anything in ``avoid``."""
        if self.plain:
            return self.new(wanted)
        while wanted in self._taken or wanted in avoid:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def legal(self, wanted: str) -> str:
        """The name as it may stand in the graph."""
        if not self.plain:
            return wanted
        name = _ODD.sub("_", wanted)
        return f"_{name}" if name[:1].isdigit() else name

    def _free(self, name: str) -> bool:
        reserved = self.plain and (keyword.iskeyword(name) or name in vars(builtins))
        return name not in self._taken and not reserved
