"""times: durations as users write them, 10ms, in microseconds as events have them."""

from __future__ import annotations

import re

from nirdeploy.errors import UsageProblem

_UNITS = {"us": 1, "µs": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000}
_MOST = 1 << 62


def microseconds(text: str | float, what: str = "bin") -> int:
    """A duration in whole microseconds; a number is in seconds. Raises :class:`UsageProblem`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]+)\s*", text) if isinstance(text, str) else None
    if match and match[2] in _UNITS:
        value = float(match[1]) * _UNITS[match[2]]
    elif isinstance(text, (int, float)):
        value = text * 1e6
    else:
        raise UsageProblem(f"{what} {text!r} is no duration", hint="a number with its unit: 10ms, 500us, 1s")
    if not 0 <= value < _MOST or abs(value - round(value)) > 1e-6:
        raise UsageProblem(f"{what} {text!r} is no whole number of microseconds", hint="such as 10ms")
    return round(value)


def said(value: int) -> str:
    """Microseconds as a person writes them."""
    for unit in ("s", "ms"):
        if value and value % _UNITS[unit] == 0:
            return f"{value // _UNITS[unit]:,} {unit}"
    return f"{value:,} us"
