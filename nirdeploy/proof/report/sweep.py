"""sweep: what bits cost, as tables for the terminal and as one page, from a sweep's data alone.

The data is that of :meth:`nirdeploy.tuning.sweep.Sweep.as_dict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from nirdeploy.proof.report import pages
from nirdeploy.proof.report.curve import argument, curve
from nirdeploy.records import store

__all__ = ["argument", "render", "tables", "write"]


def write(path: Path, told: Mapping[str, Any]) -> None:
    """Write the page, whole or not at all."""
    store.write_atomic(path, render(told).encode())


def render(told: Mapping[str, Any]) -> str:
    """One self-contained page."""
    trials = [("float", told["float"])]
    trials += [(f"all {one['width']} bits", one) for one in told["uniform"]]
    trials += [(f"{one['population']} {one['width']} bits", one) for one in told["alone"]]
    return pages.rendered(
        "sweep.html.j2",
        told=told,
        curve=curve(told),
        trials=trials,
        sensitivity=_sensitivity(told),
        argument=argument,
        percent=percent,
    )


def percent(part: float | None) -> str:
    return "" if part is None else f"{100 * part:.2f} %"


def tables(told: Mapping[str, Any]) -> list[Table]:
    """At most 80 columns wide each."""
    rows = [("float", told["float"])] + [(str(one["width"]), one) for one in told["uniform"]]
    found = [_table(f"{_what(told)} by bits, {told['target']}", "bits", rows, told)]
    if told["curve"]:
        found.append(_within(told))
    if told["alone"]:
        found.append(_alone(told))
    return found


def _new(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, max_width=22, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table


def _table(title: str, first: str, rows: list[tuple[str, Mapping[str, Any]]], told: Mapping[str, Any]) -> Table:
    labelled = ("accuracy", "95 % interval", "wrong") if told["labelled"] else ()
    table = _new(title, first, "bytes", *labelled, "loss")
    for name, one in rows:
        if one["reason"]:
            table.add_row(name, "no figure: see below")
        else:
            size = "" if one["weight_bytes"] is None else f"{one['weight_bytes']:,}"
            table.add_row(name, size, *_figures(one), f"{one['loss']:.4g}")
    return table


def _figures(one: Mapping[str, Any]) -> list[str]:
    if one["accuracy"] is None:
        return []
    low, high = one["interval"]
    return [percent(one["accuracy"]), f"{100 * low:.2f} to {100 * high:.2f}", f"{one['wrong']:,}"]


def _within(told: Mapping[str, Any]) -> Table:
    """What loses least within each memory; bits in the order of the populations."""
    rows = [(f"{one['memory_bytes']:,}: {' '.join(map(str, one['bits'].values()))}", one) for one in told["curve"]]
    return _table("least lost within a memory", "bytes: bits of each", rows, told)


def _alone(told: Mapping[str, Any]) -> Table:
    what = _what(told)
    title = f"{what}, one population alone narrower than {told['widths'][-1]} bits"
    table = _new(title, "population", "weights", *(f"{width} bits" for width in told["widths"]))
    for name, cells in _sensitivity(told).items():
        shown = [_shown(one, what) for one in cells]
        table.add_row(name, f"{told['weights'][name]:,}", *shown)
    return table


def _what(told: Mapping[str, Any]) -> str:
    return "accuracy" if told["labelled"] else "loss"


def _shown(one: Mapping[str, Any], what: str) -> str:
    if one["reason"]:
        return "none"
    return percent(one["accuracy"]) if what == "accuracy" else f"{one['loss']:.4g}"


def _sensitivity(told: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By population its trials alone, in the order of the widths; ``heat``: 0 to 1, of what it loses of all there."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for one in told["alone"]:
        by_name.setdefault(one["population"], []).append(one)
    lost = {name: [_lost(one, cells[-1], told["labelled"]) for one in cells] for name, cells in by_name.items()}
    most = max((value for values in lost.values() for value in values if value is not None), default=0.0)
    return {
        name: [
            {**one, "heat": 1.0 if value is None else max(value, 0.0) / (most or 1.0)}
            for one, value in zip(cells, lost[name], strict=True)
        ]
        for name, cells in by_name.items()
    }


def _lost(one: Mapping[str, Any], widest: Mapping[str, Any], labelled: bool) -> float | None:
    """Against the widest; None where there is no figure."""
    if one["reason"] or widest["reason"]:
        return None
    if labelled:
        return float(widest["accuracy"] - one["accuracy"])
    return float(one["loss"] - widest["loss"])
