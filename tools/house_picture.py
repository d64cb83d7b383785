"""Draw docs/architecture.svg: the rooms of the house, who imports whom, and the ways of a weight and of a spike.

    python tools/house_picture.py            # writes docs/architecture.svg
    python tools/house_picture.py --check    # exits with 1 if the picture is not that of the code

Rooms stand in the order of the ladder in ``.importlinter``, their texts are the packages' own docstrings, and the
numbers count the imports that stand in the code: all of them lie on one side of the diagonal.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import sys
from collections import Counter
from html import escape
from itertools import pairwise
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nirdeploy"
PICTURE = ROOT / "docs" / "architecture.svg"

#: The rooms that each passes, in order.
WAYS = {
    "a weight": ("#b45309", ("exchange", "graph", "integers", "backends", "targets", "device")),
    "a spike": ("#0369a1", ("device", "records", "proof", "cli")),
}

_ROW, _TOP, _LEFT, _TEXT, _CELL = 34, 110, 120, 700, 46


def ladder() -> list[str]:
    """The rooms from the top of the ladder to its foot."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser["importlinter:contract:stages"]["layers"].split()


def sentence(room: str) -> str:
    """The first sentence of a room's docstring."""
    path = PACKAGE / room / "__init__.py" if (PACKAGE / room).is_dir() else PACKAGE / f"{room}.py"
    said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return " ".join(said.split()).removeprefix(f"{room}: ").rstrip(".")


def imports() -> Counter[tuple[str, str]]:
    """How many imports lead from a room to another."""
    graph, found = grimp.build_graph("nirdeploy"), Counter[tuple[str, str]]()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            ends = tuple(name.split(".")[1] if "." in name else "" for name in (module, imported))
            if all(ends) and ends[0] != ends[1]:
                found[ends[0], ends[1]] += 1
    return found


def picture() -> str:
    """The whole SVG."""
    rooms, counts = ladder(), imports()
    width, height = _LEFT + _TEXT + _CELL * len(rooms) + 20, _TOP + _ROW * len(rooms) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="13" role="img" aria-label="The rooms of nirdeploy and what they import">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, room in enumerate(rooms):
        parts += _row(number, room, rooms, counts)
    for lane, (name, (colour, stops)) in enumerate(WAYS.items()):
        parts += _way(lane, name, colour, [rooms.index(stop) for stop in stops])
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(number: int, room: str, rooms: list[str], counts: Counter[tuple[str, str]]) -> list[str]:
    """A room: its name, what it is for, and what it imports of each room below."""
    y = _TOP + _ROW * number
    x = _LEFT + _TEXT + _CELL * number
    parts = [
        f'<rect x="{_LEFT}" y="{y}" width="{_TEXT - 10}" height="{_ROW - 6}" rx="4" fill="#f1f5f9" stroke="#94a3b8"/>',
        f'<text x="{_LEFT + 10}" y="{y + 19}" font-weight="bold">{room}</text>',
        f'<text x="{_LEFT + 95}" y="{y + 19}" font-size="11.5">{escape(sentence(room))}</text>',
        f'<text transform="translate({x + _CELL / 2 + 4},{_TOP - 8}) rotate(-60)">{room}</text>',
        f'<rect x="{x + 2}" y="{y}" width="{_CELL - 4}" height="{_ROW - 6}" fill="#cbd5e1"/>',
    ]
    for column, other in enumerate(rooms):
        if count := counts[room, other]:
            middle = _LEFT + _TEXT + _CELL * column + _CELL / 2
            parts.append(f'<text x="{middle}" y="{y + 19}" text-anchor="middle">{count}</text>')
    return parts


def _way(lane: int, name: str, colour: str, stops: list[int]) -> list[str]:
    """A line that calls at rooms, from one to the next."""
    x = 28 + 42 * lane
    ys = [_TOP + _ROW * stop + (_ROW - 6) / 2 for stop in stops]
    parts = [f'<text transform="translate({x},{_TOP - 8}) rotate(-60)" fill="{colour}">{name}</text>']
    for number, (a, b) in enumerate(pairwise(ys)):
        bend = x + (14 if number % 2 else -14)
        parts.append(
            f'<path d="M{x},{a} Q{bend},{(a + b) / 2} {x},{b}" fill="none" stroke="{colour}" stroke-width="3"/>'
        )
    for number, y in enumerate(ys, 1):
        parts.append(f'<circle cx="{x}" cy="{y}" r="9" fill="{colour}"/>')
        parts.append(f'<text x="{x}" y="{y + 4}" text-anchor="middle" font-size="11" fill="white">{number}</text>')
    return parts


def main() -> int:
    """Draw, or check."""
    parser = argparse.ArgumentParser(description="Draw the rooms of the house.")
    parser.add_argument("--check", action="store_true", help="compare with the picture that is there")
    drawn = picture()
    if not parser.parse_args().check:
        PICTURE.write_text(drawn, encoding="utf-8")
        return 0
    if PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == drawn:
        return 0
    sys.stderr.write("docs/architecture.svg is not the picture of the code; run python tools/house_picture.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
