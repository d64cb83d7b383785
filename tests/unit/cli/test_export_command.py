"""``nirdeploy export``: the user's network, and every way in which that can go wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nirdeploy import check
from tests.unit.cli.conftest import Cli

NET = """
import torch
from torch import nn
from nirdeploy.exchange.modules import LIF
from layers import hidden

net = nn.Sequential(nn.Linear(4, hidden), LIF(tau=8e-3, r=8.0, dt=1e-3))

def factory():
    return net

def fails():
    raise ValueError("no data")

def leaves():
    raise SystemExit(0)

number = 3
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "layers.py").write_text("hidden = 3\n")
    path = tmp_path / "usernet.py"
    path.write_text(NET)
    return path


@pytest.mark.parametrize("attribute", ["net", "factory"])
def test_exports_a_module_or_what_a_function_gives(cli: Cli, source: Path, tmp_path: Path, attribute: str) -> None:
    done = cli("export", f"{source}:{attribute}", "--input-shape", "1,1,4", "-o", tmp_path / "m.nir", "--json")
    assert done.code == 0
    assert done.json["command"] == "export"
    assert sorted(done.json["nodes"].values()) == ["Affine", "Input", "LIF", "Output"]
    graph = check(tmp_path / "m.nir")
    assert [p.size for p in graph.populations] == [4, 3]
    assert graph.dialect.dt == 1e-3


def test_the_users_folder_leaves_the_path_again(cli: Cli, source: Path, tmp_path: Path) -> None:
    before = list(sys.path)
    cli("export", f"{source}:net", "--input-shape", "1,1,4", "-o", tmp_path / "m.nir")
    assert sys.path == before


def test_records_the_dialect_of_the_neurons(cli: Cli, source: Path, tmp_path: Path) -> None:
    source.write_text(NET.replace("dt=1e-3)", "dt=1e-3, dialect='spikingjelly')"))
    cli("export", f"{source}:net", "--input-shape", "1,1,4", "-o", tmp_path / "m.nir")
    graph = check(tmp_path / "m.nir")
    assert (graph.dialect.preset, graph.dialect.threshold, graph.dialect_source) == ("spikingjelly", ">=", "metadata")


@pytest.mark.parametrize(
    ("spec", "shape", "code", "said"),
    [
        ("usernet.py", "1,1,4", "E201", ["does not name an attribute", "MODULE.PY:ATTRIBUTE"]),
        ("usernet.py:", "1,1,4", "E201", ["does not name an attribute"]),
        ("nowhere.py:net", "1,1,4", "E201", ["no such Python file", "nowhere.py"]),
        ("usernet.py:nte", "1,1,4", "E201", ["no attribute 'nte'", "modules in it: net"]),
        ("usernet.py:number", "1,1,4", "E206", ["'number' is a int", "torch.nn.Module"]),
        ("usernet.py:fails", "1,1,4", "E206", ["calling fails()", "ValueError: no data", "usernet.py:13"]),
        ("usernet.py:leaves", "1,1,4", "E206", ["calling leaves()", "SystemExit: 0", "usernet.py:16"]),
        ("usernet.py:net", "1,4", "E206", ["shape (1, 4)", "(T, B, ...)", "1, 1, 64"]),
        ("usernet.py:net", "1,1,5", "E206", ["shape (1, 1, 5)", "does not go through"]),
        ("usernet.py:net", "1,x", "E201", ["'1,x'", "1,64"]),
        ("usernet.py:net", "1,0,4", "E201", ["'1,0,4'"]),
    ],
)
def test_refuses(cli: Cli, source: Path, tmp_path: Path, spec: str, shape: str, code: str, said: list[str]) -> None:
    out = tmp_path / "m.nir"
    done = cli("export", source.parent / spec, "--input-shape", shape, "-o", out, "--json")
    assert done.code == 2
    assert done.json["error"]["code"] == code
    for text in said:
        assert text in done.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import nothing_of_that_name\n", ["ModuleNotFoundError", "nothing_of_that_name", "theirs.py:1"]),
        ("x = 1\ny = x / 0\n", ["ZeroDivisionError", "theirs.py:2"]),
        ("def f(:\n", ["SyntaxError", "theirs.py:1"]),
        ("import sys\nsys.exit(0)\n", ["SystemExit: 0", "theirs.py:2"]),
    ],
)
def test_says_where_the_users_code_failed(cli: Cli, tmp_path: Path, content: str, said: list[str]) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(content)
    done = cli("export", f"{path}:net", "--input-shape", "1,4", "-o", tmp_path / "m.nir")
    assert done.code == 2
    assert "Traceback" not in done.err
    for text in ("importing it failed", *said):
        assert text in done.err
