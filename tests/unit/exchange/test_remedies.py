"""Every refusal of the exchange names a remedy, in the frontends too whose frameworks are not installed here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nirdeploy import exchange

ROOM = Path(exchange.__file__).parent


def refusals(path: Path) -> list[ast.Call]:
    """The calls in a file that make an ExportError."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) in MAKERS]


MAKERS = ("ExportError", "refused")
FILES = sorted(path for path in ROOM.rglob("*.py") if refusals(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOM)))
def test_every_refusal_has_a_remedy(path: Path) -> None:
    for call in refusals(path):
        by_name = [key.value for key in call.keywords if key.arg == "hint"]
        in_place = call.args[2:] if getattr(call.func, "attr", "") == "refused" else []
        remedies = [ast.unparse(given) for given in (*by_name, *in_place)]
        assert len(remedies) == 1, ast.unparse(call)
        assert remedies != ["''"], ast.unparse(call)


def test_the_refusals_are_seen() -> None:
    assert {path.name for path in FILES} >= {"observe.py", "snntorch_.py", "norse_.py", "sinabs_.py", "spyx_.py"}
    assert sum(len(refusals(path)) for path in FILES) > 40
