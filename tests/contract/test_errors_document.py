"""docs/errors.md says of every error what ``nirdeploy.errors`` says, and leaves none out."""

from __future__ import annotations

import inspect
from pathlib import Path

from nirdeploy import errors
from nirdeploy.cli import entry, ui

DOCUMENT = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOCUMENT.splitlines() if line.startswith("|")]


def classes() -> list[type[errors.NirdeployError]]:
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.NirdeployError) and kind is not errors.NirdeployError
    ]


def test_every_error_is_documented_as_it_is() -> None:
    documented = {row[0]: row[1:4] for row in ROWS if len(row) == 5 and row[0].startswith("E")}
    assert documented == {
        kind.code: [f"`{kind.__name__}`", str(kind.exit_code), " ".join((kind.__doc__ or "").split())]
        for kind in classes()
    }


def test_every_exit_code_is_documented() -> None:
    documented = {int(row[0]) for row in ROWS if len(row) == 2 and row[0].isdigit()}
    special = {0, ui.NOT_EQUAL, entry._Interrupted.exit_code, entry._Ended.exit_code, entry._BROKEN_PIPE}
    assert documented == {kind.exit_code for kind in classes()} | special


def test_codes_are_unique_and_begin_with_their_exit_code() -> None:
    found = [kind.code for kind in classes()]
    assert len(set(found)) == len(found)
    assert all(kind.code.startswith(f"E{kind.exit_code}") for kind in classes())
