"""nirfile: ``.nir`` files to NIR graphs and back, without trusting the file.

``nir.read`` opens whatever an HDF5 file points at (external storage, links, virtual datasets) and trusts
every declared size. A child process with limits looks first and reads then (:mod:`nirdeploy.records.hdf5`); this module
only ever sees plain arrays. What can be put right in one way only is
put right and said (:mod:`nirdeploy.graph.repair`).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import GraphError, ModelFileError, ModelFileTimeout, meant_file
from nirdeploy.graph import checksum, primitives
from nirdeploy.graph import repair as nirrepair
from nirdeploy.records import hdf5, store

_MAX_EDGES = 1 << 20
_GRAPH = "NIRGraph"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_LFS = b"version https://git-lfs.github.com/spec/"

_MODEL = hdf5.Kind("the model file", "export the network again", ModelFileError, ModelFileTimeout, ratio=200)

Tree = dict[str, Any]  # groups as dicts, datasets as arrays


@dataclass
class _File:
    """The file being read: its path for messages, and what was repaired so far."""

    where: str
    repairs: list[str] = field(default_factory=list)


def read(path: Path | str) -> nir.NIRGraph:
    """Read a graph: :func:`read_checked`, and no more."""
    return read_checked(path)[0]


def read_checked(path: Path | str) -> tuple[nir.NIRGraph, bool]:
    """Read a graph, and whether the file's checksum says that it is as it was written; else it has none.

    Nothing but the file itself is opened. What was repaired stands in the graph's metadata, under
    :data:`nirdeploy.graph.repair.METADATA_KEY`, a line each.

    Raises:
        ModelFileError: not HDF5, truncated, hostile, not a NIR graph, or not what its checksum is of.
        ModelFileTimeout: reading took longer than ``NIRDEPLOY_READ_SECONDS`` of processor time, or than its size needs.
        GraphError: a node lacks a parameter, an edge names a node that is not there, or declared shapes contradict
            each other.
    """
    path = Path(path)
    _look_at_file(path)
    datasets = hdf5.read(path, _MODEL).datasets
    has_checksum = checksum.check(datasets, str(path))
    tree = _tree(datasets, str(path))
    _look_at_version(tree.get("version"), str(path))
    if list(tree) == ["version"]:
        raise _unfinished("there is a version and no group 'node' behind it", str(path))
    if "node" not in tree or not isinstance(tree["node"], dict):
        raise ModelFileError(
            "the file is HDF5 but holds no NIR graph (no group 'node')",
            where=str(path),
            hint="export one with 'nirdeploy export' or nir.write",
        )
    file = _File(str(path))
    graph = _node(tree["node"], "", file)
    if not isinstance(graph, nir.NIRGraph):
        raise ModelFileError(
            f"the file's root is a {type(graph).__name__}, expected a NIRGraph",
            where=str(path),
            hint="write the whole graph: nir.write(path, graph)",
        )
    try:
        graph, shaped = nirrepair.shapes(graph)
    except GraphError as error:
        raise GraphError(error.message, where=str(path), hint=error.hint) from error
    return nirrepair.record(graph, file.repairs + shaped), has_checksum


def write(path: Path | str, graph: nir.NIRGraph) -> None:
    """Write a graph as ``nir.write`` does, with a checksum, whole or not at all.

    Raises :class:`GraphError` on what HDF5 cannot hold.
    """
    path = Path(path)
    _look_at_names(graph, str(path))
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as folder:
        beside = Path(folder) / "graph.nir"
        try:
            nir.write(str(beside), graph)
            checksum.add(beside)
        except (TypeError, ValueError, AttributeError) as error:  # h5py's answers to what HDF5 cannot hold
            raise GraphError(
                f"the graph holds a value that a NIR file cannot: {str(error).splitlines()[0]}", where=str(path)
            ) from error
        store.write_atomic(path, beside.read_bytes())


def _unfinished(seen: str, where: str) -> ModelFileError:
    return ModelFileError(
        f"writing the file was not finished: {seen}", where=where, hint="export the network again, and let it finish"
    )


def is_text(name: object) -> bool:
    """Whether a file holds such a text: no end of a text stands in it, and no half of a pair."""
    return isinstance(name, str) and "\0" not in name and not any("\ud800" <= one <= "\udfff" for one in name)


def _look_at_names(graph: nir.NIRGraph, where: str) -> None:
    for name, node in graph.nodes.items():
        if not is_text(name) or not name or "/" in name or name in (".", ".."):
            raise GraphError(f"a node cannot be named {name!r} in a NIR file", where=where, hint="rename it")
        if isinstance(node, nir.NIRGraph):
            _look_at_names(node, where)


def _look_at_version(version: Any, where: str) -> None:
    """Refuse a file of a later major version; the oldest files have none, and nothing else depends on it."""
    if version is None:
        return
    text = _text(version)
    major = (text or "").partition(".")[0]
    if not major.isascii() or not major.isdigit() or len(major) > 9:
        raise ModelFileError(
            "the file's NIR version is not a version number", where=where, hint="write it again with the package nir"
        )
    if int(major) > int(nir.version.partition(".")[0]):
        raise ModelFileError(
            f"the file is of NIR version {int(major)}, this reads up to version {nir.version}",
            where=where,
            hint="update the package nir, or export the network for this version",
        )


def _look_at_file(path: Path) -> None:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # opening a pipe would wait for its writer
            raise ModelFileError("this is not a file but a pipe or a device", where=str(path), hint="name a .nir file")
        with path.open("rb") as file:
            head = file.read(len(_LFS))
    except OSError as error:
        hint = meant_file(path) if isinstance(error, FileNotFoundError) else ""
        raise ModelFileError(f"cannot read the model file: {error.strerror}", where=str(path), hint=hint) from error
    if not head:
        raise ModelFileError("the model file is empty", where=str(path), hint="export the network again")
    if head == _LFS:
        raise ModelFileError(
            "this is a Git LFS pointer, the model itself has not been downloaded",
            where=str(path),
            hint="run 'git lfs pull' in its repository",
        )
    if not any(head):
        raise _unfinished("it begins with zeros", str(path))
    if not head.startswith(_HDF5):
        raise ModelFileError(
            "this is not an HDF5 file, so not a NIR graph",
            where=str(path),
            hint="export one with 'nirdeploy export' or nir.write",
        )


def _tree(flat: dict[str, np.ndarray], where: str) -> Tree:
    root: Tree = {}
    for name in sorted(flat, key=lambda key: (key.count("/"), key)):
        parts = name.rstrip("/").split("/")
        at = root
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise ModelFileError(
                    f"{name!r} lies below a dataset", where=where, hint="write it again with the package nir"
                )
        if name.endswith("/"):
            at.setdefault(parts[-1], {})
        else:
            at[parts[-1]] = flat[name]
    return root


def _node(tree: Tree, name: str, file: _File) -> nir.NIRNode:
    """A node by its tree; ``name`` is its path, empty for the root."""
    kind = _text(tree.get("type"))
    label = f"node {nirrepair.short(name)}" if name else "the graph"
    if kind is None and not name and "nodes" in tree:  # a graph's type is written last
        raise _unfinished("the graph has nodes but no type", file.where)
    if kind is None:
        raise ModelFileError(f"{label} has no type", where=file.where, hint="write it again with the package nir")
    if kind == _GRAPH:
        return _graph(tree, name, file)
    row = primitives.TABLE.get(kind)
    if row is None:
        known = ", ".join(primitives.TABLE)
        raise ModelFileError(f"{label} has the unknown type {kind[:40]!r}", where=file.where, hint=f"NIR has {known}")
    values: dict[str, Any] = {}
    for key in row.parameters:
        value = tree.get(key)
        if value is None and key in row.needed:
            raise GraphError(
                f"{label} ({kind}) has no parameter {key!r}",
                where=file.where,
                hint="write it again with the package nir",
            )
        if value is None:
            continue
        if isinstance(value, dict):
            raise GraphError(
                f"parameter {key!r} of {label} is a group, expected numbers",
                where=file.where,
                hint="write it again with the package nir",
            )
        values[key] = _number_or_text(value)
        if isinstance(values[key], np.ndarray) and values[key].dtype.kind not in "biuf":
            raise GraphError(
                f"parameter {key!r} of {label} is not numeric",
                where=file.where,
                hint="write it again with the package nir",
            )
    try:
        if row.one_shape:
            values, repairs = nirrepair.parameters(values, row.parameters, f"{label} ({kind})")
            file.repairs += repairs
        return _construct(row, row.made(values, label), _metadata(tree), label)
    except GraphError as error:
        raise GraphError(error.message, where=file.where, hint=error.hint) from error


def _construct(row: primitives.Primitive, values: dict[str, Any], metadata: dict[str, Any], label: str) -> nir.NIRNode:
    try:
        with np.errstate(all="ignore"):
            node: nir.NIRNode = row.node(**values)
    except Exception as error:  # nir raises assertion, type, value and index errors, often without text
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise GraphError(f"{label} ({row.name}) has contradictory parameters: {reason[:160]}") from error
    node.metadata = metadata
    return node


def _graph(tree: Tree, name: str, file: _File) -> nir.NIRGraph:
    children, edges = tree.get("nodes"), tree.get("edges")
    label = f"subgraph {nirrepair.short(name)}" if name else "the graph"
    if not isinstance(children, dict):
        raise ModelFileError(f"{label} has no nodes", where=file.where, hint="write it again with the package nir")
    nodes = {}
    for child, subtree in children.items():
        path = f"{name}.{child}" if name else child
        if not isinstance(subtree, dict):
            raise ModelFileError(
                f"node {nirrepair.short(path)} is a dataset, expected a group",
                where=file.where,
                hint="write it again with the package nir",
            )
        nodes[child] = _node(subtree, path, file)
    pairs, nodes, nesting = nirrepair.nested(_pairs(edges, label, file.where), nodes, label)
    try:
        pairs, repairs = nirrepair.edges(pairs, nodes, label)
    except GraphError as error:
        raise GraphError(error.message, where=file.where, hint=error.hint) from error
    file.repairs += nesting + repairs
    try:
        return nir.NIRGraph(nodes=nodes, edges=pairs, metadata=_metadata(tree), type_check=False)
    except Exception as error:  # as above
        raise GraphError(f"{label} contradicts itself: {error or type(error).__name__}", where=file.where) from error


def _pairs(edges: Any, label: str, where: str) -> list[tuple[str, str]]:
    if edges is None or (isinstance(edges, np.ndarray) and not edges.size):
        return []
    if isinstance(edges, dict) or edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind != "U":
        raise ModelFileError(
            f"the edges of {label} are not pairs of names", where=where, hint="write it again with the package nir"
        )
    if len(edges) > _MAX_EDGES:
        raise ModelFileError(
            f"{label} has {len(edges)} edges, at most {_MAX_EDGES} are read",
            where=where,
            hint="leave out what is not needed: a layer's weights are one node, not one for each synapse",
        )
    return [(str(a), str(b)) for a, b in edges]


def _metadata(tree: Tree) -> dict[str, Any]:
    metadata = tree.get("metadata")
    return _plain(metadata) if isinstance(metadata, dict) else {}


def _plain(tree: Tree) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, dict) else _number_or_text(value) for key, value in tree.items()}


def _number_or_text(value: np.ndarray) -> Any:
    if value.dtype.kind == "U" and value.ndim == 0:
        return str(value)
    return value[()] if value.ndim == 0 else value


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.ndim == 0 else None
