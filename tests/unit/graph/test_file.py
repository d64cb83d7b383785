"""nirfile: what is written is what is read, in nir's own format, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.errors import GraphError, ModelFileError, ModelFileTimeout, UsageProblem
from nirdeploy.graph import checksum
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.unfolded import as_nir
from nirdeploy.records import hdf5, hdf5child
from tests import networks
from tests.conftest import examples

# HDF5 holds no NUL inside text, and no lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = TEXT.filter(lambda name: name not in ("", ".", "..") and "/" not in name)
METADATA = st.dictionaries(NAMES, TEXT | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False), max_size=3)


def assert_same(found: nir.NIRGraph, expected: nir.NIRGraph) -> None:
    assert set(found.nodes) == set(expected.nodes)
    assert set(found.edges) == set(expected.edges)
    assert found.metadata == expected.metadata
    for name, node in expected.nodes.items():
        other = found.nodes[name]
        assert type(other) is type(node)
        assert other.metadata == node.metadata
        assert_same_values(other.to_dict(), node.to_dict())


def assert_same_values(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(found) == set(expected)
    for key, value in expected.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(found[key], value)
            assert found[key].dtype == value.dtype
        else:
            assert found[key] == value


@pytest.mark.law
@settings(max_examples=examples(15))
@given(graph=networks.graphs(max_size=8), metadata=METADATA, node_metadata=METADATA)
def test_round_trip(
    graph: CheckedGraph,
    metadata: dict[str, Any],
    node_metadata: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    written = as_nir(graph)
    written.metadata = written.metadata | metadata
    written.nodes[graph.populations[-1].name].metadata = node_metadata
    path = tmp_path_factory.mktemp("nir") / "m.nir"
    nirfile.write(path, written)
    assert_same(nirfile.read(path), written)


@settings(max_examples=examples(10))
@given(name=NAMES)
def test_any_name_round_trips(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = networks.two_layers(sizes=(2, 3, 2))
    graph.nodes[name] = graph.nodes.pop("lif1")
    graph.edges = [(name if a == "lif1" else a, name if b == "lif1" else b) for a, b in graph.edges]
    path = tmp_path_factory.mktemp("nir") / "m.nir"
    nirfile.write(path, graph)
    assert_same(nirfile.read(path), graph)


def test_nir_reads_what_we_write_and_we_read_what_nir_writes(tmp_path: Path) -> None:
    graph = networks.two_layers()
    nirfile.write(tmp_path / "ours.nir", graph)
    nir.write(str(tmp_path / "theirs.nir"), graph)
    assert_same(nir.read(str(tmp_path / "ours.nir"), type_check=False), graph)
    assert_same(nirfile.read(tmp_path / "theirs.nir"), graph)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.int64, np.bool_])
def test_number_types_are_kept(tmp_path: Path, kind: type[np.generic]) -> None:
    graph = networks.two_layers(sizes=(2, 2, 2))
    graph.nodes["fc1"] = nir.Linear(np.array([[1, 0], [0, 1]], dtype=kind))
    nirfile.write(tmp_path / "m.nir", graph)
    assert nirfile.read(tmp_path / "m.nir").nodes["fc1"].weight.dtype == kind


def test_nodes_beyond_this_version_are_read_too(tmp_path: Path) -> None:
    """check decides what is supported; the reader knows all of NIR."""
    ones = np.ones(2)
    nodes: dict[str, nir.NIRNode] = {
        "input": nir.Input({"input": np.array([1, 8, 8])}),
        "conv": nir.Conv2d((8, 8), np.ones((2, 1, 3, 3)), 1, 0, 1, 1, np.zeros(2)),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([2, 3, 3])}, 0, -1),
        "cuba": nir.CubaLIF(ones, ones, ones, ones, ones, ones),
        "scale": nir.Scale(ones),
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = list(pairwise(nodes))
    nirfile.write(tmp_path / "m.nir", nir.NIRGraph(nodes, edges, type_check=False))
    assert {type(node).__name__ for node in nirfile.read(tmp_path / "m.nir").nodes.values()} == {
        "Input", "Conv2d", "SumPool2d", "Flatten", "CubaLIF", "Scale", "Output",
    }  # fmt: skip


def test_a_subgraph_is_read_as_one(tmp_path: Path) -> None:
    inner = networks.two_layers(sizes=(2, 3, 2))
    nodes = {
        "input": nir.Input({"input": np.array([2])}),
        "inner": inner,
        "output": nir.Output({"output": np.array([2])}),
    }
    outer = nir.NIRGraph(nodes, [("input", "inner"), ("inner", "output")], type_check=False)
    nirfile.write(tmp_path / "m.nir", outer)
    found = nirfile.read(tmp_path / "m.nir").nodes["inner"]
    assert_same(found, inner)


def test_a_missing_v_reset_is_zero(tmp_path: Path) -> None:
    nirfile.write(tmp_path / "m.nir", networks.two_layers(sizes=(2, 3, 2)))
    with h5py.File(tmp_path / "m.nir", "r+") as file:
        del file[checksum.NAME], file["node/nodes/lif1/v_reset"]
    np.testing.assert_array_equal(nirfile.read(tmp_path / "m.nir").nodes["lif1"].v_reset, np.zeros(3))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.nir"
    nirfile.write(path, networks.two_layers(sizes=(2, 3, 2)))
    before = path.read_bytes()
    bad = networks.two_layers(sizes=(2, 3, 2))
    bad.nodes["a/b"] = bad.nodes["lif1"]
    with pytest.raises(GraphError, match="'a/b'"):
        nirfile.write(path, bad)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.nir"]


@pytest.mark.parametrize("value", [None, object(), [1, "two", None]])
def test_a_value_no_file_can_hold_is_refused(tmp_path: Path, value: object) -> None:
    graph = networks.two_layers(sizes=(2, 3, 2))
    graph.metadata["note"] = value
    with pytest.raises(GraphError, match="holds a value that a NIR file cannot"):
        nirfile.write(tmp_path / "m.nir", graph)
    assert not list(tmp_path.iterdir())


def test_a_reader_that_dies_or_hangs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.nir"
    nirfile.write(path, networks.two_layers(sizes=(2, 3, 2)))
    child = tmp_path / "child.py"
    monkeypatch.setattr(hdf5child, "__file__", str(child))
    child.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ModelFileError, match="crashed the reader"):
        nirfile.read(path)
    child.write_text("import time; time.sleep(3600)")
    monkeypatch.setattr(hdf5, "_WALL_PER_CPU", 0.01)
    with pytest.raises(ModelFileError, match="took more than"):
        nirfile.read(path)


#: A child that never comes to an end, under the limits of the real one.
ENDLESS = """
import sys
sys.path.insert(0, {folder!r})
import hdf5child
hdf5child.limit(int(sys.argv[2]))
while True:
    pass
