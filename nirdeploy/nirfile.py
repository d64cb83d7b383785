"""nirfile: ``.nir`` files to NIR graphs and back, without trusting the file.

``nir.read`` opens whatever an HDF5 file points at (external storage, links, virtual datasets) and trusts
every declared size. Here a child process with limits looks first and reads then
(:mod:`nirdeploy.nirchild`); this module only ever sees plain arrays.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nir
import numpy as np

from nirdeploy import nirchild, store
from nirdeploy.errors import GraphError, ModelFileError

_WALL_S = 30
_GRAPH = "NIRGraph"
_HDF5 = b"\x89HDF\r\n\x1a\n"

#: Parameters of every NIR primitive (nir 1.0.8); those in brackets may be missing.
_PARAMETERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Affine": (("weight", "bias"), ()),
    "AvgPool2d": (("kernel_size", "stride", "padding"), ()),
    "Conv1d": (("weight", "stride", "padding", "dilation", "groups", "bias"), ("input_shape",)),
    "Conv2d": (("weight", "stride", "padding", "dilation", "groups", "bias"), ("input_shape",)),
    "CubaLI": (("tau_mem", "tau_syn", "r", "v_leak"), ("w_in",)),
    "CubaLIF": (("tau_mem", "tau_syn", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
    "Delay": (("delay",), ()),
    "Flatten": (("start_dim", "end_dim"), ("input_type",)),
    "I": (("r",), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "Input": (("shape",), ()),
    "LI": (("tau", "r", "v_leak"), ()),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "Linear": (("weight",), ()),
    "Output": (("shape",), ()),
    "Scale": (("scale",), ()),
    "SumPool2d": (("kernel_size", "stride", "padding"), ()),
    "Threshold": (("threshold",), ()),
}

Tree = dict[str, Any]  # groups as dicts, datasets as arrays


def read(path: Path | str) -> nir.NIRGraph:
    """Read a graph. Nothing but the file itself is opened.

    Raises:
        ModelFileError: not HDF5, truncated, hostile, or not a NIR graph.
        GraphError: a node lacks a parameter, or an edge names a node that is not there.
    """
    path = Path(path)
    _look_at_file(path)
    tree = _tree(_run_child(path), str(path))
    if "node" not in tree or not isinstance(tree["node"], dict):
        raise ModelFileError("the file is HDF5 but holds no NIR graph (no group 'node')", where=str(path))
    graph = _node(tree["node"], "", str(path))
    if not isinstance(graph, nir.NIRGraph):
        raise ModelFileError(f"the file's root is a {type(graph).__name__}, expected a NIRGraph", where=str(path))
    return graph


def write(path: Path | str, graph: nir.NIRGraph) -> None:
    """Write a graph as ``nir.write`` does, whole or not at all. Raises :class:`GraphError` on what HDF5 cannot hold."""
    path = Path(path)
    for name in graph.nodes:
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise GraphError(f"a node cannot be named {name!r} in a NIR file", where=str(path), hint="rename it")
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as folder:
        beside = Path(folder) / "graph.nir"
        try:
            nir.write(str(beside), graph)
        except (TypeError, ValueError, AttributeError) as error:  # h5py's answers to what HDF5 cannot hold
            raise GraphError(
                f"the graph holds a value that a NIR file cannot: {str(error).splitlines()[0]}", where=str(path)
            ) from error
        store.write_atomic(path, beside.read_bytes())


def _look_at_file(path: Path) -> None:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # opening a pipe would wait for its writer
            raise ModelFileError("this is not a file but a pipe or a device", where=str(path))
        with path.open("rb") as file:
            head = file.read(len(_HDF5))
    except OSError as error:
        raise ModelFileError(f"cannot read the model file: {error.strerror}", where=str(path)) from error
    if not head:
        raise ModelFileError("the model file is empty", where=str(path), hint="export the network again")
    if head != _HDF5:
        raise ModelFileError(
            "this is not an HDF5 file, so not a NIR graph",
            where=str(path),
            hint="export one with 'nirdeploy export' or nir.write",
        )


def _run_child(path: Path) -> dict[str, np.ndarray]:
    """The file's datasets by path; groups are the keys that end in ``/``."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"}
    try:
        done = subprocess.run(
            [sys.executable, "-I", nirchild.__file__, str(path.resolve())],
            capture_output=True,
            timeout=_WALL_S,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"reading the model file took more than {_WALL_S} s", where=str(path)) from error
    if done.returncode == 3:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise ModelFileError(
            f"the model file is refused: {reason[-1] if reason else 'no reason given'}",
            where=str(path),
            hint="export the network again",
        )
    if done.returncode:
        raise ModelFileError(
            f"reading the model file crashed the reader (status {done.returncode}): the file is damaged or hostile",
            where=str(path),
            hint="export the network again",
        )
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as archive:
        found = {str(name): archive[f"d{i}"] for i, name in enumerate(archive["names"])}
        return found | {f"{name}/": np.zeros(0) for name in archive["groups"]}


