"""Verdicts and reports as rich tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from rich.table import Table

from nirdeploy.proof.verdict import Verdict


def verdict_table(verdict: Verdict) -> Table:
    """One row per population."""
    table = Table(title=f"{verdict.measured} against {verdict.expected}", title_justify="left")
    for column in ("population", "what", "cells", "spikes expected", "measured", "mismatches", "first at"):
        table.add_column(column, justify="left" if column in ("population", "what", "first at") else "right")
    for p in verdict.populations:
        spikes = p.kind in ("spikes", "count")
        first = f"sample {p.first.sample}, neuron {p.first.index}" if p.first else ""
        if p.first and p.first.step is not None:
            first = f"step {p.first.step}, {first}"
        if not p.decides:
            first = f"error rms {p.rms_error:.3g}, max {p.max_error:.3g}"
        elif p.unlike:
            first = f"{first}; {p.unlike}" if first else p.unlike
        elif p.population in verdict.silent:
            first = "silent in both"
        table.add_row(
            p.population,
            p.kind,
            f"{p.cells:,}",
            f"{p.spikes_expected:,}" if spikes else "",
            f"{p.spikes_measured:,}" if spikes else "",
            f"{p.mismatches:,}" if p.decides else "",
            first,
        )
    return table


def rows_table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """A table whose columns are the keys of the first row; the first names the row, and where space is short others
    are wrapped."""
    table = Table(title=title, title_justify="left")
    if rows:
        for number, key in enumerate(rows[0]):
            side: Literal["left", "right"] = "left" if isinstance(rows[0][key], str) else "right"
            table.add_column(key.replace("_", " "), justify=side, no_wrap=number == 0)
        for row in rows:
            table.add_row(*(_of(key, value) for key, value in row.items()))
    return table


def facts_table(facts: Mapping[str, object]) -> Table:
    """Two columns: what, and how much."""
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column()
    for key, value in facts.items():
        table.add_row(key, _cell(value))
    return table


#: What a figure is where nothing limits it, or nothing is lost.
_ENDLESS = {"weight_sqnr_db": "exact", "saturation_margin_bits": "no limit"}


def _of(key: str, value: object) -> str:
    return _ENDLESS[key] if key in _ENDLESS and value == math.inf else _cell(value)


def _cell(value: object) -> str:
    """A value as it is read: what is not known says so, and no number stands for it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not known"
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_cell(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
