"""Every ``--json`` output is what its published schema (docs/reference/schemas) says, key by key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nirdeploy.cli.entry import _COMMANDS
from tests.docs import published
from tests.docs.pages import ROOT, Block
from tests.docs.reader import Warm, copied, reading

pytestmark = pytest.mark.xdist_group("docs")

#: A schema, and the commands whose output it says; in this order, in one folder.
COMMANDS: list[tuple[str, str]] = [
    ("targets", "nirdeploy targets --json"),
    ("export", "nirdeploy export net.py:model --input-shape 16,1,64 -o again.nir --json"),
    ("check", "nirdeploy check net.nir --json"),
    ("check", "nirdeploy check net.nir -t fpga --bits lif1=4 --json"),
    ("check", "nirdeploy check net.nir --input-range=-1:1 --input-bits 4 --json"),
    ("simulate", "nirdeploy simulate net.nir x.npz -o float.nird --membrane lif1 --json"),
    ("estimate", "nirdeploy estimate net.nir --json"),
    ("build", "nirdeploy build net.nir -o few --bits lif1=4,lif2=8 --calibrate samples.npz --json"),
    ("build", "nirdeploy build net.nir -o build --json"),
    ("build", "nirdeploy build net.nir -t loihi2 -o chip --json"),
    ("board-start", "nirdeploy board start shelf --json"),
    ("board-list", "nirdeploy board list --json"),
    ("flash", "nirdeploy flash build -p shelf --json"),
    ("run", "nirdeploy run build x.npz -p shelf -o run.nird --json"),
    ("run", "nirdeploy run build x.npz -p shelf -o tally.nird --tally count,first --json"),
    ("info", "nirdeploy info -p shelf --json"),
    ("board-stop", "nirdeploy board stop shelf --json"),
    ("info", "nirdeploy info build --json"),
    ("info", "nirdeploy info run.nird --json"),
    ("info", "nirdeploy info build/image.ndi --json"),
    ("verify", "nirdeploy verify build run.nird -x x.npz --json"),
    ("verify", "nirdeploy verify run.nird run.nird --json"),
    ("verify", "nirdeploy verify build -x x.npz -p sim --chunk 4 --json || true"),
    ("run", "nirdeploy run few x.npz -p sim -o few.nird --json"),
    ("verify", "nirdeploy verify build few.nird -x x.npz --json || true"),
    ("evaluate", "nirdeploy evaluate build -x x.npz -p sim --metrics --json"),
    ("evaluate", "nirdeploy evaluate run.nird --labels x.npz --json"),
    ("evaluate", "nirdeploy evaluate build -x x.npz -p sim --chunk 4 --json"),
    ("stimulus", "nirdeploy stimulus build -o made.npz --rounds 2 --samples 8 --steps 8 --json"),
    ("sweep", "nirdeploy sweep net.nir -x x.npz -o sweep --workers 1 --json"),
    ("regress-record", "nirdeploy regress record golden.nird run.nird --json"),
    ("regress-check", "nirdeploy regress check golden.nird run.nird --json"),
    ("regress-update", "nirdeploy regress update golden.nird few.nird --reason other --json"),
    ("stream", "nirdeploy stream build -x x.npz -p sim -o stream.nird --json"),
    ("view", "nirdeploy view run.nird --no-open --json"),
    ("doctor", "nirdeploy doctor --json"),
    ("bitstream", "nirdeploy bitstream --board fpga-arty-a7 -o arty --json"),
    ("error", "nirdeploy check nothing.nir --json || true"),
    ("error", "nirdeploy build net.nir -t xylo_a2 --json || true"),
    ("error", "nirdeploy build --nothing --json || true"),
]


def test_what_commands_print_is_what_is_published(files: Path, warm: Warm, tmp_path: Path) -> None:
    (tmp_path / "keeps").mkdir()
    wrong = []
    with reading(copied(files, tmp_path / "page"), tmp_path / "keeps", warm) as reader:
        for schema, command in COMMANDS:
            reader.does(Block("test_json.py", 1, "bash", "", f"({command}) 2> err || (cat err; false)\n"))
            try:
                published.validate(_strict(reader.said), schema, command)
            except AssertionError as error:
                wrong.append(str(error))
    assert not wrong, "\n\n".join(wrong)


def _strict(text: str) -> Any:
    """One JSON object and nothing else, without what JSON does not have."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", published.schemas())
def test_a_schema_says_everything(name: str) -> None:
    """It is a schema, each of its properties has a description, and no object has keys that it leaves open."""
    schema = published.schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    for where, part in _parts(schema, name):
        if part.get("type") == "object":
            assert "additionalProperties" in part, f"{where}: may there be others?"


def _parts(part: Any, where: str) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        return [found for index, one in enumerate(part) for found in _parts(one, f"{where}/{index}")]
    if not isinstance(part, dict):
        return []
    return [(where, part), *(found for key, one in part.items() for found in _parts(one, f"{where}/{key}"))]


def test_every_schema_is_listed_and_every_command_has_one() -> None:
    page = (ROOT / "docs" / "reference" / "json.md").read_text()
    assert sorted(set(re.findall(r"\(schemas/([\w-]+)\.json\)", page))) == sorted(published.schemas())
    without = {"worker", "board", "regress"}  # which prints no result, and which are groups
    assert not [name for name in _COMMANDS if name not in without and name not in published.schemas()]