def _tree(flat: dict[str, np.ndarray], where: str) -> Tree:
    root: Tree = {}
    for name in sorted(flat, key=lambda key: (key.count("/"), key)):
        parts = name.rstrip("/").split("/")
        at = root
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise ModelFileError(f"{name!r} lies below a dataset", where=where)
        if name.endswith("/"):
            at.setdefault(parts[-1], {})
        else:
            at[parts[-1]] = flat[name]
    return root


def _node(tree: Tree, name: str, where: str) -> nir.NIRNode:
    kind = _text(tree.get("type"))
    label = f"node {name!r}" if name else "the graph"
    if kind is None:
        raise ModelFileError(f"{label} has no type", where=where)
    if kind == _GRAPH:
        return _graph(tree, name, where)
    if kind not in _PARAMETERS:
        raise ModelFileError(
            f"{label} has the unknown type {kind[:40]!r}", where=where, hint=f"NIR has {', '.join(_PARAMETERS)}"
        )
    needed, optional = _PARAMETERS[kind]
    values: dict[str, Any] = {}
    for key in (*needed, *optional):
        value = tree.get(key)
        if value is None and key in needed:
            raise GraphError(f"{label} ({kind}) has no parameter {key!r}", where=where)
        if value is None:
            continue
        if isinstance(value, dict):
            raise GraphError(f"parameter {key!r} of {label} is a group, expected numbers", where=where)
        values[key] = _number_or_text(value)
        if isinstance(values[key], np.ndarray) and values[key].dtype.kind not in "biuf":
            raise GraphError(f"parameter {key!r} of {label} is not numeric", where=where)
    return _construct(kind, values, _metadata(tree), label, where)


def _construct(kind: str, values: dict[str, Any], metadata: dict[str, Any], label: str, where: str) -> nir.NIRNode:
    if kind == "Flatten":
        for key in ("start_dim", "end_dim"):
            dim = np.asarray(values[key])
            if dim.size != 1 or dim.dtype.kind not in "iuf" or dim.item() % 1 != 0:
                raise GraphError(f"parameter {key!r} of {label} is not one whole number", where=where)
            values[key] = int(dim.item())
    if kind == "Input":
        values = {"input_type": {"input": values["shape"]}}
    elif kind == "Output":
        values = {"output_type": {"output": values["shape"]}}
    elif kind == "Flatten":
        values = {
            "start_dim": values["start_dim"],
            "end_dim": values["end_dim"],
            "input_type": {"input": values.get("input_type")},
        }
    elif kind in ("IF", "LIF", "CubaLIF"):
        values.setdefault("v_reset", np.zeros_like(values["v_threshold"]))
    elif kind in ("Conv1d", "Conv2d"):
        values.setdefault("input_shape", None)
    try:
        node = getattr(nir, kind)(**values)
    except Exception as error:  # nir raises assertion, type, value and index errors, often without text
        raise GraphError(
            f"{label} ({kind}) has contradictory parameters: {error or type(error).__name__}", where=where
        ) from error
    node.metadata = metadata
    return node


def _graph(tree: Tree, name: str, where: str) -> nir.NIRGraph:
    children, edges = tree.get("nodes"), tree.get("edges")
    label = f"subgraph {name!r}" if name else "the graph"
    if not isinstance(children, dict):
        raise ModelFileError(f"{label} has no nodes", where=where)
    nodes = {}
    for child, subtree in children.items():
        if not isinstance(subtree, dict):
            raise ModelFileError(f"node {child!r} is a dataset, expected a group", where=where)
        nodes[child] = _node(subtree, child, where)
    pairs: list[tuple[str, str]] = []
    if isinstance(edges, np.ndarray) and edges.size:
        if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind != "U":
            raise ModelFileError(f"the edges of {label} are not pairs of names", where=where)
        pairs = [(str(a), str(b)) for a, b in edges]
    for a, b in pairs:
        for end in (a, b):
            if end not in nodes:
                raise GraphError(
                    f"edge {a!r} -> {b!r} names the node {end!r}, which does not exist",
                    where=where,
                    hint=f"nodes: {', '.join(nodes)}"[:300],
                )
    try:
        return nir.NIRGraph(nodes=nodes, edges=pairs, metadata=_metadata(tree), type_check=False)
    except Exception as error:  # as above
        raise GraphError(f"{label} contradicts itself: {error or type(error).__name__}", where=where) from error


def _metadata(tree: Tree) -> dict[str, Any]:
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict):
        return {}
    return {key: _number_or_text(value) for key, value in metadata.items() if not isinstance(value, dict)}


def _number_or_text(value: np.ndarray) -> Any:
    if value.dtype.kind == "U" and value.ndim == 0:
        return str(value)
    return value[()] if value.ndim == 0 else value


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.ndim == 0 else None
