"""nirrepair: what can mean one thing only is repaired and said; the rest is refused; good files stay as they are."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from nirdeploy.errors import GraphError, ModelFileError
from nirdeploy.graph import checksum, primitives
from nirdeploy.graph import file as nirfile
from nirdeploy.graph import repair as nirrepair
from nirdeploy.graph.extension import ConvTranspose2d, MaxPool2d, file_type
from tests.unit.graph.test_file import assert_same_values

DATA = Path(os.environ.get("NIRDEPLOY_DATA", Path(__file__).parents[4] / "shared" / "data"))
PAPER = DATA / "nir_paper"
N = np.array([1.0, 2.0, 3.0])
IMAGE = np.array([2, 6, 6])
W2D, W1D = np.ones((4, 2, 3, 3)), np.ones((4, 2, 3))
PAIR = (np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))


def inp(*shape: int) -> nir.Input:
    return nir.Input({"input": np.array(shape)})


def out(*shape: int) -> nir.Output:
    return nir.Output({"output": np.array(shape)})


def lif(value: Any = N) -> nir.LIF:
    return nir.LIF(tau=value, r=value, v_leak=value, v_threshold=value, v_reset=value)


def graph(edges: list[tuple[str, str]] | None = None, **nodes: nir.NIRNode) -> nir.NIRGraph:
    """The nodes in a row, unless the edges say otherwise."""
    return nir.NIRGraph(nodes, edges or list(pairwise(nodes)), type_check=False)


def repaired(found: nir.NIRGraph) -> list[str]:
    return nirrepair.recorded(found)


def assert_equal_graphs(found: nir.NIRGraph, expected: nir.NIRGraph) -> None:
    assert sorted(found.nodes) == sorted(expected.nodes)
    assert sorted(found.edges) == sorted(map(tuple, expected.edges))
    assert found.metadata == expected.metadata
    for name, node in expected.nodes.items():
        other = found.nodes[name]
        assert type(other) is type(node)
        if isinstance(node, nir.NIRGraph):
            assert_equal_graphs(other, node)
        else:
            assert_same_values(_arrays(other.to_dict()), _arrays(node.to_dict()))


def _arrays(values: dict[str, Any]) -> dict[str, Any]:
    """Tuples and numbers come back from HDF5 as arrays and numpy's numbers."""
    return {k: v if isinstance(v, (str, dict)) else np.asarray(v) for k, v in values.items()}


PRIMITIVES: dict[str, nir.NIRGraph] = {
    "Affine": graph(i=inp(3), n=nir.Affine(np.ones((2, 3)), np.zeros(2)), o=out(2)),
    "AvgPool2d": graph(i=inp(2, 6, 6), n=nir.AvgPool2d(*PAIR), o=out(2, 3, 3)),
    "Conv1d": graph(i=inp(2, 6), n=nir.Conv1d(6, W1D, 1, 0, 1, 1, np.zeros(4)), o=out(4, 4)),
    "Conv1d same": graph(i=inp(2, 6), n=nir.Conv1d(6, W1D, 1, "same", 1, 1, np.zeros(4)), o=out(4, 6)),
    "Conv2d": graph(i=inp(2, 6, 6), n=nir.Conv2d((6, 6), W2D, 1, 0, 1, 1, np.zeros(4)), o=out(4, 4, 4)),
    "Conv2d valid": graph(i=inp(2, 6, 6), n=nir.Conv2d((6, 6), W2D, 1, "valid", 1, 1, np.zeros(4)), o=out(4, 4, 4)),
    "Conv2d oblong": graph(
        i=inp(4, 6, 8),
        n=nir.Conv2d((6, 8), np.ones((4, 2, 3, 5)), (1, 2), (1, 2), (1, 1), 2, np.zeros(4)),
        o=out(4, 6, 4),
    ),
    "ConvTranspose2d": graph(
        i=inp(2, 3, 3),
        n=ConvTranspose2d(
            np.ones((2, 4, 2, 2)), IMAGE[1:] // 3, 0 * PAIR[0], 0 * PAIR[0], PAIR[0] // 2, 1, np.zeros(4)
        ),
        o=out(4, 6, 6),
    ),
    "CubaLI": graph(i=inp(3), n=nir.CubaLI(tau_syn=N, tau_mem=N, r=N, v_leak=N, w_in=N), o=out(3)),
    "CubaLIF": graph(
        i=inp(3), n=nir.CubaLIF(tau_syn=N, tau_mem=N, r=N, v_leak=N, v_threshold=N, v_reset=N, w_in=N), o=out(3)
    ),
    "Delay": graph(i=inp(3), n=nir.Delay(N), o=out(3)),
    "Flatten": graph(i=inp(2, 6, 6), n=nir.Flatten({"input": IMAGE}, 0, -1), o=out(72)),
    "Flatten behind the first": graph(i=inp(2, 6, 6), n=nir.Flatten({"input": IMAGE}, 1, 2), o=out(2, 36)),
    "I": graph(i=inp(3), n=nir.I(N), o=out(3)),
    "IF": graph(i=inp(3), n=nir.IF(r=N, v_threshold=N, v_reset=N), o=out(3)),
    "Input and Output": graph(i=inp(3), o=out(3)),
    "LI": graph(i=inp(3), n=nir.LI(tau=N, r=N, v_leak=N), o=out(3)),
    "LIF": graph(i=inp(3), n=lif(), o=out(3)),
    "LIF of one number": graph(i=inp(3), n=lif(np.float64(1)), o=out(3)),
    "Linear": graph(i=inp(3), n=nir.Linear(np.ones((2, 3))), o=out(2)),
    "MaxPool2d": graph(i=inp(2, 6, 6), n=MaxPool2d(*PAIR), o=out(2, 3, 3)),
    "NIRGraph": graph(i=inp(3), n=graph(i=inp(3), n=lif(), o=out(3)), o=out(3)),
    "NIRGraph by path": graph([("i", "n.n"), ("n.n", "o")], i=inp(3), n=graph([("n", "n")], n=lif()), o=out(3)),
    "Scale": graph(i=inp(3), n=nir.Scale(N), o=out(3)),
    "SumPool2d": graph(i=inp(2, 6, 6), n=nir.SumPool2d(*PAIR), o=out(2, 3, 3)),
    "Threshold": graph(i=inp(3), n=nir.Threshold(N), o=out(3)),
}


