"""The house: imports go one way, no chip's name stands in the core, files and functions stay small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nirdeploy.targets import registry as targets

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "nirdeploy"
SOURCES = sorted(PACKAGE.rglob("*.py"))
REFERENCE = re.compile(r" *from nirdeploy\.backends\.fpga\b")


def test_the_house_has_at_most_fourteen_rooms() -> None:
    rooms = [path.name for path in PACKAGE.iterdir() if not path.name.startswith("__") and path.name != "py.typed"]
    assert len(rooms) <= 14, rooms


def test_only_the_command_line_imports_the_reference() -> None:
    found = {
        path.relative_to(PACKAGE).parts[0]
        for path in SOURCES
        if PACKAGE / "backends" / "fpga" not in path.parents
        and any(REFERENCE.match(line) for line in path.read_text().splitlines())
    }
    assert found == {"cli"}


def test_imports_keep_their_layers() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_chip_is_named_outside_the_backends() -> None:
    names = re.compile("|".join(map(re.escape, targets.names())), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        if "backends" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if names.search(line) and not ("cli" in path.parts and REFERENCE.match(line))
    ]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 420
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 90, f"{node.name} is too long"


def test_exactly_one_target_is_the_default() -> None:
    assert [name for name in targets.names() if targets.load(name).default] == [targets.default()]
    assert targets.load().name == targets.default()


@pytest.mark.parametrize("command", [["--help"], ["--version"]])
def test_help_needs_neither_torch_nor_numpy(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nirdeploy", *command], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"torch", "numpy", "h5py", "nir", "jinja2", "pydantic", "serial"}
