"""Files from strangers: every one is refused in one clear sentence, or read correctly; nothing else is opened."""

from __future__ import annotations

import ctypes
import os
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from nirdeploy import cli
from nirdeploy.errors import DialectError, GraphError, ModelFileError, NirdeployError
from nirdeploy.graph import checksum
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check

SECRET = 424242.5
NODES = "node/nodes"

LIF = f"{NODES}/lif"
TAIL = (("lif", "output"),)

Edit = Callable[[h5py.File], Any]


def graph() -> nir.NIRGraph:
    """Input(4) -> Affine -> LIF(3) -> Output."""
    return nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([4])}),
            "fc": nir.Affine(np.arange(12.0).reshape(3, 4) / 8, np.array([0.5, -0.25, 0.0])),
            "lif": nir.LIF(
                tau=np.full(3, 0.02),
                r=np.ones(3),
                v_leak=np.zeros(3),
                v_threshold=np.ones(3),
                v_reset=np.zeros(3),
            ),
            "output": nir.Output({"output": np.array([3])}),
        },
        edges=[("input", "fc"), ("fc", "lif"), ("lif", "output")],
        type_check=False,
    )


def put(file: h5py.File, path: str, value: Any) -> None:
    """Replace whatever stands at ``path``."""
    if path in file:
        del file[path]
    file.create_dataset(path, data=value)


def edges(file: h5py.File, *pairs: tuple[str, str]) -> None:
    put(file, "node/edges", np.array(pairs, dtype=object))


def secret_file(folder: Path) -> Path:
    """A neighbour whose contents no model file may show."""
    path = folder / "secret.h5"
    with h5py.File(path, "w") as file:
        file["weight"] = np.full((3, 4), SECRET)
    return path


# --- what reaches out of the file -----------------------------------------------------


def external_storage(file: h5py.File) -> None:
    raw = Path(file.filename).with_name("secret.raw")
    np.full(12, SECRET).tofile(raw)
    del file[f"{NODES}/fc/weight"]
    file.create_dataset(f"{NODES}/fc/weight", (3, 4), "f8", external=[(str(raw), 0, 96)])


def external_storage_in_metadata(file: h5py.File) -> None:
    raw = Path(file.filename).with_name("secret.raw")
    raw.write_bytes(b"a password")
    file.create_dataset(f"{NODES}/fc/metadata/note", (10,), "u1", external=[(str(raw), 0, 10)])


def external_link(file: h5py.File) -> None:
    other = secret_file(Path(file.filename).parent)
    del file[f"{NODES}/fc/weight"]
    file[f"{NODES}/fc/weight"] = h5py.ExternalLink(str(other), "weight")


def external_link_as_node(file: h5py.File) -> None:
    file[f"{NODES}/spare"] = h5py.ExternalLink(str(secret_file(Path(file.filename).parent)), "/")


def soft_link(file: h5py.File) -> None:
    del file[f"{NODES}/fc/bias"]
    file[f"{NODES}/fc/bias"] = h5py.SoftLink("/node/nodes/lif/tau")


def dangling_soft_link(file: h5py.File) -> None:
    file[f"{NODES}/lost"] = h5py.SoftLink("/nowhere")


def virtual_dataset(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 4), "f8")
    layout[:] = h5py.VirtualSource(str(secret_file(Path(file.filename).parent)), "weight", (3, 4))
    del file[f"{NODES}/fc/weight"]
    file.create_virtual_dataset(f"{NODES}/fc/weight", layout)


# --- what is out of proportion --------------------------------------------------------


def huge_declared_shape(file: h5py.File) -> None:
    del file[f"{NODES}/fc/weight"]
    file.create_dataset(f"{NODES}/fc/weight", (1 << 20, 1 << 17), "f8", chunks=(1024, 1024))


def shape_beyond_64_bits(file: h5py.File) -> None:
    """2^65 numbers: none, where a product wraps around."""
    del file[f"{NODES}/fc/weight"]
    file.create_dataset(f"{NODES}/fc/weight", (1 << 33, 1 << 32), "u1", chunks=(1024, 1024))


