"""nirrepair: what a NIR file says wrongly, or not at all, but can mean in one way only, is put right and reported.

Exporters keep batch and time dimensions in declared shapes, leave shapes out, or name a node otherwise in an edge
than in the list of nodes; ``nir.read`` refuses such files. Nothing here changes its arguments, and nothing is
changed without a line that says so.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn

import nir
import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.shapes import (
    CONVOLUTIONS,
    Shape,
    batched,
    declared_shape,
    dimensions,
    given_shape,
    is_missing,
    leads,
    wanted_shape,
    whole_numbers,
)

#: Where a graph's metadata lists its repairs, one a line.
METADATA_KEY = "nirdeploy_repairs"

Path = tuple[str, ...]  # a node's name, after those of the subgraphs around it
Edge = tuple[str, str]

_LONGEST = 80  # characters of a name in a message
_LONGEST_PATH = 4096  # characters of a path into subgraphs
_MOST_LINES = 100  # repairs of one kind
_MOST_READERS = 256  # of one input that are asked for its shape


def recorded(graph: nir.NIRGraph) -> list[str]:
    """The repairs that a graph's metadata lists, as printable lines (the list may be a stranger's)."""
    lines = str((graph.metadata or {}).get(METADATA_KEY, "")).splitlines()
    return ["".join(c if c.isprintable() else "?" for c in line)[:300] for line in lines]


def record(graph: nir.NIRGraph, repairs: list[str]) -> nir.NIRGraph:
    """The graph with ``repairs`` added to those it lists; the same graph if there are none."""
    if not repairs:
        return graph
    metadata = {**graph.metadata, METADATA_KEY: "\n".join([*recorded(graph), *repairs])}
    return nir.NIRGraph(graph.nodes, graph.edges, metadata=metadata, type_check=False)


def edges(pairs: list[Edge], nodes: Mapping[str, nir.NIRNode], label: str) -> tuple[list[Edge], list[str]]:
    """Edges that name existing nodes, each once.

    An end that no node is called by is taken for the one node without an edge, if there is one of each and one
    name begins with the other (``lif`` and ``lif1``). An end may also be the path of a node in a subgraph.

    Raises:
        GraphError: an edge names a node that is not there.
    """
    repairs = []
    found = {end: find(nodes, end) for pair in pairs for end in pair}
    missing = [end for end, path in found.items() if path is None]
    named = {path[0] for path in found.values() if path is not None}
    idle = [name for name in nodes if name not in named]
    if len(missing) == len(idle) == 1:
        wrong, right = missing[0], idle[0]
        if wrong and (wrong.startswith(right) or right.startswith(wrong)):
            pairs = [(right if a == wrong else a, right if b == wrong else b) for a, b in pairs]
            repairs.append(f"{label}: its edges call the node {short(right)} {short(wrong)}, read as {short(right)}")
            missing = []
    if missing:
        a, b = next(pair for pair in pairs if missing[0] in pair)
        raise GraphError(
            f"edge {short(a)} -> {short(b)} names the node {short(missing[0])}, which does not exist"
            + ("" if label == "the graph" else f" in {label}"),
            hint=f"nodes: {', '.join(short(name) for name in islice(nodes, 50))}"[:300],
        )
    times = Counter(pairs)
    repairs += [
        f"{label}: edge {short(a)} -> {short(b)} stands there {count} times, read once"
        for (a, b), count in islice(((pair, count) for pair, count in times.items() if count > 1), _MOST_LINES)
    ]
    return list(times), repairs


def find(nodes: Mapping[str, nir.NIRNode], end: str) -> Path | None:
    """The node that an edge's end names: one of ``nodes``, or one in a subgraph by its path ``outer.inner``."""
    if end in nodes:
        return (end,)
    dots = [i for i, letter in enumerate(end) if letter == "."] if len(end) <= _LONGEST_PATH else []
    for dot in dots:
        node = nodes.get(end[:dot])
        if isinstance(node, nir.NIRGraph):
            inner = find(node.nodes, end[dot + 1 :])
            if inner is not None:
                return (end[:dot], *inner)
    return None


def parameters(values: dict[str, Any], keys: tuple[str, ...], label: str) -> tuple[dict[str, Any], list[str]]:
    """A neuron's parameters in one shape: single numbers are spread where others have one value per neuron.

    Raises:
        GraphError: parameters of several shapes.
    """
    shapes = {key: np.shape(values[key]) for key in keys if key in values and not isinstance(values[key], str)}
    several = dict.fromkeys(shape for shape in shapes.values() if math.prod(shape) != 1)
    if len(several) > 1:
        text = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
        raise GraphError(f"the parameters of {label} have contradictory shapes: {text}")
    common = next(iter(several), max(shapes.values(), key=len, default=()))
    spread = [key for key, shape in shapes.items() if shape != common]
    if not spread:
        return values, []
    full = {key: np.array(np.broadcast_to(np.reshape(values[key], ()), common)) for key in spread}
    return values | full, [f"{label}: {', '.join(spread)} given once, taken for all of shape {common}"]


