"""grid: tables that stay readable in few columns: no number is wrapped and no word broken that fits.

Where a table is wider than the terminal, one of few rows is turned round (its columns become rows); else it goes on
below with its other columns, each part with the first column again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Column, Table

from nirdeploy.errors import printable

_GAP = 2  # between columns
_PROSE = 24  # cells that are longer, and of several words, may be wrapped, but to no less
_WORD = 32  # of a longer word in prose, such as a path, the rest stands in the next line
_TURNED = 4  # rows at most of a table that is turned round


@dataclass(frozen=True)
class _Column:
    """``side``: where its cells stand. ``limit``: of its width, if there is one; what is longer is folded."""

    header: str
    cells: tuple[str, ...]
    side: Literal["left", "right"] = "left"
    limit: int | None = None

    @property
    def is_prose(self) -> bool:
        return self.side == "left" and any(len(cell) > _PROSE and " " in cell.strip() for cell in self.cells)

    @property
    def natural(self) -> int:
        return max((len(line) for cell in self.cells for line in cell.split("\n")), default=0)

    @property
    def least(self) -> int:
        """The width without a wrapped number or a broken word, but for the longest words of prose."""
        if self.limit is not None:
            return min(self.natural, self.limit)
        head = max((len(word) for word in self.header.split()), default=0)
        if not self.is_prose:
            return max(head, self.natural)
        word = max(len(word) for cell in self.cells for word in cell.split())
        return max(head, min(self.natural, max(_PROSE, min(word, _WORD))))

    @property
    def most(self) -> int:
        return max(len(self.header), self.natural if self.limit is None else min(self.natural, self.limit))


def drawn(table: Table, width: int) -> list[str]:
    """The lines of a table in so many columns of the terminal."""
    title = None if table.title is None else printable(str(table.title))
    columns = [_read(column) for column in table.columns]
    if not columns or not columns[0].cells:
        return [] if title is None else [f"{title}: none"]
    parts = _parts(columns, width)
    if len(parts) > 1 and len(columns[0].cells) <= _TURNED and _fits(turned := _turned(columns), width):
        parts = [turned]
    lines: list[str] = []
    for number, part in enumerate(parts):
        lines += [""] if number else []
        if not table.show_header:  # facts, of which a digest is longer than some terminals are wide
            part[-1] = replace(part[-1], limit=max(_PROSE, width - _GAP - part[0].most))
        lines += _render(part, width, title if not number else None, table.show_header)
    return [line.rstrip() for line in lines]


def _read(column: Column) -> _Column:
    cells = tuple(printable(str(cell)) for cell in column.cells)
    return _Column(printable(str(column.header)), cells, "right" if column.justify == "right" else "left")


def _needs(columns: Sequence[_Column]) -> int:
    return sum(column.least for column in columns) + _GAP * (len(columns) - 1)


def _fits(columns: Sequence[_Column], width: int) -> bool:
    return _needs(columns) <= width


def _parts(columns: list[_Column], width: int) -> list[list[_Column]]:
    """The columns in parts that fit, each with the first column."""
    first, *rest = columns
    parts = [[first]]
    for column in rest:
        if len(parts[-1]) > 1 and not _fits([*parts[-1], column], width):
            parts.append([first])
        parts[-1].append(column)
    return parts


def _turned(columns: Sequence[_Column]) -> list[_Column]:
    """Rows become columns; what stood in the first column heads them."""
    first, *rest = columns
    names = _Column(first.header, tuple(column.header for column in rest))
    shown = [
        _Column(head, tuple(column.cells[row] for column in rest), "right") for row, head in enumerate(first.cells)
    ]
    return [names, *shown]


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Of each column: what it needs, and of what is left over what spares wrapped headers and prose. What is longer
    than the terminal is wide, such as a path, is left whole."""
    found = [column.least for column in columns]
    over = max(0, width - sum(found) - _GAP * (len(found) - 1))
    for number, column in enumerate(columns):
        more = max(0, min(over, column.most - found[number]))
        found[number], over = found[number] + more, over - more
    return found


def _render(columns: list[_Column], width: int, title: str | None, headed: bool) -> list[str]:
    widths = _widths(columns, width)
    wide = max(width, sum(widths) + _GAP * (len(widths) - 1))
    console = Console(width=wide, markup=False, emoji=False, highlight=False)  # names come from files: "[/b]" is one
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD if headed else None, show_header=headed, show_edge=False,
        padding=(0, _GAP - 1, 0, 0) if headed else (0, _GAP, 0, 0), pad_edge=False,
    )  # fmt: skip
    for column, own in zip(columns, widths, strict=True):
        table.add_column(column.header, justify=column.side, width=own, overflow="fold")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    with console.capture() as captured:  # rich would turn a closed pipe into exit code 1
        console.print(table)
    return captured.get().rstrip("\n").split("\n")