def gzip_bomb(file: h5py.File) -> None:
    del file[f"{NODES}/fc/weight"]
    file.create_dataset(f"{NODES}/fc/weight", data=np.zeros((8192, 8192), "i8"), compression="gzip", compression_opts=1)


def many_declared_datasets(file: h5py.File) -> None:
    for i in range(130):
        file.create_dataset(f"node/metadata/pad{i}", (1 << 20,), "f8", chunks=(1 << 20,))


def deep_nesting(file: h5py.File) -> None:
    at = file["node"]
    for _ in range(2000):
        at = at.create_group("g")


def hard_link_cycle(file: h5py.File) -> None:
    file[f"{NODES}/again"] = file["node"]


def hard_link_tree(file: h5py.File) -> None:
    at = file["node"].create_group("metadata")
    for _ in range(20):
        below = at.create_group("a")
        at["b"] = below
        at = below


def many_objects(file: h5py.File) -> None:
    group = file["node"].create_group("metadata")
    leaf = group.create_group("leaf")
    for i in range(50_001):
        group[f"g{i}"] = leaf


def counted_before_visited(file: h5py.File) -> None:
    """The first of many names leads out of the file, but nobody goes there."""
    group = file["node"].create_group("metadata")
    group["a"] = h5py.ExternalLink("secret.h5", "/")
    for i in range(50_000):
        group[f"g{i}"] = file["node/nodes"]


def many_in_all(file: h5py.File) -> None:
    """No group has too many, all of them together have."""
    at = file["node"]
    for _ in range(3):
        at = at.create_group("a")
        for i in range(20_000):
            at[f"g{i}"] = h5py.SoftLink("/nowhere")


def unexpected_filter(file: h5py.File) -> None:
    del file[f"{NODES}/fc/weight"]
    file.create_dataset(f"{NODES}/fc/weight", data=np.zeros((3, 4)), compression="lzf", chunks=True)


# --- what is not numbers --------------------------------------------------------------


def complex_weight(file: h5py.File) -> None:
    put(file, f"{NODES}/fc/weight", np.ones((3, 4), dtype=complex))


def compound_weight(file: h5py.File) -> None:
    put(file, f"{NODES}/fc/weight", np.zeros((3, 4), dtype=[("a", "f4"), ("b", "f4")]))


def object_reference(file: h5py.File) -> None:
    del file[f"{NODES}/fc/weight"]
    file.create_dataset(f"{NODES}/fc/weight", data=file["node"].ref, dtype=h5py.ref_dtype)


def null_dataspace(file: h5py.File) -> None:
    put(file, f"{NODES}/fc/weight", h5py.Empty("f8"))


def named_type_as_node(file: h5py.File) -> None:
    file[f"{NODES}/kind"] = np.dtype("f8")


def name_is_not_utf8(file: h5py.File) -> None:
    h5py.h5g.create(file[NODES].id, b"\xff\xfe")


def text_bomb(file: h5py.File) -> None:
    """One long text among many short ones: an array gives every one of them its room."""
    texts = np.array(["x"] * 50_000 + ["y" * 100_000], dtype=object)
    file.create_dataset("node/metadata/texts", data=texts, dtype=h5py.string_dtype())


def type_is_not_utf8(file: h5py.File) -> None:
    put(file, f"{NODES}/lif/type", np.bytes_(b"\xff\xfe"))


REFUSED_BEFORE_READING: dict[Edit, str] = {
    external_storage: "another file",
    external_storage_in_metadata: "another file",
    external_link: "ExternalLink",
    external_link_as_node: "ExternalLink",
    soft_link: "SoftLink",
    dangling_soft_link: "SoftLink",
    virtual_dataset: "another file",
    huge_declared_shape: "MiB",
    shape_beyond_64_bits: "declares 35184372088832 MiB",
    gzip_bomb: "declares 512 MiB but stores",
    many_declared_datasets: "more than 1024 MiB",
    deep_nesting: "nested deeper than 24",
    hard_link_cycle: "in a cycle",
    hard_link_tree: "more than 50000 objects",
    many_objects: "more than 50000 objects",
    counted_before_visited: "more than 50000 objects",
    many_in_all: "more than 50000 objects",
    unexpected_filter: "filters [32000]",
    complex_weight: "complex128",
    compound_weight: "expected numbers or text",
    object_reference: "expected numbers or text",
    null_dataspace: "has no data",
    named_type_as_node: "neither a group nor a dataset",
    name_is_not_utf8: "decode",
    type_is_not_utf8: "decode",
    text_bomb: "texts of up to 100000 characters",
}