def shapes(graph: nir.NIRGraph) -> tuple[nir.NIRGraph, list[str]]:
    """The graph with the shapes of inputs, outputs, convolutions and Flatten nodes as their neighbours tell them.

    Raises:
        GraphError: a shape that contradicts the neighbours, or is missing and nothing tells it.
    """
    return _Shapes(graph).repaired()


def short(name: str) -> str:
    """A name for a message: quoted, printable, not endless."""
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...")


class _Shapes:
    """One walk through a graph and its subgraphs, from the inputs on."""

    def __init__(self, graph: nir.NIRGraph) -> None:
        self.graph = graph
        self.nodes = dict(_nodes(graph, ()))
        self.before: dict[Path, list[Path]] = {path: [] for path in self.nodes}
        self.after: dict[Path, list[Path]] = {path: [] for path in self.nodes}
        for a, b in dict.fromkeys(_links(graph, ())):
            self.before[b].append(a)
            self.after[a].append(b)
        self.gives: dict[Path, Shape | None] = {}
        self.arrives: dict[Path, set[Shape]] = {path: set() for path in self.nodes}
        self.changed: dict[Path, nir.NIRNode] = {}
        self.repairs: list[str] = []

    def repaired(self) -> tuple[nir.NIRGraph, list[str]]:
        sources = [path for path, node in self.nodes.items() if isinstance(node, nir.Input) and not self.before[path]]
        for path in sources:
            self._repair_source(path)
        self._walk(sources)
        for path, node in self.nodes.items():
            if self.before[path] and isinstance(node, (nir.Input, nir.Output)):
                self._repair_gate(path, node)
            elif type(node) in CONVOLUTIONS:
                self._repair_convolution(path, node)
            elif isinstance(node, nir.Flatten):
                self._repair_flatten(path, node)
        for path, node in self.nodes.items():
            if isinstance(node, (nir.Input, nir.Output)) and is_missing(self.changed.get(path, node)):
                raise GraphError(
                    f"node {_name(path)} ({type(node).__name__}) has no parameter 'shape', and its neighbours do not "
                    "tell it"
                )
        return (_with(self.graph, self.changed, ()) if self.changed else self.graph), self.repairs

    def _walk(self, sources: list[Path]) -> None:
        """What every node gives, as far as it follows from the inputs."""
        waiting = deque(sources)
        while waiting:
            path = waiting.popleft()
            if self.gives.get(path) is not None:
                continue
            shape = given_shape(self.changed.get(path, self.nodes[path]), self._arriving(path))
            if path in self.gives and shape is None:
                continue
            self.gives[path] = shape
            waiting.extend(self.after[path])
            if shape is not None:
                for to in self.after[path]:
                    self.arrives[to].add(shape)

    def _arriving(self, path: Path) -> Shape | None:
        """The one shape that arrives at a node, if it is known."""
        return next(iter(self.arrives[path])) if len(self.arrives[path]) == 1 else None

    def _repair_source(self, path: Path) -> None:
        declared, missing = declared_shape(self.nodes[path]), is_missing(self.nodes[path])
        if declared is None and not missing:  # nonsense is for check to name
            return
        readers = islice(self._readers(path), _MOST_READERS)
        wanted = {(_name(to), wanted_shape(self.nodes[to], declared)) for to in readers}
        found = {shape for _, shape in wanted if shape is not None}
        if len(found) != 1 or found == {declared}:
            return
        shape = found.pop()
        if declared is None or leads(declared, shape):
            who = sorted(name for name, asks in wanted if asks == shape)[0]
            self._set(path, shape, f"that {who} takes")

    def _readers(self, path: Path) -> Iterator[Path]:
        """What reads a node, seen through the doors of subgraphs."""
        seen, waiting = {path}, deque(self.after[path])
        while waiting:
            to = waiting.popleft()
            if to in seen:
                continue
            seen.add(to)
            if isinstance(self.nodes[to], (nir.Input, nir.Output)) and self.after[to]:
                waiting.extend(self.after[to])
            else:
                yield to

    def _repair_gate(self, path: Path, node: nir.NIRNode) -> None:
        """An Output, or a subgraph's Input: its shape is what arrives."""
        arriving, declared = self._arriving(path), declared_shape(node)
        if arriving is None or declared == arriving or (declared is None and not is_missing(node)):
            return
        if declared is None or math.prod(declared) == math.prod(arriving) or leads(declared, arriving):
            self._set(path, arriving, f"that {_name(self.before[path][0])} gives")
        else:
            self._contradiction(path, declared, arriving)

    def _repair_convolution(self, path: Path, node: Any) -> None:
        arriving, spatial = self._arriving(path), CONVOLUTIONS[type(node)]
        if arriving is None or len(arriving) != spatial + 1:
            return
        size = arriving[1:]
        if node.input_shape is None:
            value = np.array(size) if spatial == 2 else np.int64(size[0])
            self.changed[path] = _rebuilt(path, node, input_shape=value)
            self.repairs.append(f"node {_name(path)}: input_shape is missing, {size} follows from the graph")
        elif (declared := whole_numbers(node.input_shape)) is not None and declared != size:
            self._contradiction(path, declared, size)

    def _repair_flatten(self, path: Path, node: nir.Flatten) -> None:
        arriving, declared = self._arriving(path), declared_shape(node)
        if arriving is None or declared == arriving or (declared is None and not is_missing(node)):
            return
        if declared is None:
            said = "is missing"
        elif batched(declared, arriving):
            said = f"is {declared} with batch or time"
        else:
            self._contradiction(path, declared, arriving)
        start, end = dimensions(node, arriving)
        shape = {"input": np.array(arriving)}
        self.changed[path] = _rebuilt(path, node, input_type=shape, start_dim=start, end_dim=end)
        self.repairs.append(f"node {_name(path)}: input_type {said}, {arriving} follows from the graph")

    def _set(self, path: Path, shape: Shape, why: str) -> None:
        node = self.nodes[path]
        said = "is missing" if is_missing(node) else f"is {declared_shape(node)}"
        if isinstance(node, nir.Input):
            self.changed[path] = replace(node, input_type={"input": np.array(shape)})
        else:
            self.changed[path] = replace(node, output_type={"output": np.array(shape)})
        self.repairs.append(f"node {_name(path)}: its shape {said}, read as {shape}, {why}")

    def _contradiction(self, path: Path, declared: Shape, arriving: Shape) -> NoReturn:
        source = _name(self.before[path][0])
        raise GraphError(
            f"edge {source} -> {_name(path)}: {_name(path)} ({type(self.nodes[path]).__name__}) declares the shape "
            f"{declared}, {source} gives {arriving}",
            hint="correct one of the two, or leave the declared shape out",
        )


