"""brief: what an object of ours says of itself in a line, whatever it holds: a network's arrays are a screen full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from nirdeploy.errors import printable

_LINE = 240  # characters: two lines of a wide terminal
_NAMES = 6  # of many


def brief(what: object, text: str) -> str:
    """``<CheckedGraph in (64) -> lif1 (10), ...>``: in one line, and every character seen."""
    line = printable(" ".join(text.split()))
    return f"<{type(what).__name__} {line if len(line) <= _LINE else f'{line[: _LINE - 4]} ...'}>"


def listed(names: Sequence[object], most: int = _NAMES) -> str:
    """The first names, and how many there are in all."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, ... {len(names):,} in all"


class Brief:
    """A dataclass (``repr=False``) that shows its fields in short, those that are as by default not at all."""

    def __repr__(self) -> str:
        assert is_dataclass(self)
        held = [(one, getattr(self, one.name)) for one in fields(self) if one.repr]
        said = [f"{one.name}={_told(value)}" for one, value in held if not _default(one, value)]
        return brief(self, ", ".join(said))


def _default(one: Any, value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return False
    made = (
        one.default if one.default is not MISSING else None if one.default_factory is MISSING else one.default_factory()
    )
    return (one.default is not MISSING or one.default_factory is not MISSING) and bool(value == made)


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, str):
        return repr(value) if len(value) <= 40 else f"'{value[:12]}...'"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return f"{{{listed(list(value))}}}"
    if isinstance(value, tuple) and all(isinstance(one, int) for one in value) and len(value) <= _NAMES:
        return repr(value)
    if isinstance(value, tuple | list):
        return f"[{_items(value)}]"
    if is_dataclass(value):
        return getattr(value, "name", "") or f"<{type(value).__name__}>"
    return repr(value) if len(repr(value)) <= 40 else f"<{type(value).__name__}>"


def _items(values: Sequence[Any]) -> str:
    if values and all(is_dataclass(value) for value in values):
        names = [getattr(value, "name", None) or getattr(value, "population", None) for value in values]
        return listed(names) if all(names) else f"{len(values):,} {type(values[0]).__name__}"
    return listed([_told(value) for value in values])
