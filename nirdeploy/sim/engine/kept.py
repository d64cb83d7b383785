"""kept: what is made of an object once, as long as the object is there; its arrays are not to be changed in place."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Made = TypeVar("Made")
_known: dict[tuple[int, Hashable], Any] = {}


def kept(of: Any, what: Hashable, make: Callable[[], Made]) -> Made:
    """``make()``, or what it made before of the same object under that name."""
    key = id(of), what
    if key not in _known:
        made = make()
        if key not in _known:  # another thread may have been faster
            weakref.finalize(of, _known.pop, key, None)
        _known[key] = made
    found: Made = _known[key]
    return found