def _set(path: str, value: Any) -> Edit:
    return lambda file: put(file, path, value)


def _drop(path: str) -> Edit:
    return lambda file: file.__delitem__(path)


def _edges(*pairs: tuple[str, str]) -> Edit:
    return lambda file: edges(file, *pairs)


def _group_instead(path: str) -> Edit:
    def edit(file: h5py.File) -> None:
        del file[path]
        file.create_group(path)

    return edit


def _flatten(**values: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        node = {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": np.array([4])} | values
        for key, value in node.items():
            put(file, f"{NODES}/flat/{key}", value)
        edges(file, ("input", "flat"), ("flat", "fc"), ("fc", "lif"), ("lif", "output"))

    return edit


def outer_product(file: h5py.File) -> None:
    """Two thin matrices whose product would take 20 GiB."""
    for name, shape in (("fc", (1, 4)), ("wide", (50_000, 1)), ("narrow", (1, 50_000)), ("back", (50_000, 1))):
        put(file, f"{NODES}/{name}/weight", np.ones(shape, dtype="f4"))
        put(file, f"{NODES}/{name}/type", "Linear")
    put(file, f"{NODES}/input/shape", np.array([50_000]))
    edges(file, ("input", "narrow"), ("narrow", "back"), ("back", "lif"), ("lif", "output"))
    del file[f"{NODES}/fc"]
    del file[f"{NODES}/wide"]


def linear_cycle(file: h5py.File) -> None:
    """A loop that no neuron breaks."""
    for name in ("there", "back"):
        put(file, f"{NODES}/{name}/type", "Linear")
        put(file, f"{NODES}/{name}/weight", np.eye(3))
    edges(file, ("input", "fc"), ("fc", "there"), ("there", "back"), ("back", "there"), ("back", "lif"), *TAIL)


def without_shapes(file: h5py.File) -> None:
    """An input without a shape, before a neuron that takes any."""
    del file[f"{NODES}/input/shape"]
    for key in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        put(file, f"{NODES}/lif/{key}", 1.0)
    edges(file, ("input", "lif"), *TAIL)


def _convolution(**values: Any) -> Edit:
    """Between the input, now an image, and the layer."""

    def edit(file: h5py.File) -> None:
        node: dict[str, Any] = {"type": "Conv2d", "input_shape": [8, 8], "weight": np.ones((2, 3, 3, 3))}
        node |= {"bias": np.ones(2), "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
        for key, value in (node | values).items():
            put(file, f"{NODES}/conv/{key}", value)
        put(file, f"{NODES}/input/shape", np.array([3, 8, 8]))
        edges(file, ("input", "conv"), ("conv", "fc"), ("fc", "lif"), *TAIL)

    return edit


def _subgraph(*pairs: tuple[str, str], outer: tuple[str, str] = ("lif", "inner"), nest: int = 1) -> Edit:
    """A subgraph between neuron and output: input -> gain -> output, and an idle node."""

    def edit(file: h5py.File) -> None:
        at = f"{NODES}/inner"
        for _ in range(nest):
            put(file, f"{at}/type", "NIRGraph")
            put(file, f"{at}/edges", np.array(pairs, dtype=object))
            for name, kind, key, value in (
                ("in", "Input", "shape", np.array([3])),
                ("gain", "Scale", "scale", np.ones(3)),
                ("out", "Output", "shape", np.array([3])),
            ):
                put(file, f"{at}/nodes/{name}/type", kind)
                put(file, f"{at}/nodes/{name}/{key}", value)
            at += "/nodes/inner"
        edges(file, ("input", "fc"), ("fc", "lif"), outer, ("inner", "output"))

    return edit


def cuba(file: h5py.File) -> None:
    """A neuron whose parameters would spread to a table of 10^10."""
    del file[LIF]
    put(file, f"{LIF}/type", "CubaLIF")
    for key in ("tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset"):
        put(file, f"{LIF}/{key}", np.ones((100_000, 1)))
    put(file, f"{LIF}/w_in", np.ones((1, 100_000)))


def nan_weights(file: h5py.File) -> None:
    weight = file[f"{NODES}/fc/weight"][()]
    weight[1, 2] = np.nan
    put(file, f"{NODES}/fc/weight", weight)


CONTENT: list[tuple[str, Edit, type[NirdeployError], str]] = [
    ("no graph at all", _drop("node"), ModelFileError, "no group 'node'"),
    ("node is a dataset", _set("node", 1), ModelFileError, "no group 'node'"),
    ("root is a neuron", _set("node/type", "Threshold"), GraphError, "has no parameter 'threshold'"),
    ("no nodes", _drop(NODES), ModelFileError, "has no nodes"),
    ("nodes are numbers", _set(NODES, 1), ModelFileError, "has no nodes"),
    ("a node is a dataset", _set(f"{NODES}/odd", 1.0), ModelFileError, "'odd' is a dataset"),
    ("a node has no type", _drop(f"{LIF}/type"), ModelFileError, "'lif' has no type"),
    ("a type is a number", _set(f"{LIF}/type", 3), ModelFileError, "'lif' has no type"),
    ("unknown type", _set(f"{LIF}/type", "Izhikevich"), ModelFileError, "'lif' has the unknown type 'Izhikevich'"),
    ("endless type", _set(f"{LIF}/type", "x" * 100_000), ModelFileError, "unknown type"),
    ("missing parameter", _drop(f"{LIF}/tau"), GraphError, "'lif' (LIF) has no parameter 'tau'"),
    ("parameter is a group", _group_instead(f"{LIF}/tau"), GraphError, "'tau' of node 'lif' is a group"),
    ("NaN weights", nan_weights, GraphError, "node 'fc': 1 of 12 values of weight are NaN"),
    ("infinite threshold", _set(f"{LIF}/v_threshold", np.full(3, np.inf)), GraphError, "3 of 3 values of v_threshold"),
    ("tau = 0", _set(f"{LIF}/tau", np.zeros(3)), GraphError, "node 'lif': tau must be positive, found 0"),
    ("tau < 0", _set(f"{LIF}/tau", np.array([0.02, -1, 0.02])), GraphError, "tau must be positive, found -1"),
    ("tau too short", _set(f"{LIF}/tau", np.full(3, 1e-9)), GraphError, "is too short for dt"),
    ("wrong tau length", _set(f"{LIF}/tau", np.full(5, 0.02)), GraphError, "'lif'"),
    ("wrong bias length", _set(f"{NODES}/fc/bias", np.ones(4)), GraphError, "'fc': bias has shape (4,), expected (3,)"),
    ("text as weights", _set(f"{NODES}/fc/weight", "hello"), GraphError, "'fc'"),
    ("flat weights", _set(f"{NODES}/fc/weight", np.ones(12)), GraphError, "'fc'"),
    ("three-dimensional weights", _set(f"{NODES}/fc/weight", np.ones((3, 4, 1))), GraphError, "(3, 4, 1)"),
    ("empty weights", _set(f"{NODES}/fc/weight", np.zeros((0, 4))), GraphError, "weight is empty"),
    ("weights of another size", _set(f"{NODES}/fc/weight", np.ones((3, 5))), GraphError, "'fc' takes 5 inputs"),
    ("huge input", _set(f"{NODES}/input/shape", np.array([10**12])), GraphError, "1000000000000 neurons"),
    ("huge input in 8 dimensions", _set(f"{NODES}/input/shape", np.full(8, 2**31)), GraphError, "neurons"),
    ("input of NaN neurons", _set(f"{NODES}/input/shape", np.array([np.nan])), GraphError, "the shape [nan]"),
    ("input of infinite neurons", _set(f"{NODES}/input/shape", np.array([np.inf])), GraphError, "the shape [inf]"),
    ("input of no neurons", _set(f"{NODES}/input/shape", np.array([0])), GraphError, "the shape [0]"),
    ("input of minus four", _set(f"{NODES}/input/shape", np.array([-4])), GraphError, "the shape [-4]"),
    ("input without shape", _set(f"{NODES}/input/shape", np.zeros(0)), GraphError, "the shape []"),
    ("input shape is a matrix", _set(f"{NODES}/input/shape", np.ones((2, 2))), GraphError, "the shape [[1"),
    ("input shape is text", _set(f"{NODES}/input/shape", "four"), GraphError, "'four'"),
    ("flatten from NaN", _flatten(start_dim=np.nan), GraphError, "'start_dim' of node 'flat'"),
    ("flatten from text", _flatten(start_dim="first"), GraphError, "'start_dim' of node 'flat'"),
    ("flatten from a list", _flatten(end_dim=np.array([0, 1])), GraphError, "'end_dim' of node 'flat'"),
    ("flatten beyond", _flatten(start_dim=5), GraphError, "'flat'"),
    ("outer product", outer_product, GraphError, "fold into 2500000000 weights"),
    ("dangling edge", _edges(("input", "fc"), ("fc", "gone"), ("lif", "output")), GraphError, "'fc' -> 'gone'"),
    ("cycle of other shape", _edges(("input", "fc"), ("fc", "lif"), ("lif", "fc"), *TAIL), GraphError, "[(3,), (4,)]"),
    ("cycle without a neuron", linear_cycle, GraphError, "'there'"),
    (
        "edge into the input",
        _edges(("lif", "input"), ("input", "fc"), ("fc", "output")),
        GraphError,
        "leads into an Input",
    ),
    ("edge out of the output", _edges(("input", "fc"), ("fc", "lif"), *TAIL, ("output", "fc")), GraphError, "'output'"),
    ("no edges", _drop("node/edges"), GraphError, "has no edge into it"),
    ("edges of numbers", _set("node/edges", np.ones((3, 2))), ModelFileError, "not pairs of names"),
    ("edges of triples", _set("node/edges", np.array([["a", "b", "c"]], dtype=object)), ModelFileError, "not pairs"),
    ("no input", _drop(f"{NODES}/input"), GraphError, "'input', which does not exist"),
    ("edges are a group", _group_instead("node/edges"), ModelFileError, "not pairs of names"),
    (
        "two million edges",
        _set("node/edges", np.full((1 << 21, 2), b"lif", dtype="S3")),
        ModelFileError,
        "at most 1048576 are read",
    ),
    ("edge out of the file", _edges(("../../etc/passwd", "fc"), ("fc", "lif"), *TAIL), GraphError, "does not exist"),
    ("version of the future", _set("version", "99.0"), ModelFileError, "of NIR version 99"),
    ("version is a number", _set("version", 1.0), ModelFileError, "not a version number"),
    ("version is noise", _set("version", "\x1b[2J; rm -rf"), ModelFileError, "not a version number"),
    ("output of another size", _set(f"{NODES}/output/shape", np.array([5])), GraphError, "edge 'lif' -> 'output'"),
    ("shapes nowhere", without_shapes, GraphError, "'input' (Input) has no parameter 'shape'"),
    ("parameters of two shapes", _set(f"{LIF}/r", np.ones(4)), GraphError, "contradictory shapes"),
    ("parameters that spread", cuba, GraphError, "contradictory shapes"),
    ("convolution of another size", _convolution(input_shape=[9, 9]), GraphError, "edge 'input' -> 'conv'"),
    ("convolution without stride", _convolution(stride=[0, 0]), GraphError, "'conv'"),
    ("convolution of half steps", _convolution(dilation=[0.5, 0.5]), GraphError, "'conv'"),
    ("convolution in 7 groups", _convolution(groups=7), GraphError, "'conv'"),
    ("convolution padded oddly", _convolution(padding="reflect"), GraphError, "'conv'"),
    ("convolution padded endlessly", _convolution(padding=[2**40, 2**40]), GraphError, "'conv'"),
    ("convolution larger than its image", _convolution(weight=np.ones((2, 3, 9, 9))), GraphError, "'conv'"),
    ("flat convolution", _convolution(weight=np.ones((2, 3))), GraphError, "'conv'"),
    (
        "edge out of a subgraph",
        _subgraph(("in", "gain"), ("gain", "away"), ("gain", "out")),
        GraphError,
        "edge 'gain' -> 'away' names the node 'away', which does not exist in subgraph 'inner'",
    ),
    (
        "edge to a path that is not there",
        _subgraph(("in", "gain"), ("gain", "out"), outer=("lif", "inner.gone")),
        GraphError,
        "'inner.gone', which does not exist",
    ),
    ("subgraphs in subgraphs", _subgraph(("in", "gain"), ("gain", "out"), nest=13), ModelFileError, "nested deeper"),
    ("unknown dialect", _set("node/metadata/nirdeploy_dialect", "martian\n\x1b[2J"), DialectError, "martian"),
    ("endless dialect", _set("node/metadata/nirdeploy_dialect", "q" * 100_000), DialectError, "qqq"),
]


def hostile(tmp_path: Path, edit: Edit) -> Path:
    path = tmp_path / "model.nir"
    nirfile.write(path, graph())
    with h5py.File(path, "r+") as file:
        del file[checksum.NAME]  # whoever makes such a file knows that it would tell
        edit(file)
    return path


def assert_reads_well(error: NirdeployError, path: Path) -> None:
    """One line of printable text that names the file and gives no figure of another."""
    text = str(error)
    assert text.isprintable(), text
    assert len(text) < 700
    assert str(path) in text
    assert "424242" not in text
    assert "password" not in text
    assert text[0].islower() or text[0] == "'"


@pytest.mark.parametrize("edit", REFUSED_BEFORE_READING, ids=lambda edit: edit.__name__)
def test_is_refused_before_anything_is_read(tmp_path: Path, edit: Edit) -> None:
    path = hostile(tmp_path, edit)
    with pytest.raises(ModelFileError) as caught:
        nirfile.read(path)
    assert_reads_well(caught.value, path)
    assert REFUSED_BEFORE_READING[edit] in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("edit", "kind", "says"), [case[1:] for case in CONTENT], ids=[case[0] for case in CONTENT])
def test_content_is_refused_by_name(tmp_path: Path, edit: Edit, kind: type[NirdeployError], says: str) -> None:
    path = hostile(tmp_path, edit)
    with pytest.raises(kind) as caught:
        check(path)
    assert_reads_well(caught.value, path)
    assert says in str(caught.value)
    assert caught.value.exit_code == (2 if kind is DialectError else 3)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.nir", b"", "is empty"),
        ("text.nir", b"hello, I am a model\n", "not an HDF5 file"),
        ("pickle.nir", b"\x80\x04\x95cposix\nsystem\n", "not an HDF5 file"),
        ("head.nir", b"\x89HDF\r\n\x1a\n", "HDF5 cannot read it"),
        ("noise.nir", b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 64, "HDF5 cannot read it"),
    ],
)
def test_what_is_no_hdf5_file(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        nirfile.read(path)
    assert_reads_well(caught.value, path)
    assert says in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "missing.nir", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ModelFileError) as caught:
            nirfile.read(path)
        assert_reads_well(caught.value, path)
        assert says in str(caught.value)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.nir"
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="is not a file"):
        nirfile.read(path)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.999])
