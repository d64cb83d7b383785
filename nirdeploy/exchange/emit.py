"""emit: the observed nodes as a NIR graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np

from nirdeploy.exchange.placing import Placing, Sources, without_sums
from nirdeploy.exchange.signals import ANY, Node, Shape
from nirdeploy.graph.extension import ConvTranspose2d, MaxPool2d
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics import neuron as equations
from nirdeploy.semantics.dialect import Dialect

_MEMBRANES: dict[type[Any], type[nir.NIRNode]] = {nir.IF: nir.I, nir.LIF: nir.LI, nir.CubaLIF: nir.CubaLI}
_WEIGHTS = (nir.Linear, nir.Affine, nir.Conv1d, nir.Conv2d, ConvTranspose2d)


@dataclass(frozen=True)
class Ending:
    """An output of the graph: its name, what it reads and the shape of it."""

    name: str
    sources: Sources
    shape: Shape


def emit(placing: Placing, inputs: Sequence[Node], endings: Sequence[Ending], dialect: Dialect) -> nir.NIRGraph:
    """The graph in ``dialect``; neurons that follow another say so themselves."""
    nodes = _needed([*inputs, *placing.nodes], endings)
    _fold(nodes, endings)
    graph = _Graph(placing, dialect.dt)
    for node in nodes:
        if node.made is not None or node.channelwise is not None:
            graph.add(node)
    for node in nodes:
        if node.name in graph.nodes:
            graph.connect(node, without_sums(node.sources))
    for ending in endings:
        graph.nodes[ending.name] = nir.Output({"output": np.array(ending.shape)})
        graph.end(ending, without_sums(ending.sources))
    for node in nodes:
        if node.dialect is not None and _differs(node, dialect):
            neuron: Any = node.made
            neuron.metadata = {dialects.METADATA_KEY: str(node.dialect)}
    metadata = {dialects.METADATA_KEY: str(dialect)}
    return nir.NIRGraph(nodes=graph.nodes, edges=graph.edges, metadata=metadata, type_check=False)


def read_out(node: Node) -> None:
    """Make a neuron of which only the membrane is read a node that never spikes, where no reset tells the two apart."""
    made, kind = node.made, _MEMBRANES.get(type(node.made))
    if kind is not None and node.dialect is not None and node.dialect.reset == "none" and node.feedback is None:
        node.made = kind(**{key: getattr(made, key) for key in equations.PARAMETERS[kind.__name__]})
        node.nature = ANY


def commonest(nodes: Sequence[Node], otherwise: Dialect) -> Dialect:
    """The dialect that most neurons follow."""
    own = [node.dialect for node in nodes if node.dialect is not None]
    return Counter(own).most_common(1)[0][0] if own else otherwise


def _differs(node: Node, dialect: Dialect) -> bool:
    """Whether a neuron would step otherwise under the graph's dialect."""
    assert node.dialect is not None
    own = node.dialect
    model = type(node.made).__name__
    if model in equations.RESETS:
        return replace(own, preset="nir") != replace(dialect, preset="nir")
    keys = ("dt", "discretization", "gain", "synapse_order")
    return model != "Threshold" and any(getattr(own, key) != getattr(dialect, key) for key in keys)


def _needed(nodes: Sequence[Node], endings: Sequence[Ending]) -> list[Node]:
    """The nodes that an output depends on, in their order; the inputs always."""
    wanted: set[int] = set()
    waiting = [node for ending in endings for node, _ in ending.sources]
    while waiting:
        node = waiting.pop()
        if id(node) not in wanted:
            wanted.add(id(node))
            waiting += [source for source, _ in node.sources]
    return [node for node in nodes if id(node) in wanted or isinstance(node.made, nir.Input)]


def _fold(nodes: Sequence[Node], endings: Sequence[Ending]) -> None:
    """Affine maps per channel into the weights before them, where those are read by nothing else."""
    for node in nodes:
        if node.channelwise is None:
            continue
        sources = without_sums(node.sources)
        readers = Counter(id(source) for ending in endings for source, _ in without_sums(ending.sources))
        for other in nodes:
            if other.made is not None or other.channelwise is not None:
                readers.update(id(source) for source, _ in without_sums(other.sources))
        weights = _weights(sources, node.channelwise, readers)
        if weights is not None:
            scale, shift = node.channelwise
            for index, source in enumerate(weights):
                source.made = _folded(source.made, scale, shift if index == 0 else 0 * shift)
            node.channelwise = None  # now only a sum of its sources


