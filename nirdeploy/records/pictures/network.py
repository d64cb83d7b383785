"""network: a network as a picture: populations as boxes from top to bottom, projections as arrows between them.

Drawn here and not by a library: pages and notebooks show it as it is, without a script, and what lays out graphs is a
program of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDE, _GAP, _DOWN, _LINE = 176.0, 26.0, 46.0, 15.0  # of a box; between boxes; between ranks; of text
_BOW = 30.0  # how far an arrow that passes boxes stands out
_LETTERS = 25  # of a line in a box
_MOST = 120  # boxes; more are no picture


@dataclass(frozen=True)
class Box:
    """``lines``: below the name. ``kind``: "input", "output" or nothing."""

    name: str
    lines: tuple[str, ...] = ()
    kind: str = ""

    @property
    def high(self) -> float:
        return 22.0 + _LINE * len(self.lines)


@dataclass(frozen=True)
class Arrow:
    source: str
    target: str
    label: str = ""


def network(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> Markup:
    """An SVG that says in its title what it shows; nothing where there are too many boxes to see."""
    if not boxes or len(boxes) > _MOST:
        return Markup("")
    rank = _ranks(boxes, arrows)
    rows = [[box for box in boxes if rank[box.name] == at] for at in range(max(rank.values()) + 1)]
    wide = max(len(row) for row in rows) * (_WIDE + _GAP) - _GAP
    bows = sum(not _straight(arrow, rank) for arrow in arrows)
    right = wide + (_BOW + 12.0 * min(bows, 6) if bows else 0.0) + 92.0
    place: dict[str, tuple[float, float, Box]] = {}
    down = 6.0
    for row in rows:
        left = (wide - (len(row) * (_WIDE + _GAP) - _GAP)) / 2 + 6.0
        for box in row:
            place[box.name] = (left, down, box)
            left += _WIDE + _GAP
        down += max(box.high for box in row) + _DOWN
    parts = [_arrow(arrow, place, rank, wide, number) for number, arrow in enumerate(_bowed_last(arrows, rank))]
    parts += [_box(*own) for own in place.values()]
    said = f"network of {len(boxes)} populations: " + "; ".join(f"{a.source} to {a.target}" for a in arrows)
    return Markup(
        '<svg class="network" role="img" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}" '
        'style="background: var(--paper, #fff); font: 12px system-ui, sans-serif"><title>{said}</title>{parts}</svg>'
    ).format(w=right, h=down - _DOWN + 8, said=said, parts=Markup("").join(parts))


def _ranks(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> dict[str, int]:
    """How far from the top: behind all that lead to it and stand before it."""
    order = {box.name: at for at, box in enumerate(boxes)}
    rank: dict[str, int] = {}
    for box in boxes:
        before = [
            a.source for a in arrows if a.target == box.name and order.get(a.source, len(order)) < order[box.name]
        ]
        rank[box.name] = max((rank[name] + 1 for name in before), default=0)
    return rank


def _straight(arrow: Arrow, rank: dict[str, int]) -> bool:
    return rank[arrow.target] == rank[arrow.source] + 1


def _bowed_last(arrows: Sequence[Arrow], rank: dict[str, int]) -> list[Arrow]:
    return sorted(arrows, key=lambda arrow: _straight(arrow, rank))


def _arrow(
    arrow: Arrow, place: dict[str, tuple[float, float, Box]], rank: dict[str, int], wide: float, number: int
) -> Markup:
    """Down to the next rank; else in a bow on the right, which is dashed where it leads back."""
    (x, y, box), (to_x, to_y, _) = place[arrow.source], place[arrow.target]
    if _straight(arrow, rank):
        begin, end = (x + _WIDE / 2, y + box.high), (to_x + _WIDE / 2, to_y)
        middle = ((begin[0] + end[0]) / 2 + 8, (begin[1] + end[1]) / 2 + 4)
        line = f"M{begin[0]:.1f} {begin[1]:.1f}L{end[0]:.1f} {end[1] - 5:.1f}"
        return _drawn(line, (end[0], end[1]), "down", arrow.label, middle, dashed=False)
    out = wide + 6 + _BOW + 12.0 * (number % 6)
    begin = (x + _WIDE, y + box.high * (0.75 if arrow.source == arrow.target else 0.5))
    end = (to_x + _WIDE, to_y + 9)
    line = (
        f"M{begin[0]:.1f} {begin[1]:.1f}C{out:.1f} {begin[1]:.1f} {out:.1f} {end[1]:.1f} {end[0] + 5:.1f} {end[1]:.1f}"
    )
    middle = (begin[0] * 0.25 + out * 0.75 + 6, (begin[1] + end[1]) / 2 + 4)
    return _drawn(line, end, "left", arrow.label, middle, dashed=rank[arrow.target] <= rank[arrow.source])


def _drawn(
    line: str, tip: tuple[float, float], way: str, label: str, at: tuple[float, float], *, dashed: bool
) -> Markup:
    x, y = tip
    head = f"M{x:.1f} {y:.1f}l-4 -7h8z" if way == "down" else f"M{x:.1f} {y:.1f}l7 -4v8z"
    return Markup(
        '<path d="{line}" style="fill: none; stroke: var(--quiet, #4d5b68); stroke-width: 1.4{dash}"/>'
        '<path d="{head}" style="fill: var(--quiet, #4d5b68)"/>'
        '<text x="{x:.1f}" y="{y:.1f}" style="fill: var(--quiet, #4d5b68); font-size: 11px">{label}</text>'
    ).format(line=line, head=head, dash="; stroke-dasharray: 4 3" if dashed else "", x=at[0], y=at[1], label=label)


_EDGES = {"input": "var(--good, #19734b)", "output": "var(--extra, #9a5b00)", "": "var(--agreed, #3c6e9f)"}


def _box(x: float, y: float, box: Box) -> Markup:
    texts = [_line(x, y + 16, box.name, bold=True)]
    texts += [_line(x, y + 16 + _LINE * (at + 1), text, bold=False) for at, text in enumerate(box.lines)]
    return Markup(
        '<g><rect x="{x:.1f}" y="{y:.1f}" width="{w:.0f}" height="{h:.0f}" rx="6" '
        'style="fill: var(--soft, #eef2f5); stroke: {edge}; stroke-width: 1.6"/>{texts}</g>'
    ).format(x=x, y=y, w=_WIDE, h=box.high, edge=_EDGES[box.kind], texts=Markup("").join(texts))


def _line(x: float, y: float, text: str, *, bold: bool) -> Markup:
    short = text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"
    whole = Markup("<title>{}</title>").format(text) if short != text else Markup("")
    weight = "; font-weight: 600" if bold else ""
    return Markup('<text x="{:.1f}" y="{:.1f}" style="fill: var(--ink, #1b2733){}">{}{}</text>').format(
        x + 10, y, weight, whole, short
    )