def test_a_truncated_file(tmp_path: Path, share: float) -> None:
    path = tmp_path / "model.nir"
    nirfile.write(path, graph())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelFileError) as caught:
        nirfile.read(path)
    assert_reads_well(caught.value, path)


@pytest.mark.parametrize("seed", range(24))
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    """Whatever HDF5 makes of damaged bytes, this process lives and gets an answer or one of our errors."""
    path = tmp_path / "model.nir"
    nirfile.write(path, graph())
    damaged = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 4, 16, 64))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    path.write_bytes(damaged)
    try:
        checked = check(path)
    except (ModelFileError, GraphError, DialectError) as error:
        assert_reads_well(error, path)
    else:
        assert all(np.isfinite(projection.weight).all() for projection in checked.projections)


@pytest.mark.parametrize(
    "name",
    [
        "; rm -rf .",
        "module",
        "x); endmodule module y(",
        "`define x",
        "C:\\con",
        "größe",
        "脉冲",
        "a b\tc",
        "$(id)",
        "<script>",
        "..\\..",
        "n" * 300,
        "0",
        "lif-1",
        "%s{}",
    ],
)
def test_odd_names_are_only_names(tmp_path: Path, name: str) -> None:
    odd = graph()
    odd.nodes[name] = odd.nodes.pop("lif")
    odd.edges = [("input", "fc"), ("fc", name), (name, "output")]
    path = tmp_path / "model.nir"
    nirfile.write(path, odd)
    assert [p.name for p in check(path).populations] == ["input", name]