def _weights(sources: Sources, affine: tuple[np.ndarray, np.ndarray], readers: Counter[int]) -> list[Node] | None:
    """The weights that an affine map can become part of: before it, and before a pool that it commutes with."""
    if any(late or readers[id(source)] != 1 for source, late in sources):
        return None
    found = [source for source, _ in sources]
    if len(found) == 1 and _commutes(found[0].made, affine[0]):
        return _weights(without_sums(found[0].sources), affine, readers)
    return found if all(isinstance(source.made, _WEIGHTS) for source in found) else None


def _commutes(made: nir.NIRNode | None, scale: np.ndarray) -> bool:
    """Whether a pool of what an affine map gives is the map of what the pool gives."""
    rising = isinstance(made, MaxPool2d) and bool((scale > 0).all())
    return rising or (isinstance(made, nir.AvgPool2d) and not np.any(made.padding))


def _folded(made: Any, scale: np.ndarray, shift: np.ndarray) -> nir.NIRNode:
    if isinstance(made, ConvTranspose2d):  # its channels out stand second, group by group
        by_group = made.weight.astype(np.float64).reshape(made.groups, -1, *made.weight.shape[1:])
        whole = by_group * scale.reshape(made.groups, 1, -1, 1, 1)
        return replace(made, weight=whole.reshape(made.weight.shape), bias=scale * made.bias + shift)
    weight = made.weight.astype(np.float64) * scale.reshape(-1, *[1] * (made.weight.ndim - 1))
    before = getattr(made, "bias", None)
    bias = shift if before is None else scale * np.asarray(before, dtype=np.float64) + shift
    if isinstance(made, (nir.Linear, nir.Affine)):
        return nir.Affine(weight, bias) if bias.any() or before is not None else nir.Linear(weight)
    return type(made)(made.input_shape, weight, made.stride, made.padding, made.dilation, made.groups, bias)


def _channelwise(node: Node) -> nir.NIRNode:
    """An affine map per channel as a node of its own."""
    assert node.channelwise is not None
    (scale, shift), shape = node.channelwise, node.shape
    if not shift.any():
        return nir.Scale(np.broadcast_to(scale.reshape(-1, *[1] * (len(shape) - 1)), shape).copy())
    if len(shape) == 1:
        return nir.Affine(np.diag(scale), shift)
    weight = scale.reshape(-1, *[1] * len(shape))
    if len(shape) == 2:
        return nir.Conv1d(shape[1], weight, 1, 0, 1, shape[0], shift)
    return nir.Conv2d((shape[1], shape[2]), weight, (1, 1), (0, 0), (1, 1), shape[0], shift)


class _Graph:
    """Nodes and edges by name."""

    def __init__(self, placing: Placing, dt: float) -> None:
        self._names, self._dt = placing.names, dt
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []

    def add(self, node: Node) -> None:
        self.nodes[node.name] = _channelwise(node) if node.made is None else node.made
        if node.feedback is not None:
            back = self._names.new(f"{node.name}.recurrent")
            self.nodes[back] = node.feedback
            self.edges += [(node.name, back), (back, node.name)]

    def connect(self, node: Node, sources: Sources) -> None:
        for source, late in sources:
            circle = late > 0 and _reaches(node, source)  # a way back takes one step by itself
            self._edge(source, late - circle, node.name)

    def end(self, ending: Ending, sources: Sources) -> None:
        for source, late in sources:
            self._edge(source, late, ending.name)

    def _edge(self, source: Node, late: int, to: str) -> None:
        name = source.name
        if late:
            name = self._names.new(f"{source.name}.late")
            self.nodes[name] = nir.Delay(np.full(source.shape, late * self._dt))
            self.edges.append((source.name, name))
        self.edges.append((name, to))


def _reaches(start: Node, end: Node) -> bool:
    """Whether a signal of ``start`` comes to ``end``."""
    seen: set[int] = set()
    waiting = [end]
    while waiting:
        node = waiting.pop()
        if node is start:
            return True
        if id(node) not in seen:
            seen.add(id(node))
            waiting += [source for source, _ in node.sources]
    return False
