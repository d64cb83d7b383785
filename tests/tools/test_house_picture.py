"""The picture of the house is that of the code, and is drawn for people who can read it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRAW = [sys.executable, "tools/house_picture.py"]


def test_the_picture_is_of_the_code() -> None:
    done = subprocess.run([*DRAW, "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_room_is_in_the_picture_and_in_the_document() -> None:
    drawn = " ".join(ElementTree.parse(ROOT / "docs" / "architecture.svg").getroot().itertext())
    document = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path.name for path in (ROOT / "nirdeploy").iterdir() if (path / "__init__.py").is_file()]
    assert len(rooms) > 8
    for room in rooms:
        assert room in drawn
        assert f"| `{room}` |" in document


def test_imports_lie_on_one_side_of_the_diagonal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import house_picture

    order = {room: rung for rung, room in enumerate(house_picture.ladder())}
    among = [(a, b) for a, b in house_picture.imports() if {a, b} <= set(order)]
    assert len(among) > 20
    assert [pair for pair in among if order[pair[0]] > order[pair[1]]] == []
