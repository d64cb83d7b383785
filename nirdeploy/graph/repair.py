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

from nirdeploy.errors import GraphError, near
from nirdeploy.graph import primitives
from nirdeploy.graph.flatten import flatten
from nirdeploy.graph.inference import Inference
from nirdeploy.graph.shapes import (
    Shape,
    batched,
    declared_shape,
    dimensions,
    is_missing,
    leads,
    unfilled,
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
        meant = f"did you mean {short(one)}? " if (one := near(missing[0], nodes)) else ""
        raise GraphError(
            f"edge {short(a)} -> {short(b)} names the node {short(missing[0])}, which does not exist"
            + ("" if label == "the graph" else f" in {label}"),
            hint=(meant + f"nodes: {', '.join(short(name) for name in islice(nodes, 50))}")[:300],
        )
    times = Counter(pairs)
    repairs += [
        f"{label}: edge {short(a)} -> {short(b)} stands there {count} times, read once"
        for (a, b), count in islice(((pair, count) for pair, count in times.items() if count > 1), _MOST_LINES)
    ]
    return list(times), repairs


def nested(
    pairs: list[Edge], nodes: dict[str, nir.NIRNode], label: str
) -> tuple[list[Edge], dict[str, nir.NIRNode], list[str]]:
    """Edges and nodes, with nodes called ``l.lif`` in a subgraph ``l`` where edges speak of it."""
    ends = dict.fromkeys(end for pair in pairs for end in pair)
    repairs = []
    for outer in [end for end in ends if end and find(nodes, end) is None]:
        start = f"{outer}."
        inside = {name.removeprefix(start): node for name, node in nodes.items() if name.startswith(start)}
        if not inside or outer in nodes:
            continue
        own = [(a, b) for a, b in pairs if a.startswith(start) and b.startswith(start)]
        inner, within, deeper = nested([(a.removeprefix(start), b.removeprefix(start)) for a, b in own], inside, label)
        nodes = {name: node for name, node in nodes.items() if not name.startswith(start)}
        nodes[outer] = nir.NIRGraph(within, inner, type_check=False)
        pairs = [pair for pair in pairs if pair not in own]
        names = ", ".join(short(start + name) for name in islice(inside, 8))
        repairs += [f"{label}: its edges name {short(outer)}, read as a subgraph of {names}", *deeper]
    return pairs, nodes, repairs


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
    """One walk through a graph, its subgraphs written out, from the inputs on."""

    def __init__(self, graph: nir.NIRGraph) -> None:
        self.graph = graph
        self.flat = flatten(graph, doors=True)
        self.signals = Inference(self.flat, self._amended)
        self.repairs: list[str] = []

    def repaired(self) -> tuple[nir.NIRGraph, list[str]]:
        nodes, into = self.flat.nodes, self.flat.into
        sources = [name for name, node in nodes.items() if isinstance(node, nir.Input) and not into(name)]
        for name in sources:
            self._repair_source(name)
        self.signals.follow(sources)
        self.signals.follow_the_rest()
        for name, node in nodes.items():
            if into(name) and (
                isinstance(node, nir.Output) or (isinstance(node, nir.Input) and len(self.flat.paths[name]) > 1)
            ):
                self._repair_gate(name, node)
            elif isinstance(node, (nir.Conv1d, nir.Conv2d)):
                self._repair_convolution(name, node)
        for name, node in self.signals.nodes.items():
            if isinstance(node, (nir.Input, nir.Output)) and is_missing(node):
                raise GraphError(
                    f"node {short(name)} ({type(node).__name__}) has no parameter 'shape', and its neighbours do not "
                    "tell it"
                )
        changed = {self.flat.paths[name]: node for name, node in self.signals.nodes.items() if node is not nodes[name]}
        return (_with(self.graph, changed, ()) if changed else self.graph), self.repairs

    def _amended(self, name: str, node: nir.NIRNode, arriving: Shape) -> nir.NIRNode:
        """A node, as the shape that arrives shows it to be meant."""
        return self._flatten(name, node, arriving) if isinstance(node, nir.Flatten) else node

    def _repair_source(self, name: str) -> None:
        node = self.flat.nodes[name]
        declared, missing = declared_shape(node), is_missing(node)
        if declared is None and not missing:  # nonsense is for check to name
            return
        wanted = self._wanted(name, declared)
        found = set(wanted.values())
        if len(found) != 1 or found == {declared}:
            return
        shape = found.pop()
        if declared is None or leads(declared, shape):
            self._set(name, shape, f"that {min(map(short, wanted))} takes")

    def _wanted(self, name: str, offered: Shape | None) -> dict[str, Shape]:
        """What those that read a node ask for, where they say."""
        asked: dict[str, Shape] = {}
        for to in islice(self._readers(name), _MOST_READERS):
            row = primitives.of(self.flat.nodes[to])
            shape = row.rule.wants(self.flat.nodes[to], offered) if row is not None else None
            asked |= {to: shape} if shape is not None else {}
        return asked

    def _readers(self, name: str) -> Iterator[str]:
        """What reads a node, seen through the doors of subgraphs."""
        seen, waiting = {name}, deque(self.flat.out_of(name))
        while waiting:
            to = waiting.popleft()
            if to in seen:
                continue
            seen.add(to)
            if isinstance(self.flat.nodes[to], (nir.Input, nir.Output)) and self.flat.out_of(to):
                waiting.extend(self.flat.out_of(to))
            else:
                yield to

    def _repair_gate(self, name: str, node: nir.NIRNode) -> None:
        """An Output, or a subgraph's Input: its shape is what arrives."""
        arriving, declared = self.signals.one(name), declared_shape(node)
        if arriving is None or declared == arriving or (declared is None and not is_missing(node)):
            return
        wanted = set(self._wanted(name, arriving).values())
        if declared is None or math.prod(declared) == math.prod(arriving) or leads(declared, arriving):
            self._set(name, arriving, f"that {short(self.flat.into(name)[0])} gives")
        elif wanted == {arriving}:
            self._set(name, arriving, f"that {short(self.flat.into(name)[0])} gives and what reads it takes")
        elif not self._is_beside_itself(self.flat.into(name)[0], arriving):
            self._contradiction(name, declared, arriving)

    def _is_beside_itself(self, name: str, leaving: Shape) -> bool:
        """Whether a node's parameters are of another shape than what leaves it: that is for check to say."""
        row = primitives.of(self.flat.nodes[name])
        own = None if row is None else row.rule.alone(self.flat.nodes[name])
        return own is not None and own != leaving

    def _repair_convolution(self, name: str, node: Any) -> None:
        arriving, spatial = self.signals.one(name), 1 if isinstance(node, nir.Conv1d) else 2
        if arriving is None or len(arriving) != spatial + 1:
            return
        size = arriving[1:]
        if node.input_shape is None:
            value = np.array(size) if spatial == 2 else np.int64(size[0])
            self.signals.nodes[name] = _rebuilt(name, node, input_shape=value)
            self.repairs.append(f"node {short(name)}: input_shape is missing, {size} follows from the graph")
        elif (declared := whole_numbers(node.input_shape)) is not None and declared != size:
            self._contradiction(name, declared, size)

    def _flatten(self, name: str, node: nir.Flatten, arriving: Shape) -> nir.NIRNode:
        declared = declared_shape(node)
        if declared is None and not is_missing(node) and not unfilled(node):
            return node
        if declared is None:
            said = "input_type is missing" if is_missing(node) else "input_type is zeros"
        elif declared == arriving:
            said = ""
        elif batched(declared, arriving):
            said = f"input_type is {declared} with batch or time"
        else:
            self._contradiction(name, declared, arriving)
        start, end = self._joined(name, node, arriving)
        batch = "" if start == node.start_dim else f"its start_dim {node.start_dim} counts the batch, read as {start}"
        if said:
            batch = batch and f"; {batch}"
            self.repairs.append(f"node {short(name)}: {said}, {arriving} follows from the graph{batch}")
        elif batch:
            self.repairs.append(f"node {short(name)}: {batch}, as what reads it takes")
        else:
            return node
        shape = {"input": np.array(arriving)}
        return _rebuilt(name, node, input_type=shape, start_dim=start, end_dim=end)

    def _joined(self, name: str, node: nir.Flatten, arriving: Shape) -> tuple[int, int]:
        """The dimensions to join: one less, where only that fits what reads the node."""
        start, end = dimensions(node, arriving)
        less = start - 1, end - 1 if end > 0 else end
        if start < 1:
            return start, end
        wanted = set(self._wanted(name, None).values())
        shapes = [_flattened(name, node, first, last, arriving) for first, last in ((start, end), less)]
        return less if len(wanted) == 1 and shapes[0] not in wanted and shapes[1] in wanted else (start, end)

    def _set(self, name: str, shape: Shape, why: str) -> None:
        node = self.flat.nodes[name]
        said = "is missing" if is_missing(node) else f"is {declared_shape(node)}"
        if isinstance(node, nir.Input):
            self.signals.nodes[name] = replace(node, input_type={"input": np.array(shape)})
        else:
            self.signals.nodes[name] = replace(node, output_type={"output": np.array(shape)})
        self.repairs.append(f"node {short(name)}: its shape {said}, read as {shape}, {why}")

    def _contradiction(self, name: str, declared: Shape, arriving: Shape) -> NoReturn:
        source, kind = short(self.flat.into(name)[0]), type(self.flat.nodes[name]).__name__
        raise GraphError(
            f"edge {source} -> {short(name)}: {short(name)} ({kind}) declares the shape {declared}, {source} gives "
            f"{arriving}",
            hint="correct one of the two, or leave the declared shape out",
        )


def _flattened(name: str, node: nir.Flatten, start: int, end: int, arriving: Shape) -> Shape | None:
    tried = _rebuilt(name, node, input_type={"input": np.array(arriving)}, start_dim=start, end_dim=end)
    try:
        return primitives.known(tried).rule.gives(tried, arriving, name, name)
    except GraphError:
        return None


def _with(graph: nir.NIRGraph, changed: Mapping[Path, nir.NIRNode], prefix: Path) -> nir.NIRGraph:
    """A graph with some of its nodes replaced, wherever they are nested."""
    nodes = {
        name: _with(node, changed, (*prefix, name))
        if isinstance(node, nir.NIRGraph)
        else changed.get((*prefix, name), node)
        for name, node in graph.nodes.items()
    }
    return nir.NIRGraph(nodes, graph.edges, metadata=graph.metadata, type_check=False)


def _rebuilt(name: str, node: Any, **values: Any) -> Any:
    try:
        with np.errstate(all="ignore"):
            return replace(node, **values)
    except Exception as error:  # nir raises index, type, value and arithmetic errors for odd strides and dimensions
        raise GraphError(
            f"node {short(name)} ({type(node).__name__}) has contradictory parameters: {error or type(error).__name__}"
        ) from error
