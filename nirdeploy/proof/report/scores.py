"""scores: how often the class that was read is the label, after each step, and which was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nirdeploy.proof.evaluate import Evaluation
from nirdeploy.proof.report.charts import Chart, Charts
from nirdeploy.records.pictures.figure import Figure, Panel, array, escaped, stacked, words
from nirdeploy.records.pictures.palette import LIGHT

_SEEN = 24  # classes whose numbers are written into the picture, and listed
_LINES = (("agreed", "dash"), ("extra", "solid"), ("count", "dot"))


def drawn(evaluations: Sequence[Evaluation], charts: Charts) -> list[Chart]:
    """Accuracy over the steps of all witnesses, and the confusion of the last of them, such as the device's."""
    told = [one for one in evaluations if not one.whole and len(one.decisions) > 1]
    found = [charts.add(_over_steps(told), "Accuracy after each step", _reads(told[0]))] if told else []
    for one in evaluations[-1:]:
        title = f"Which class was taken for which, {one.source}"
        found.append(charts.add(_confusion(one), title, _CONFUSION, _rows(one)))
    return found


_CONFUSION = "Rows are labels, columns what was read; on the diagonal stands what is right."


def _reads(one: Evaluation) -> str:
    return f"Of samples whose class would be right if it were read after that step ('{one.reader}' of {one.output})."


def _over_steps(told: Sequence[Evaluation]) -> Figure:
    traces, said = [], []
    for one, (colour, dash) in zip(told, _LINES, strict=False):
        line = 100 * one.over_steps
        traces.append(
            {
                **{"type": "scatter", "mode": "lines", "name": escaped(one.source), "meta": colour, "x0": 1, "dx": 1},
                **{"y": array(line), "line": {"width": 2, "dash": dash}},
                "hovertemplate": "after step %{x}: %{y:.2f} %",
            }
        )
        said.append(f"{one.source} ends at {line[-1]:.2f} %")
    y = {"title": words("accuracy (%)"), "range": [0, 101]}
    return stacked([Panel("", traces, y, text=f"{'; '.join(said)}.")], {"title": words("steps seen")}, height=220)


def _confusion(one: Evaluation) -> Figure:
    found = one.confusion
    few = len(found) <= _SEEN
    trace: dict[str, Any] = {
        **{"type": "heatmap", "meta": "heat", "z": found.tolist(), "showscale": False, "xgap": 1, "ygap": 1},
        **{"colorscale": [[0, LIGHT["soft"]], [1, LIGHT["heat"]]], "zmin": 0, "zmax": max(int(found.max()), 1)},
        "hovertemplate": "label %{y}, read %{x}: %{z}<extra></extra>",
    }
    if few:
        trace |= {"texttemplate": "%{z}", "textfont": {"size": 11, "color": LIGHT["ink"]}}
    ticks: dict[str, Any] = {"dtick": 1} if few else {}
    y = {"title": words("label"), "autorange": "reversed", "constrain": "domain", **ticks}
    wrong = int(found.sum() - found.diagonal().sum())
    text = f"{wrong:,} of {int(found.sum()):,} samples are read wrong{_worst(found)}."
    return stacked([Panel("", [trace], y, text=text)], {"title": words("read"), **ticks}, height=300)


def _worst(found: np.ndarray) -> str:
    """The class that is taken for another most often."""
    off = found - np.diag(found.diagonal())
    if not off.any():
        return ""
    label, read = np.unravel_index(int(off.argmax()), off.shape)
    return f"; most often class {label} as {read}, {int(off.max()):,} times"


def _rows(one: Evaluation) -> list[dict[str, Any]]:
    """The numbers as a table, if they are few."""
    if one.classes > _SEEN:
        return []
    return [
        {"label": str(label), **{f"as {read}": int(n) for read, n in enumerate(row)}}
        for label, row in enumerate(one.confusion)
    ]
