"""Figures against the memory of the weights, as inline SVG that can be read on a phone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

_WIDTH, _HEIGHT = 360.0, 260.0  # of a phone: nothing is scaled down there
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 14.0, 12.0, 34.0
_TICKS = 5


@dataclass(frozen=True)
class Axis:
    """Numbers from ``low`` to ``high`` at places from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers, about :data:`_TICKS`."""
        rough = (self.high - self.low) / _TICKS or 1.0
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * by for by in (1, 2, 5, 10) if size * by >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [step * at for at in range(first, math.floor(self.high / step + 1e-9) + 1)]


def curve(told: Mapping[str, Any]) -> Markup:
    """Of a sweep as data (:meth:`nirdeploy.tuning.sweep.Sweep.as_dict`): accuracy with its interval, or the loss
    where there are no labels, of all that was measured; a line through what loses least within each memory."""
    what = "accuracy" if told["labelled"] else "loss"
    kinds = {kind: [one for one in told[kind] if one[what] is not None] for kind in ("alone", "curve", "uniform")}
    shown = [one for own in kinds.values() for one in own]
    if not shown:
        return Markup("")
    ends = [value for one in (*shown, told["float"]) for value in (one[what], *(one["interval"] or ()))]
    room = (max(ends) - min(ends)) * 0.04 or 0.01
    x = Axis(0.0, 1.05 * max(one["weight_bytes"] for one in shown), _LEFT, _WIDTH - _RIGHT)
    y = Axis(min(ends) - room, max(ends) + room, _HEIGHT - _BOTTOM, _TOP)
    line = " ".join(f"{x.at(one['weight_bytes']):.1f},{y.at(one[what]):.1f}" for one in kinds["curve"])
    parts = [_frame(x, y, what), _float(y, told["float"][what]), Markup('<polyline points="{}"/>').format(line)]
    parts += [_point(x, y, one, kind, what) for kind, own in kinds.items() for one in own]
    return Markup('<svg class="curve" role="img" viewBox="0 0 {:.0f} {:.0f}"><title>{}</title>{}</svg>').format(
        _WIDTH, _HEIGHT, f"{what} against memory of the weights", Markup("").join(parts)
    )


def _frame(x: Axis, y: Axis, what: str) -> Markup:
    parts = []
    for value in y.ticks():
        text = f"{100 * value:.4g} %" if what == "accuracy" else f"{value:.4g}"
        parts.append(_line("grid", (x.start, y.at(value)), (x.end, y.at(value))))
        parts.append(_text(x.start - 4, y.at(value) + 3.5, text, "end"))
    for value in x.ticks():
        parts.append(_line("grid", (x.at(value), y.start), (x.at(value), y.end)))
        parts.append(_text(x.at(value), y.start + 13, size(value), "middle"))
    parts.append(_text((x.start + x.end) / 2, _HEIGHT - 5, "memory of the weights", "middle"))
    return Markup("").join(parts)


def _float(y: Axis, value: float) -> Markup:
    text = _text(_LEFT + 3, y.at(value) - 3, "float", "start")
    return _line("float", (_LEFT, y.at(value)), (_WIDTH - _RIGHT, y.at(value))) + text


def _point(x: Axis, y: Axis, one: Mapping[str, Any], kind: str, what: str) -> Markup:
    """A mark whose title says what it is; a number beside those of one width."""
    across, up = x.at(one["weight_bytes"]), y.at(one[what])
    ends = [(across, y.at(end)) for end in one["interval"] or ()]
    bar = _line("bar", ends[0], ends[1]) if ends and kind != "alone" else Markup("")
    number = _text(across + 5, up + 12, str(one["width"]), "start") if kind == "uniform" else Markup("")
    return Markup(
        '<g class="{}" data-bytes="{}" data-value="{!r}"><title>{}</title>{}'
        '<circle cx="{:.2f}" cy="{:.2f}" r="{}"/>{}</g>'
    ).format(
        *(kind, one["weight_bytes"], one[what], argument(one["bits"]), bar, across, up),
        *({"uniform": 4, "curve": 3, "alone": 2.5}[kind], number),
    )


def _line(name: str, begin: Sequence[float], end: Sequence[float]) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(name, *begin, *end)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def size(count: float) -> str:
    """Of bytes."""
    for unit, of in (("MB", 1e6), ("KB", 1e3)):
        if count >= of:
            return f"{count / of:.4g} {unit}"
    return f"{count:.4g} B"


def argument(bits: Mapping[str, int]) -> str:
    """Bits by population as ``--bits`` takes them."""
    widths = set(bits.values())
    return str(*widths) if len(widths) == 1 else ",".join(f"{name}={own}" for name, own in bits.items())
