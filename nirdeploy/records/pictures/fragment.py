"""fragment: what a notebook shows of an object: a piece of a page that brings its own style, and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from nirdeploy.errors import printable

_CELL = "padding: .15rem .6rem; text-align: left; vertical-align: top"
_METER = "display: inline-block; width: 5rem; height: .5rem; border: 1px solid #4d5b68; border-radius: 3px"


def fragment(title: str, *parts: Markup) -> str:
    """A heading and parts beneath. What comes from files is escaped, all of it seen."""
    inside = Markup("").join(part for part in parts if part)
    page = Markup('<div class="nirdeploy" style="max-width: 60rem; overflow-x: auto"><p><b>{}</b></p>{}</div>')
    return printable(str(page.format(title, inside)))


def table(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Rows with the same keys; nothing of none."""
    if not rows:
        return Markup("")
    head = Markup("").join(Markup('<th style="{}">{}</th>').format(_CELL, key) for key in rows[0])
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup('<td style="{}">{}</td>').format(_CELL, _cell(value)) for value in row.values())
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def meter(share: float, text: str) -> Markup:
    """A bar that is full to a share, and the same in words."""
    full = f"display: block; height: 100%; width: {100 * share:.1f}%; background: #3c6e9f"
    return Markup('<span style="{}"><i style="{}"></i></span> {}').format(_METER, full, text)


def _cell(value: Any) -> Any:
    if isinstance(value, Markup | str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
