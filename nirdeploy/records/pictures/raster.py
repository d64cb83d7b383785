"""raster: which neuron spiked in which step, of one record or of two compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.records.pictures.figure import Figure, Panel, Trace, array, escaped, stacked, words
from nirdeploy.records.pictures.palette import LIGHT
from nirdeploy.records.pictures.window import Window, around, holding

#: Spikes of one raster: more are not drawn, but those around the first difference always.
MOST = 1 << 17
_IN_SVG = 2_000  # marks; of more, the graphics processor draws them
_WIDE, _HIGH = 96, 48  # steps and neurons of the view of a difference


@dataclass(frozen=True)
class Kind:
    """What a cell may be: what it is called of two records, its mark, and its colour on light paper."""

    called: str
    mark: str
    light: str


#: By the name of the palette.
KINDS = {
    "agreed": Kind("agreed", "square", LIGHT["agreed"]),
    "missing": Kind("{0} only", "x", LIGHT["missing"]),
    "extra": Kind("{1} only", "cross", LIGHT["extra"]),
    "count": Kind("other number", "diamond", LIGHT["count"]),
}


@dataclass(frozen=True)
class Compared:
    """A population's spike counts (T, neurons) in one sample; of two records (``measured``) or of one.

    ``names``: of the two; ``first``: (step, neuron) of their first difference.
    """

    title: str
    expected: np.ndarray
    measured: np.ndarray | None = None
    names: tuple[str, str] = ("expected", "measured")

    @property
    def first(self) -> tuple[int, int] | None:
        if self.measured is None:
            return None
        differs = self.expected != self.measured
        if not differs.any():
            return None
        step = int(differs.any(axis=1).argmax())
        return step, int(differs[step].argmax())

    def kinds(self) -> dict[str, np.ndarray]:
        """Which cells are of which of :data:`KINDS`: bool (T, neurons) each."""
        a = self.expected > 0
        if self.measured is None:
            return {"agreed": a}
        b = self.measured > 0
        same = self.expected == self.measured
        return {"agreed": a & b & same, "missing": a & ~b, "extra": ~a & b, "count": a & b & ~same}


def raster(compared: Compared, *, most: int = MOST, near: bool = False) -> Figure:
    """One raster that zooms. Its views: "whole", and "first" around the first difference (seen first if ``near``)."""
    found = rasters([compared], height=300, most=most)
    return found.seen("first") if near else found


def rasters(all_of: Sequence[Compared], *, height: int = 180, most: int = MOST) -> Figure:
    """One below the other, over the same steps."""
    each = max(most // max(len(all_of), 1), 1)
    drawn = [_panel(one, each) for one in all_of]
    firsts = [one.first for one in all_of if one.first is not None]
    begin = min(window.steps[0] for _, window in drawn)
    end = max(window.steps[1] for _, window in drawn)
    ranges = {"xaxis": (begin - 0.5, end - 0.5)}
    views = {"whole": ranges | {_axis(n): _down(window.neurons) for n, (_, window) in enumerate(drawn)}}
    if firsts:
        steps = around(min(firsts)[0], min(_WIDE, end - begin), end)
        near = {"xaxis": (steps[0] - 0.5, steps[1] - 0.5)}
        for number, (one, (_, window)) in enumerate(zip(all_of, drawn, strict=True)):
            at = one.first[1] if one.first else window.neurons[0]
            near[_axis(number)] = _down(around(at, min(_HIGH, window.of[1]), window.of[1]))
        views["first"] = near
    across = {"title": words("step"), "range": list(ranges["xaxis"])}
    return stacked([panel for panel, _ in drawn], across, height=height, views=views)


def _axis(number: int) -> str:
    return "yaxis" if number == 0 else f"yaxis{number + 1}"


def _down(neurons: tuple[int, int]) -> tuple[float, float]:
    """Neuron 0 stands at the top."""
    return neurons[1] - 0.5, neurons[0] - 0.5


def _panel(one: Compared, most: int) -> tuple[Panel, Window]:
    kinds = one.kinds()
    anything = np.logical_or.reduce(list(kinds.values()))
    window = holding(anything, one.first or (0, 0), most)
    traces, said = [], []
    marks = int(anything[window.cells].sum())
    for kind, cells in kinds.items():
        name = "spike" if one.measured is None else KINDS[kind].called.format(*one.names)
        count = int(cells.sum())
        if not cells[window.cells].any():
            continue
        said.append(f"{count:,} {name if one.measured is not None else 'spikes'}")
        traces.append(_marks(cells, window, kind, name, marks > _IN_SVG))
    rings = []
    if one.first is not None:
        step, neuron = one.first
        rings.append((step, neuron, f"first difference: step {step}, neuron {neuron}"))
        said.append(f"the first difference is neuron {neuron} in step {step}")
    text = f"{'; '.join(said) or 'no spike'}{f'; only the {window.cut} are drawn' if window.cut else ''}."
    y = {"title": words("neuron"), "range": list(_down(window.neurons))}
    return Panel(one.title, traces, y, rings, text), window


def _marks(cells: np.ndarray, window: Window, kind: str, name: str, many: bool) -> Trace:
    steps, neurons = np.nonzero(cells[window.cells])
    size = 3.0 if many and kind == "agreed" else 6.0
    marker: dict[str, Any] = {"size": size, "symbol": KINDS[kind].mark, "line": {"width": 0}}
    return {
        "type": "scattergl" if many else "scatter",
        "mode": "markers",
        "name": escaped(name),
        "meta": kind,
        "x": array(steps + window.steps[0]),
        "y": array(neurons + window.neurons[0]),
        "marker": marker,
        "hovertemplate": "step %{x}, neuron %{y}",
    }