@pytest.mark.parametrize("name", ["a/b", "", ".", "..", "nul\0byte"])
def test_names_a_nir_file_cannot_hold_are_refused_when_written(tmp_path: Path, name: str) -> None:
    odd = graph()
    odd.nodes[name] = odd.nodes.pop("lif")
    odd.edges = [("input", "fc"), ("fc", name), (name, "output")]
    with pytest.raises(GraphError, match="cannot be named"):
        nirfile.write(tmp_path / "model.nir", odd)
    assert not list(tmp_path.iterdir())


def test_many_parallel_paths_stay_few(tmp_path: Path) -> None:
    """Thirty diamonds in a row are 2^30 paths, and one projection."""
    one = np.full((1, 1), 0.5)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([1])})}
    pairs, before = [], ["input"]
    for i in range(30):
        here = [f"a{i}", f"b{i}"]
        nodes |= {name: nir.Linear(one) for name in here}
        pairs += [(source, name) for source in before for name in here]
        before = here
    nodes |= {"sum": nir.Linear(one), "li": nir.LI(tau=np.ones(1), r=np.ones(1), v_leak=np.zeros(1))}
    nodes["output"] = nir.Output({"output": np.array([1])})
    pairs += [(name, "sum") for name in before] + [("sum", "li"), ("li", "output")]
    nirfile.write(tmp_path / "model.nir", nir.NIRGraph(nodes, pairs, type_check=False))
    (projection,) = check(tmp_path / "model.nir").projections
    np.testing.assert_allclose(projection.weight, [[0.5]])


# --- from outside ---------------------------------------------------------------------


class Watch:
    """The names of the files in a folder that anyone opens, told by the kernel (inotify)."""

    OPENED = 0x20

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(folder), self.OPENED) >= 0

    def opened(self) -> set[str]:
        names = set()
        events, at = os.read(self.descriptor, 1 << 20), 0
        while at < len(events):
            (length,) = struct.unpack_from("I", events, at + 12)
            names.add(events[at + 16 : at + 16 + length].rstrip(b"\0").decode())
            at += 16 + length
        os.close(self.descriptor)
        return names - {""}


EVERY_EDIT = {edit.__name__: edit for edit in REFUSED_BEFORE_READING} | {case[0]: case[1] for case in CONTENT}


@pytest.mark.skipif(sys.platform != "linux", reason="inotify tells which files are opened, and is Linux's")
@pytest.mark.parametrize("name", EVERY_EDIT)
def test_the_command_line_refuses_in_one_line_and_opens_nothing_else(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hostile(tmp_path, EVERY_EDIT[name])
    watch = Watch(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(["check", str(path)])
    assert watch.opened() == {"model.nir"}
    assert caught.value.code == (2 if name.endswith("dialect") else 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