@pytest.mark.parametrize("kind", PRIMITIVES)
def test_every_primitive_comes_back_unchanged(kind: str, tmp_path: Path) -> None:
    written = PRIMITIVES[kind]
    written.nodes["o"].metadata = {"note": "kept", "deep": {"er": 3}}
    nirfile.write(tmp_path / "m.nir", written)
    found = nirfile.read(tmp_path / "m.nir")
    assert_equal_graphs(found, written)
    assert not repaired(found)


def test_all_primitives_are_there() -> None:
    assert {file_type(type(n)) for g in PRIMITIVES.values() for n in g.nodes.values()} == {
        "NIRGraph", *primitives.TABLE,
    }  # fmt: skip


# --- files of the NIR paper -----------------------------------------------------------


def paper(name: str) -> Path:
    if not PAPER.is_dir():
        pytest.skip(f"the files of the NIR paper are not in {PAPER}; set NIRDEPLOY_DATA to the folder above them")
    return PAPER / name


@pytest.mark.parametrize(
    "name", ["braille_noDelay_bias_zero", "braille_noDelay_noBias_subtract", "cnn_sinabs", "lif_norse"]
)
def test_the_papers_good_files_are_read_as_nir_reads_them(name: str) -> None:
    path = paper(f"{name}.nir")
    found = nirfile.read(path)
    assert_equal_graphs(found, nir.read(str(path), type_check=False))
    assert not repaired(found)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lif_rockpool", "node 'output': its shape is (1, 1, 1), read as (1,), that '1_LIFNeuronTorch' gives"),
        ("braille_noDelay_bias_zero_subgraph", "subgraph 'lif1': its edges call the node 'lif1' 'lif', read as 'lif1'"),
    ],
)
def test_the_papers_broken_files_are_read_and_the_repair_said(name: str, said: str, tmp_path: Path) -> None:
    path = paper(f"{name}.nir")
    with pytest.raises(ValueError, match=r"type mismatch|does not exist"):
        nir.read(str(path))
    found = nirfile.read(path)
    assert repaired(found) == [said]
    nirfile.write(tmp_path / "again.nir", found)
    nir.read(str(tmp_path / "again.nir"))
    assert_equal_graphs(nirfile.read(tmp_path / "again.nir"), found)


# --- shapes ---------------------------------------------------------------------------

FC = nir.Linear(np.ones((3, 4)))


def bare(node: Any) -> Any:
    """Without the shape that nir would ask for."""
    if isinstance(node, nir.Conv2d):
        return nir.Conv2d(None, node.weight, node.stride, node.padding, node.dilation, node.groups, node.bias)
    return nir.Conv1d(None, node.weight, node.stride, node.padding, node.dilation, node.groups, node.bias)