"""


def test_processor_time_that_runs_out_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said against the file, and a little time is as much as was asked for."""
    path, child = tmp_path / "m.nir", tmp_path / "child.py"
    nirfile.write(path, networks.two_layers(sizes=(2, 3, 2)))
    child.write_text(ENDLESS.format(folder=str(Path(hdf5child.__file__).parent)))
    monkeypatch.setattr(hdf5child, "__file__", str(child))
    monkeypatch.setattr(hdf5, "_WALL_PER_CPU", 1_000)  # the wall clock has no part in this
    monkeypatch.setenv("NIRDEPLOY_READ_SECONDS", "1")
    with pytest.raises(ModelFileTimeout, match="more than 1 s of processor time") as caught:
        nirfile.read(path)
    assert "NIRDEPLOY_READ_SECONDS" in caught.value.hint
    assert caught.value.code == "E305"
    assert "damaged" not in str(caught.value)
    assert "hostile" not in str(caught.value)


def test_a_large_file_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIRDEPLOY_READ_SECONDS", raising=False)
    assert hdf5._seconds(1 << 30) == hdf5._seconds(0) + 256
    assert hdf5._seconds(200_000_000_000) == hdf5._seconds(1 << 30)  # a sparse file says any size
    monkeypatch.setenv("NIRDEPLOY_READ_SECONDS", "7")
    assert hdf5._seconds(1 << 30) == hdf5._seconds(0) == 7


@pytest.mark.parametrize("text", ["soon", "-1", "0", "1.5", "nan", "1000001", "9" * 5000, "1 s"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    nirfile.write(tmp_path / "m.nir", networks.two_layers(sizes=(2, 3, 2)))
    monkeypatch.setenv("NIRDEPLOY_READ_SECONDS", text)
    with pytest.raises(UsageProblem, match="NIRDEPLOY_READ_SECONDS is .* whole number of seconds from 1 to 1000000"):
        nirfile.read(tmp_path / "m.nir")


def test_a_system_that_allows_less_is_obeyed(tmp_path: Path) -> None:
    """Hard limits below ours are no reason to fail."""
    path = tmp_path / "m.nir"
    nirfile.write(path, networks.two_layers(sizes=(2, 3, 2)))
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (600, 600))\n"
        "from nirdeploy.graph import file as nirfile\n"
        f"print(len(nirfile.read({str(path)!r}).nodes))\n"
    )
    environment = os.environ | {"NIRDEPLOY_READ_SECONDS": "1000"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout, done.returncode) == ("6\n", 0), done.stderr


def test_the_parent_opens_no_hdf5(tmp_path: Path) -> None:
    """Reading goes through the child alone: this process never hands the file to h5py."""
    path = tmp_path / "m.nir"
    nirfile.write(path, networks.two_layers(sizes=(2, 3, 2)))
    code = (
        "import h5py, sys\n"
        "def refuse(*a, **k): raise SystemExit('opened here')\n"
        "h5py.File.__init__ = refuse\n"
        "from nirdeploy.graph import file as nirfile\n"
        f"print(len(nirfile.read({str(path)!r}).nodes))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("6\n", 0), done.stderr


def test_a_reader_that_says_more_than_a_file_holds_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, child = tmp_path / "m.nir", tmp_path / "child.py"
    nirfile.write(path, networks.two_layers(sizes=(2, 3, 2)))
    monkeypatch.setattr(hdf5child, "__file__", str(child))
    monkeypatch.setattr(hdf5, "_MOST_SENT", 1 << 21)
    child.write_text("import sys\nwhile True: sys.stdout.buffer.write(bytes(1 << 20))")
    with pytest.raises(ModelFileError, match="gives more than the file may hold"):
        nirfile.read(path)
    child.write_text("import sys\nwhile True: sys.stderr.buffer.write(bytes(1 << 20))")
    with pytest.raises(ModelFileError, match="crashed the reader"):
        nirfile.read(path)
