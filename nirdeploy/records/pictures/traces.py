"""traces: membrane potentials over the steps, with the threshold and what a spike leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nirdeploy.records.pictures.figure import Figure, Panel, Trace, array, escaped, stacked, words
from nirdeploy.records.pictures.window import around

_MOST = 4_000  # steps; more would be less than a pixel each
_WIDE = 64  # steps of the view of a difference


@dataclass(frozen=True)
class Membrane:
    """One neuron's membrane in one sample: ``lines`` (T,) in the graph's units by their names, at most two.

    ``levels``: values that stand still, by their names ("threshold", "reset"). ``first``: the step of the first
    difference. ``spikes``: the steps in which it spiked, by the names of records.
    """

    title: str
    lines: Mapping[str, np.ndarray]
    levels: Mapping[str, float] = field(default_factory=dict)
    first: int | None = None
    spikes: Mapping[str, np.ndarray] = field(default_factory=dict)


def membrane(one: Membrane) -> Figure:
    """The membrane's views: "whole", and "first" around the first difference, where it begins."""
    return membranes([one], height=250).seen("first")


def membranes(all_of: Sequence[Membrane], *, height: int = 170) -> Figure:
    """One below the other, over the same steps."""
    total = max(len(line) for one in all_of for line in one.lines.values())
    firsts = [one.first for one in all_of if one.first is not None]
    begin, end = around(firsts[0] if firsts else 0, min(_MOST, total), total)
    views = {"whole": {"xaxis": (begin - 0.5, end - 0.5)}}
    if firsts:
        near = around(firsts[0], min(_WIDE, total), total)
        views["first"] = {"xaxis": (near[0] - 0.5, near[1] - 0.5)}
    across = {"title": words("step"), "range": list(views["whole"]["xaxis"])}
    return stacked([_panel(one, begin, end) for one in all_of], across, height=height, views=views)


def _panel(one: Membrane, begin: int, end: int) -> Panel:
    traces: list[Trace] = []
    said = []
    for (name, line), kind, dash in zip(one.lines.items(), ("expected", "measured"), ("solid", "dash"), strict=False):
        shown = line[begin:end]
        traces.append(
            {
                **{"type": "scatter", "mode": "lines", "name": escaped(name), "meta": kind},
                **{"x0": begin, "dx": 1, "y": array(np.asarray(shown, dtype=np.float64))},
                **{"line": {"width": 1.6, "dash": dash, "shape": "linear"}, "hovertemplate": "step %{x}: %{y:.5g}"},
            }
        )
        if len(shown):
            said.append(f"{name} from {float(shown.min()):.4g} to {float(shown.max()):.4g}")
    for name, level in one.levels.items():
        traces.append(_level(name, level, begin, end))
        said.append(f"{name} {level:.4g}")
    traces += _spikes(one, begin, end)
    rings = []
    if one.first is not None:
        height = float(next(iter(one.lines.values()))[one.first])
        rings.append((float(one.first), height, f"first difference: step {one.first}"))
        said.append(f"the first difference is in step {one.first}")
    cut = "" if (begin, end) == (0, max(map(len, one.lines.values()))) else f"; only steps {begin:,} to {end - 1:,}"
    return Panel(one.title, traces, {"title": words("membrane")}, rings, f"{'; '.join(said)}{cut}.")


def _level(name: str, level: float, begin: int, end: int) -> Trace:
    dash = "dot" if name == "reset" else "dashdot"
    return {
        **{"type": "scatter", "mode": "lines", "name": escaped(name), "meta": name, "x": [begin, max(end - 1, begin)]},
        **{"y": [level, level], "line": {"width": 1.4, "dash": dash}, "hovertemplate": "%{y:.5g}"},
    }


def _spikes(one: Membrane, begin: int, end: int) -> list[Trace]:
    """Marks above all lines, a row for each record."""
    values = [np.asarray(line[begin:end], dtype=np.float64) for line in one.lines.values()]
    values += [np.array([level]) for level in one.levels.values()]
    low, high = min(float(v.min()) for v in values if v.size), max(float(v.max()) for v in values if v.size)
    room = (high - low) * 0.08 or 0.1
    traces: list[Trace] = []
    for row, ((name, steps), kind) in enumerate(zip(one.spikes.items(), ("expected", "measured"), strict=False)):
        within = steps[(steps >= begin) & (steps < end)]
        traces.append(
            {
                **{"type": "scatter", "mode": "markers", "name": escaped(f"{name} spikes"), "meta": kind},
                **{"x": array(within), "y": array(np.full(len(within), high + (row + 1) * room))},
                **{"marker": {"size": 7, "symbol": "line-ns-open", "line": {"width": 2}}},
                "hovertemplate": "spike in step %{x}",
            }
        )
    return traces