@pytest.mark.parametrize(
    ("given", "node", "shape"),
    [
        (graph(i=inp(1, 1, 4), fc=FC, o=out(3)), "i", (4,)),
        (graph(i=inp(10, 4), fc=FC, o=out(3)), "i", (4,)),
        (graph(i=nir.Input({"input": None}), fc=FC, o=out(3)), "i", (4,)),
        (graph(i=nir.Input({"input": None}), n=lif(), o=out(3)), "i", (3,)),
        (graph(i=inp(1, 2, 6, 6), c=PRIMITIVES["Conv2d"].nodes["n"], o=out(4, 4, 4)), "i", (2, 6, 6)),
        (graph(i=inp(1, 2, 6, 6), c=bare(PRIMITIVES["Conv2d"].nodes["n"]), o=out(4, 4, 4)), "i", (2, 6, 6)),
        (graph(i=inp(4), fc=FC, o=out(1, 1, 3)), "o", (3,)),
        (graph(i=inp(4), fc=FC, o=out(100, 1, 3)), "o", (3,)),
        (graph(i=inp(4), fc=FC, o=nir.Output({"output": None})), "o", (3,)),
        (graph(i=inp(1), n=lif(np.ones(1)), o=out(1, 1, 1)), "o", (1,)),
        (graph(i=inp(2, 6, 6), p=nir.SumPool2d(*PAIR), o=out(1, 2, 3, 3)), "o", (2, 3, 3)),
    ],
)
def test_a_declared_shape_is_repaired(given: nir.NIRGraph, node: str, shape: tuple[int, ...]) -> None:
    found, repairs = nirrepair.shapes(given)
    assert tuple(found.nodes[node].output_type["output"]) == shape
    assert tuple(found.nodes[node].input_type["input"]) == shape
    assert f"node {node!r}: its shape is" in repairs[0]


def test_the_graph_given_is_not_changed() -> None:
    given = graph(i=inp(4), fc=FC, o=out(1, 1, 3))
    nirrepair.shapes(given)
    assert tuple(given.nodes["o"].output_type["output"]) == (1, 1, 3)


def test_subgraphs_are_repaired_from_outside_and_inside() -> None:
    missing_in, missing_out = nir.Input({"input": None}), nir.Output({"output": None})
    inner = graph(i=missing_in, n=lif(), o=missing_out)
    found, repairs = nirrepair.shapes(graph(i=inp(4), fc=FC, sub=inner, fc2=nir.Linear(np.ones((2, 3))), o=out(2)))
    assert tuple(found.nodes["sub"].nodes["i"].input_type["input"]) == (3,)
    assert tuple(found.nodes["sub"].output_type["o"]) == (3,)
    assert [line.split(":")[0] for line in repairs] == ["node 'sub.i'", "node 'sub.o'"]


def test_what_convolutions_and_flatten_leave_out_follows_from_the_input() -> None:
    conv, line = PRIMITIVES["Conv2d"].nodes["n"], PRIMITIVES["Conv1d"].nodes["n"]
    found, repairs = nirrepair.shapes(
        graph(i=inp(2, 6, 6), c=bare(conv), p=nir.AvgPool2d(*PAIR), f=nir.Flatten(None, 0, -1), o=out(16))
    )
    assert tuple(found.nodes["c"].input_shape) == (6, 6)
    assert tuple(found.nodes["f"].input_type["input"]) == (4, 2, 2)
    assert len(repairs) == 2
    found, repairs = nirrepair.shapes(graph(i=inp(2, 6), c=bare(line), o=out(4, 4)))
    assert found.nodes["c"].input_shape == 6
    assert len(repairs) == 1


def test_a_flatten_that_counts_the_batch() -> None:
    given = graph(i=inp(2, 6, 6), f=nir.Flatten({"input": np.array([1, 2, 6, 6])}, 1, -1), o=out(72))
    found, repairs = nirrepair.shapes(given)
    assert (found.nodes["f"].start_dim, found.nodes["f"].end_dim) == (0, -1)
    assert tuple(found.nodes["f"].output_type["output"]) == (72,)
    assert len(repairs) == 1


