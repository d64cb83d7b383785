"""units: seconds and joules in the unit that a person would say them in."""

from __future__ import annotations

_TIMES = (("us", 1e-3, 1e6), ("ms", 1.0, 1e3), ("s", 600.0, 1.0), ("min", 36000.0, 1 / 60))
_ENERGIES = (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12))


def seconds(value: float) -> str:
    """A time: "4.65 ms"."""
    for unit, most, factor in _TIMES:
        if value < most:
            return f"{value * factor:,.3g} {unit}"
    return f"{value / 3600:,.3g} h"


def joules(low: float, high: float | None = None) -> str:
    """An energy, or from one to another: "1.2 uJ", "0.12-15 uJ", "12 nJ-15 uJ"."""
    high = low if high is None else high
    (unit, size), (lower, small) = _unit(high), _unit(low)
    if f"{low:.3g}" == f"{high:.3g}":
        return f"{high / size:.3g} {unit}"
    if unit == lower:
        return f"{_short(low / size)}-{_short(high / size)} {unit}"
    return f"{_short(low / small)} {lower}-{_short(high / size)} {unit}"


def _short(value: float) -> str:
    """Two digits that count, and no exponent."""
    return f"{float(f'{value:.2g}'):g}"


def _unit(value: float) -> tuple[str, float]:
    return next(((unit, size) for unit, size in _ENERGIES if value >= size), _ENERGIES[-1])
