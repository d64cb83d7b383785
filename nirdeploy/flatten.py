"""flatten: nested NIR graphs become one flat graph, each node named by its path."""

from __future__ import annotations

from dataclasses import dataclass

import nir

from nirdeploy.errors import GraphError

_MAX_DEPTH = 24


@dataclass
class FlatGraph:
    """Nodes by path (``outer.inner``) and the edges between them, without repeats, in the graph's order."""

    nodes: dict[str, nir.NIRNode]
    edges: list[tuple[str, str]]

    def into(self, name: str) -> list[str]:
        return [a for a, b in self.edges if b == name]


def flatten(graph: nir.NIRGraph, where: str) -> FlatGraph:
    """Inline every subgraph; its Input and Output nodes give way to the edges through them.

    Raises:
        GraphError: an edge names a node that is not there, or a subgraph has several inputs or outputs
            and an edge does not say which.
    """
    flat = FlatGraph({}, [])
    _inline(graph, "", flat, where, 0)
    inner = [name for name, node in flat.nodes.items() if isinstance(node, _Gate)]
    for name in inner:
        before = [a for a, b in flat.edges if b == name]
        after = [b for a, b in flat.edges if a == name]
        joined = [(a, b) for a in before for b in after]
        flat.edges = [edge for edge in flat.edges if name not in edge] + joined
        del flat.nodes[name]
    flat.edges = list(dict.fromkeys(flat.edges))
    return flat


class _Gate:
    """Where a subgraph's Input or Output stood."""


def _inline(graph: nir.NIRGraph, prefix: str, flat: FlatGraph, where: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise GraphError(f"subgraph {prefix[:80]!r} is nested deeper than {_MAX_DEPTH}", where=where)
    gates: dict[str, tuple[list[str], list[str]]] = {}  # subgraph: its entries, its exits
    for name, node in graph.nodes.items():
        path = prefix + str(name)
        if isinstance(node, nir.NIRGraph):
            gates[str(name)] = (
                [f"{path}.{key}" for key, value in node.nodes.items() if isinstance(value, nir.Input)],
                [f"{path}.{key}" for key, value in node.nodes.items() if isinstance(value, nir.Output)],
            )
            _inline(node, f"{path}.", flat, where, depth + 1)
        elif path in flat.nodes:
            raise GraphError(f"two nodes are called {path!r} once the subgraphs are written out", where=where)
        else:
            inner = prefix and isinstance(node, (nir.Input, nir.Output))
            flat.nodes[path] = _Gate() if inner else node
    for a, b in graph.edges:
        ends = []
        for end, side in ((str(a), 1), (str(b), 0)):
            ends.append(_end(end, side, gates, prefix, flat, f"edge {prefix + str(a)!r} -> {prefix + str(b)!r}", where))
        flat.edges.append((ends[0], ends[1]))


def _end(
    end: str,
    side: int,
    gates: dict[str, tuple[list[str], list[str]]],
    prefix: str,
    flat: FlatGraph,
    edge: str,
    where: str,
) -> str:
    """The flat node an edge's end means: a node, a subgraph's only gate, or a gate named by its path."""
    if end in gates:
        doors = gates[end][side]
        if len(doors) == 1:
            return doors[0]
        kind = ("Input", "Output")[side]
        raise GraphError(
            f"{edge}: subgraph {end!r} has {len(doors)} {kind} nodes, the edge does not say which",
            where=where,
            hint=f"name one of them: {', '.join(doors)}" if doors else f"give the subgraph an {kind}",
        )
    if prefix + end in flat.nodes:
        return prefix + end
    raise GraphError(
        f"{edge} names the node {end!r}, which does not exist",
        where=where,
        hint=f"nodes: {', '.join(flat.nodes)}"[:300],
    )
