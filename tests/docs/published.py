"""The JSON schemas that docs/reference/schemas publishes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.docs.pages import ROOT

SCHEMAS = ROOT / "docs" / "reference" / "schemas"


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """All of them, by the names of their files."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.json"))}


def schema_of(data: dict[str, Any]) -> str:
    """The name of the schema of what a command printed with ``--json``."""
    return "error" if "error" in data else str(data["command"]).replace(" ", "-")


def validate(data: Any, name: str, where: str = "") -> None:
    """Raises where ``data`` is not what the schema ``name`` says, with all that is wrong."""
    registry: Registry[Any] = Registry().with_resources(
        (f"{other}.json", Resource.from_contents(schema)) for other, schema in schemas().items()
    )
    found = Draft202012Validator(schemas()[name], registry=registry).iter_errors(data)
    wrong = [f"{error.json_path}: {error.message[:300]}" for error in found]
    assert not wrong, "\n".join([f"{where} is not what {Path(name).name}.json says:", *wrong])