def _nodes(graph: nir.NIRGraph, prefix: Path) -> Iterator[tuple[Path, nir.NIRNode]]:
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            yield from _nodes(node, (*prefix, name))
        else:
            yield (*prefix, name), node


def _links(graph: nir.NIRGraph, prefix: Path) -> Iterator[tuple[Path, Path]]:
    """Edges between nodes; one to or from a subgraph ends at its only Input or Output."""
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            yield from _links(node, (*prefix, name))
    starts = {a: _door(graph, a, nir.Output) for a in {a for a, _ in graph.edges}}
    ends = {b: _door(graph, b, nir.Input) for b in {b for _, b in graph.edges}}
    for a, b in graph.edges:
        start, end = starts[a], ends[b]
        if start is not None and end is not None:
            yield (*prefix, *start), (*prefix, *end)


def _door(graph: nir.NIRGraph, end: str, kind: type[nir.NIRNode]) -> Path | None:
    path = find(graph.nodes, end)
    if path is None:
        return None
    node: nir.NIRNode = graph
    for name in path:
        node = node.nodes[name]
    if not isinstance(node, nir.NIRGraph):
        return path
    doors = [name for name, inner in node.nodes.items() if isinstance(inner, kind)]
    return (*path, doors[0]) if len(doors) == 1 else None


def _with(graph: nir.NIRGraph, changed: Mapping[Path, nir.NIRNode], prefix: Path) -> nir.NIRGraph:
    """A graph with some of its nodes replaced, wherever they are nested."""
    nodes = {
        name: _with(node, changed, (*prefix, name))
        if isinstance(node, nir.NIRGraph)
        else changed.get((*prefix, name), node)
        for name, node in graph.nodes.items()
    }
    return nir.NIRGraph(nodes, graph.edges, metadata=graph.metadata, type_check=False)


def _rebuilt(path: Path, node: Any, **values: Any) -> nir.NIRNode:
    try:
        with np.errstate(all="ignore"):
            return replace(node, **values)
    except Exception as error:  # nir raises index, type, value and arithmetic errors for odd strides and dimensions
        raise GraphError(
            f"node {_name(path)} ({type(node).__name__}) has contradictory parameters: {error or type(error).__name__}"
        ) from error


def _name(path: Path) -> str:
    return short(".".join(path))
