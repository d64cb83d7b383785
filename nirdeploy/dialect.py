"""The dialect: how a framework turns NIR's differential equations into steps.

Frameworks agree on NIR's equations and on little else. A :class:`Dialect` makes each choice
explicit; it travels in the graph's metadata (key ``nirdeploy_dialect``) as the string that
:func:`parse` reads: ``preset[,field=value...]``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from nirdeploy.errors import DialectError

METADATA_KEY = "nirdeploy_dialect"


@dataclass(frozen=True)
class Dialect:
    """One framework's choices; ``dt`` in seconds."""

    preset: str = "nir"
    dt: float = 1e-4
    discretization: Literal["euler", "exponential"] = "euler"
    threshold: Literal[">", ">="] = ">"
    reset: Literal["zero", "subtract"] = "zero"

    def __str__(self) -> str:
        base = PRESETS[self.preset]
        changed = [
            f"{field.name}={getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(base, field.name)
        ]
        return ",".join([self.preset, *changed])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_ALLOWED: dict[str, tuple[str, ...]] = {
    "discretization": ("euler", "exponential"),
    "threshold": (">", ">="),
    "reset": ("zero", "subtract"),
}

PRESETS: dict[str, Dialect] = {
    "nir": Dialect(),
    "spikingjelly": Dialect(preset="spikingjelly", threshold=">="),
}


def parse(text: str, *, where: str = "") -> Dialect:
    """Read ``preset[,field=value...]``. Raises :class:`DialectError` listing what is allowed."""
    preset, *settings = [part.strip() for part in text.split(",")]
    if preset not in PRESETS:
        raise DialectError(
            f"unknown dialect {preset[:40]!r}",
            where=where,
            hint=f"known presets: {', '.join(sorted(PRESETS))}",
        )
    dialect = PRESETS[preset]
    for setting in settings:
        name, equals, value = setting.partition("=")
        # ">=" contains an equals sign: partition on the first one leaves "threshold", ">=" whole.
        if not equals:
            raise DialectError(f"{setting!r} is not field=value", where=where)
        dialect = _with_field(dialect, name.strip(), value.strip(), where)
    return dialect


def _with_field(dialect: Dialect, name: str, value: str, where: str) -> Dialect:
    if name == "dt":
        try:
            dt = float(value)
        except ValueError:
            dt = -1.0
        if not 0 < dt < float("inf"):
            raise DialectError(f"dt must be a positive number of seconds, not {value!r}", where=where)
        return replace(dialect, dt=dt)
    if name not in _ALLOWED:
        raise DialectError(f"a dialect has no field {name!r}", where=where, hint=f"fields: dt, {', '.join(_ALLOWED)}")
    if value not in _ALLOWED[name]:
        raise DialectError(
            f"{name}={value!r} is not allowed", where=where, hint=f"allowed: {', '.join(_ALLOWED[name])}"
        )
    return replace(dialect, **{name: value})  # type: ignore[arg-type]
