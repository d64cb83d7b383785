"""plain: what templates see of the objects that they are given: data to read, and nothing that does something.

Jinja's sandbox keeps templates from names that begin with an underscore, not from what the objects at hand can do:
models of pydantic unpickle and read files, arrays of NumPy write them. So templates get numbers, text, lists and dicts;
of other objects, views of their fields and properties, and of their methods those that are made for it
(:func:`for_templates`).
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK = "_for_templates"
_DATA = (type(None), bool, int, float, complex, str, bytes, range)
_KINDS = frozenset(_DATA)


def for_templates(function: Function) -> Function:
    """A method (or function) that templates may call: one that computes from what it is given, and does nothing."""
    setattr(function, _MARK, True)
    return function


def plain(value: Any) -> Any:
    """``value`` as templates see it. Raises :class:`TypeError` where there is nothing in it to read."""
    if type(value) in _KINDS or isinstance(value, (View, Numbers, Called)):
        return value
    if isinstance(value, (np.generic, enum.Enum)):
        return plain(value.item() if isinstance(value, np.generic) else value.value)
    if isinstance(value, np.ndarray):
        return Numbers(value) if value.dtype.kind in "biufc" else plain(value.tolist())
    if isinstance(value, Mapping):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, Set)) and not hasattr(value, "_fields"):
        every = value if all(type(one) in _KINDS for one in value) else map(plain, value)
        return (tuple if isinstance(value, tuple) else list)(every)
    kind: Any = type(value)
    if isinstance(value, (int, float, str, bytes)):  # of a class of its own
        kind = next(one for one in (int, float, str, bytes) if isinstance(value, one))
        return kind(value)
    if isinstance(value, PurePath):
        return str(value)
    if getattr(value, _MARK, False) is True:
        return Called(value)
    if isinstance(value, (type, ModuleType)) or callable(value):
        raise TypeError(f"templates take data, and {getattr(value, '__name__', type(value).__name__)!r} is none")
    return _view_of(kind)(value)


class View:
    """The fields and properties of an object, each seen as data when it is read."""

    __slots__ = ("_of",)

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getattr__(self, name: str) -> Any:
        kind: Any = type(self._of)
        if name.startswith("_") or name not in _readable(kind) | _held(self._of):
            raise AttributeError(name)
        found = getattr(self._of, name)
        return Called(found) if getattr(found, _MARK, False) is True else plain(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and bool(self._of is other._of or self._of == other._of)

    def __hash__(self) -> int:
        return hash(self._of)

    def __str__(self) -> str:
        return str(self._of)

    def __repr__(self) -> str:
        return repr(self._of)


@functools.cache
def _view_of(kind: Any) -> type[View]:
    """A view that Jinja's messages call by the name of what is seen."""
    return type(kind.__name__.partition("[")[0], (View,), {"__slots__": (), "__module__": "builtins"})


@functools.cache
def _readable(kind: Any) -> frozenset[str]:
    """Names of the fields that a class declares, of its properties and of its methods for templates. What pydantic
    puts into every model is none of them."""
    found: set[str] = set()
    for one in reversed(kind.__mro__):
        if one in BaseModel.__mro__:
            continue
        for name, member in vars(one).items():
            is_read = isinstance(member, (property, functools.cached_property)) or getattr(member, _MARK, False) is True
            (found.add if is_read else found.discard)(name)
    if issubclass(kind, BaseModel):
        found |= set(kind.model_fields)
    elif is_dataclass(kind):
        found |= {field.name for field in fields(kind)}
    return frozenset(found | set(getattr(kind, "_fields", ())))


def _held(value: Any) -> frozenset[str]:
    """Names of what an object holds whose class declares no fields."""
    if isinstance(value, BaseModel) or is_dataclass(value):
        return frozenset()
    return frozenset(getattr(value, "__dict__", ()))


class Called:
    """A method for templates; what it gives is seen as data."""

    __slots__ = ("_of",)

    def __init__(self, of: Callable[..., Any]) -> None:
        self._of = of

    def __call__(self, *given: Any, **named: Any) -> Any:
        return plain(self._of(*given, **named))


class Numbers:
    """An array to read: by index, by slices, number by number; rows of one of several dimensions are such arrays."""

    __slots__ = ("_of",)

    def __init__(self, of: np.ndarray) -> None:
        self._of = of

    @property
    def shape(self) -> tuple[int, ...]:
        return self._of.shape

    @property
    def size(self) -> int:
        return self._of.size

    @property
    def ndim(self) -> int:
        return self._of.ndim

    @property
    def dtype(self) -> str:
        return str(self._of.dtype)

    @property
    def T(self) -> Numbers:  # noqa: N802 - as NumPy calls it
        return Numbers(self._of.T)

    def tolist(self) -> Any:
        return self._of.tolist()

    def tobytes(self) -> bytes:
        return self._of.tobytes()

    def flatten(self) -> Numbers:
        return Numbers(self._of.ravel())

    ravel = flatten

    def reshape(self, *shape: Any) -> Numbers:
        return Numbers(self._of.reshape(*shape))

    def min(self, axis: int | None = None) -> Any:
        return plain(self._of.min(axis))

    def max(self, axis: int | None = None) -> Any:
        return plain(self._of.max(axis))

    def sum(self, axis: int | None = None) -> Any:
        return plain(self._of.sum(axis))

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._of.tolist()) if self._of.ndim == 1 else map(plain, self._of)

    def __getitem__(self, at: Any) -> Any:
        return plain(self._of[at])

    def __str__(self) -> str:
        return str(self._of)

    def __repr__(self) -> str:
        return repr(self._of)