@pytest.mark.parametrize(
    "given",
    [
        graph(i=inp(5), fc=FC, o=out(3)),  # check says what does not fit
        graph(i=inp(28, 28, 1), n=lif(np.ones(1)), o=out(28, 28, 1)),  # one value for all neurons
        graph(i=inp(4), n=lif(np.float64(1)), o=out(4)),
        graph([("i", "l"), ("l", "r"), ("r", "l"), ("l", "o")], i=inp(3), l=lif(), r=nir.Linear(np.eye(3)), o=out(3)),
    ],
)
def test_what_is_not_certain_is_left(given: nir.NIRGraph) -> None:
    found, repairs = nirrepair.shapes(given)
    assert found is given
    assert not repairs


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (graph(i=inp(4), fc=FC, o=out(5)), "edge 'fc' -> 'o': 'o' (Output) declares the shape (5,), 'fc' gives (3,)"),
        (graph(i=inp(2, 5, 6), c=PRIMITIVES["Conv2d"].nodes["n"], o=out(4, 3, 4)), "edge 'i' -> 'c'"),
        (graph(i=inp(2, 6, 6), f=nir.Flatten({"input": np.array([2, 5, 6])}, 0, -1), o=out(60)), "edge 'i' -> 'f'"),
        (graph(i=nir.Input({"input": None}), s=lif(np.float64(1)), o=out(3)), "'i' (Input) has no parameter 'shape'"),
        (
            graph([("i", "a"), ("i", "b")], i=nir.Input({"input": None}), a=FC, b=nir.Linear(np.ones((3, 5)))),
            "'i' (Input) has no parameter 'shape'",
        ),
    ],
)
def test_contradictions_are_refused_by_name(given: nir.NIRGraph, said: str) -> None:
    with pytest.raises(GraphError) as caught:
        nirrepair.shapes(given)
    assert said in str(caught.value)


# --- edges and parameters -------------------------------------------------------------


def test_edges_written_twice_are_read_once() -> None:
    nodes = {"i": inp(3), "o": out(3)}
    assert nirrepair.edges([("i", "o")] * 3, nodes, "the graph") == (
        [("i", "o")],
        ["the graph: edge 'i' -> 'o' stands there 3 times, read once"],
    )


def test_an_edge_may_name_a_subgraph_or_a_node_in_it() -> None:
    nodes = {"i": inp(3), "sub": graph(i=inp(3), n=lif(), o=out(3)), "o": out(3)}
    pairs = [("i", "sub"), ("sub.n", "o")]
    assert nirrepair.edges(pairs, nodes, "the graph") == (pairs, [])


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["i", "lif1", "o"], [("i", "gone"), ("gone", "o")]),  # another name altogether
        (["i", "lif1", "lif2", "o"], [("i", "lif"), ("lif", "o")]),  # one of two
        (["i", "lif1", "o"], [("i", "lif"), ("lif1", "o")]),  # the likely one has edges
        (["i", "lif", "o"], [("i", "lif1"), ("lif2", "o")]),  # two names
    ],
)
def test_an_edge_to_nowhere_is_refused(names: list[str], pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(GraphError, match="which does not exist"):
        nirrepair.edges(pairs, {name: lif() for name in names}, "the graph")


def test_single_numbers_are_spread_and_said(tmp_path: Path) -> None:
    nirfile.write(tmp_path / "m.nir", PRIMITIVES["LIF"])
    with h5py.File(tmp_path / "m.nir", "r+") as file:
        del file[checksum.NAME], file["node/nodes/n/tau"]
        file["node/nodes/n/tau"] = 0.5
    found = nirfile.read(tmp_path / "m.nir")
    np.testing.assert_array_equal(found.nodes["n"].tau, np.full(3, 0.5))
    assert repaired(found) == ["node 'n' (LIF): tau given once, taken for all of shape (3,)"]


def test_a_strangers_list_of_repairs_is_shown_printable() -> None:
    assert nirrepair.recorded(nir.NIRGraph({}, [], metadata={nirrepair.METADATA_KEY: "a\x1b[2J\nb"})) == ["a?[2J", "b"]


def test_a_file_without_a_version_is_read_and_one_of_the_future_is_not(tmp_path: Path) -> None:
    nirfile.write(tmp_path / "m.nir", PRIMITIVES["LIF"])
    with h5py.File(tmp_path / "m.nir", "r+") as file:
        del file[checksum.NAME], file["version"]
    nirfile.read(tmp_path / "m.nir")
    with h5py.File(tmp_path / "m.nir", "r+") as file:
        file["version"] = "2.0"
    with pytest.raises(ModelFileError, match="NIR version 2, this reads up to"):
        nirfile.read(tmp_path / "m.nir")
