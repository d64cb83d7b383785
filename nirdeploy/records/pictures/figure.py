"""figure: charts as Plotly draws them, made without it: plain data that a page holds, or that Plotly's Python takes.

Every trace says in ``meta`` what it shows, by a name of the palette; a page recolours it by that on dark paper.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nirdeploy.errors import ToolMissing
from nirdeploy.records.pictures.palette import LIGHT

if TYPE_CHECKING:
    import plotly.graph_objects

INSTALL = "pip install plotly"
_FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"
_GAP = 0.09  # between two panels, of the height

Trace = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """What one pair of axes holds. ``y``: of the vertical axis; ``rings``: (x, y, text) of places that are pointed at.

    ``text``: what is to be seen, in words, for those who do not see it.
    """

    title: str
    traces: Sequence[Trace]
    y: Mapping[str, Any] = field(default_factory=dict)
    rings: Sequence[tuple[float, float, str]] = ()
    text: str = ""


@dataclass(frozen=True)
class Figure:
    """``data`` and ``layout`` as Plotly has them; ``views``: ranges of the axes by a name; ``text``: in words."""

    data: list[Trace]
    layout: dict[str, Any]
    text: str = ""
    views: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)

    def seen(self, view: str) -> Figure:
        """The same, seen as a view of it has it; as it is, where there is no such view."""
        ranges = self.views.get(view, {})
        moved = {name: {**self.layout[name], "range": list(own)} for name, own in ranges.items()}
        return replace(self, layout={**self.layout, **moved})

    def plotly(self) -> plotly.graph_objects.Figure:
        """As Plotly's own figure, which notebooks show. Raises :class:`ToolMissing` where Plotly is not installed."""
        try:
            from plotly import graph_objects
        except ImportError as error:
            raise ToolMissing("drawing needs plotly, which is not installed", hint=INSTALL) from error
        return graph_objects.Figure({"data": self.data, "layout": self.layout})


def array(values: np.ndarray) -> dict[str, str]:
    """Numbers as Plotly reads them fast, in the fewest bytes that hold them: whole ones from 0 on, or float32."""
    if values.dtype.kind in "bui":
        most = int(values.max(initial=0))
        kind = "u1" if most < 1 << 8 else "u2" if most < 1 << 16 else "u4"
    else:
        kind = "f4"
    return {"dtype": kind, "bdata": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode()}


def stacked(
    panels: Sequence[Panel],
    across: Mapping[str, Any],
    *,
    height: int,
    views: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
) -> Figure:
    """Panels one below the other over one horizontal axis ``across``; each ``height`` pixels high."""
    count = len(panels)
    each = (1 - _GAP * (count - 1)) / count
    last = "y" if count == 1 else f"y{count}"
    layout = base(height * count + 70)
    layout["xaxis"] = {**axis(), **across, "anchor": last}
    data, notes, seen = [], [], set()
    for number, panel in enumerate(panels):
        own = "" if number == 0 else str(number + 1)
        top = 1 - number * (each + _GAP)
        layout[f"yaxis{own}"] = {**axis(), **panel.y, "domain": [max(top - each, 0.0), top], "anchor": "x"}
        for trace in panel.traces:
            name = trace.get("name")
            data.append({**_coloured(trace), "yaxis": f"y{own}", "showlegend": name is not None and name not in seen})
            seen.add(name)
        if count > 1:
            notes.append(_heading(panel.title, top))
        notes += [_ring(ring, f"y{own}", layout["xaxis"], layout[f"yaxis{own}"]) for ring in panel.rings]
    layout["annotations"] = notes
    text = " ".join(f"{panel.title}: {panel.text}" if count > 1 else panel.text for panel in panels if panel.text)
    return Figure(data, layout, text, views or {})


def _coloured(trace: Trace) -> Trace:
    """In the colour of what it shows, on light paper."""
    colour = LIGHT[trace["meta"]]
    found = dict(trace)
    if "marker" in trace:
        found["marker"] = {**trace["marker"], "color": colour}
    if "line" in trace:
        found["line"] = {**trace["line"], "color": colour}
    return found


def base(height: int) -> dict[str, Any]:
    """A layout without axes, readable at 300 pixels' width."""
    return {
        "height": height,
        "margin": {"l": 52, "r": 10, "t": 30, "b": 42},
        "paper_bgcolor": LIGHT["paper"],
        "plot_bgcolor": LIGHT["paper"],
        "font": {"family": _FONT, "size": 12, "color": LIGHT["ink"]},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left"},
        "hovermode": "closest",
        "dragmode": "pan",
    }


def axis() -> dict[str, Any]:
    return {
        "gridcolor": LIGHT["line"],
        "linecolor": LIGHT["line"],
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 6},
    }


def words(title: str) -> dict[str, Any]:
    """The title of an axis."""
    return {"text": title, "standoff": 6}


def _heading(title: str, top: float) -> dict[str, Any]:
    return {
        **{"text": escaped(title), "xref": "paper", "yref": "paper", "x": 0, "y": top, "showarrow": False},
        **{"xanchor": "left", "yanchor": "bottom", "font": {"size": 12}},
    }


def _ring(
    ring: tuple[float, float, str], name: str, across: Mapping[str, Any], down: Mapping[str, Any]
) -> dict[str, Any]:
    """An arrow to a place, whose words stay inside the panel."""
    x, y, text = ring
    left, right = across["range"]
    share = (x - left) / (right - left)
    top = "range" in down and (y - down["range"][1]) / (down["range"][0] - down["range"][1]) < 0.2
    return {
        **{"x": x, "y": y, "xref": "x", "yref": name, "text": escaped(text), "showarrow": True, "arrowhead": 2},
        **{"xanchor": "left" if share < 0.35 else "right" if share > 0.65 else "center", "ax": 0},
        **{
            "ay": 28 if top else -28,
            "arrowcolor": LIGHT["ink"],
            "bordercolor": LIGHT["ink"],
            "bgcolor": LIGHT["paper"],
        },
        **{"borderpad": 2, "font": {"size": 11, "color": LIGHT["ink"]}, "standoff": 5},
    }


def escaped(text: str) -> str:
    """Plotly reads a little HTML in what it writes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
