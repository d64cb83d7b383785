"""lava 0.10 on Python 3.11 and later, for which it was not made; import this before lava.

Its dataclasses have defaults that are dataclasses themselves. From 3.11 on such a default must be hashable, which a
dataclass is only on request: made for every class of lava's that has no hash of its own. Nothing else changes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

_plain: Any = dataclasses.dataclass


def _hashable(cls: type | None = None, /, **options: Any) -> Any:
    def make(cls: type) -> type:
        ours = cls.__module__.startswith("lava.") and "__hash__" not in vars(cls) and not options.get("frozen")
        made: type = _plain(cls, **(options | {"unsafe_hash": True} if ours else options))
        return made

    return make if cls is None else make(cls)


dataclasses.dataclass = _hashable
