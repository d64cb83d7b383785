"""entries: what the entries of a file's JSON are, held to be so before anything is made of them.

Every function gives the value back, or raises ValueError in words that name the entry.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MOST = 1 << 31  # of whatever is counted: what indices of 32 bits reach


def parsed(given: str | bytes) -> Any:
    """What a JSON says."""
    try:
        return json.loads(given)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error
    except ValueError as error:
        raise ValueError("its JSON has a number of more digits than are read") from error


def said(error: Exception) -> str:
    """What was wrong with an entry, as an error of reading it says."""
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def odd(value: Any, what: str, expected: str) -> ValueError:
    """The error of an entry that is another thing; of a large one the beginning is shown."""
    return ValueError(f"{what} is {reprlib.repr(value)}, expected {expected}")


def text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise odd(value, what, "a text")
    return value


def one_of(value: Any, what: str, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise odd(value, what, f"one of {', '.join(map(repr, allowed))}")
    return value


def flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise odd(value, what, "true or false")
    return value


def whole(value: Any, what: str, least: int = 0, most: int = MOST) -> int:
    """A whole number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise odd(value, what, f"a whole number from {least:,} to {most:,}")
    return value


def number(value: Any, what: str) -> float:
    """Any number, infinite ones and NaN too: a figure that is shown."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise odd(value, what, "a number")
    return value


def positive(value: Any, what: str) -> float:
    """A finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= np.finfo(np.float64).max:
        raise odd(value, what, "a finite number above 0")
    return value


def table(value: Any, what: str) -> dict[str, Any]:
    """Entries by name."""
    if not isinstance(value, dict):
        raise odd(value, what, "entries by name")
    return value


def several(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise odd(value, what, "a list")
    return list(value)


def texts(value: Any, what: str) -> dict[str, str]:
    """Texts by name."""
    return {name: text(one, f"{what} of {name!r}") for name, one in table(value, what).items()}


def names(value: Any, what: str) -> list[str]:
    """Texts of which no two are alike."""
    found = [text(one, f"one of {what}") for one in several(value, what)]
    if len(set(found)) < len(found):
        raise odd(found, what, "names that are unlike each other")
    return found


def shape(value: Any, what: str, least: int = 1) -> tuple[int, ...]:
    """The sizes of dimensions, which come to :data:`MOST` values at most."""
    found = tuple(whole(size, f"a size in {what}", least) for size in several(value, what))
    if len(found) > 32 or math.prod(found) > MOST:  # 32: dimensions of an array
        raise odd(list(found), what, f"at most {MOST:,} values")
    return found


def of_record(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What a record, or a tally, says beside its numbers: source, dt, outputs, manifest and stats. Raises KeyError,
    too, where it does not."""
    return {
        "source": text(meta["source"], "the source"),
        "dt": positive(meta["dt"], "dt"),
        "outputs": texts(meta["outputs"], "outputs"),
        "manifest": table(meta["manifest"], "the manifest"),
        "stats": {name: number(one, f"stats of {name!r}") for name, one in table(meta["stats"], "stats").items()},
    }


def of_shapes(meta: Mapping[str, Any], least: int = 0) -> dict[str, tuple[int, ...]]:
    """The shapes of a record's populations, by name."""
    return {name: shape(one, f"the shape of {name!r}", least) for name, one in table(meta["shapes"], "shapes").items()}
