"""flatten: nested NIR graphs become one flat graph, each node named by its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import nir

from nirdeploy.errors import GraphError, meant

_MAX_DEPTH = 24


@dataclass(frozen=True)
class FlatGraph:
    """Nodes by path (``outer.inner``) and the edges between them, without repeats, in the graph's order.

    ``paths``: of each node, the names of the subgraphs around it and its own.
    """

    nodes: dict[str, nir.NIRNode]
    edges: list[tuple[str, str]]
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def into(self, name: str) -> list[str]:
        """The nodes with an edge to this one."""
        return self._neighbours[0].get(name, [])

    def out_of(self, name: str) -> list[str]:
        """The nodes that this one has an edge to."""
        return self._neighbours[1].get(name, [])

    @cached_property
    def _neighbours(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        into: dict[str, list[str]] = {}
        out_of: dict[str, list[str]] = {}
        for a, b in self.edges:
            into.setdefault(b, []).append(a)
            out_of.setdefault(a, []).append(b)
        return into, out_of


def flatten(graph: nir.NIRGraph, where: str = "", *, doors: bool = False) -> FlatGraph:
    """Inline every subgraph; its Input and Output nodes give way to the edges through them.

    Args:
        doors: keep the Input and Output nodes of subgraphs.

    Raises:
        GraphError: an edge names a node that is not there, or a subgraph has several inputs or outputs
            and an edge does not say which.
    """
    flat = FlatGraph({}, [])
    _inline(graph, (), flat, where)
    if doors:
        return FlatGraph(flat.nodes, list(dict.fromkeys(flat.edges)), flat.paths)
    nodes, edges = dict(flat.nodes), flat.edges
    for name, node in flat.nodes.items():
        if len(flat.paths[name]) > 1 and isinstance(node, (nir.Input, nir.Output)):
            before = [a for a, b in edges if b == name]
            after = [b for a, b in edges if a == name]
            edges = [edge for edge in edges if name not in edge] + [(a, b) for a in before for b in after]
            del nodes[name]
    return FlatGraph(nodes, list(dict.fromkeys(edges)), {name: flat.paths[name] for name in nodes})


def _inline(graph: nir.NIRGraph, above: tuple[str, ...], flat: FlatGraph, where: str) -> None:
    prefix = "".join(f"{name}." for name in above)
    if len(above) > _MAX_DEPTH:
        raise GraphError(
            f"subgraph {prefix[:80]!r} is nested deeper than {_MAX_DEPTH}",
            where=where,
            hint="write the graph out, or nest it less deeply",
        )
    gates: dict[str, tuple[list[str], list[str]]] = {}  # subgraph: its entries, its exits
    for name, node in graph.nodes.items():
        path = prefix + str(name)
        if isinstance(node, nir.NIRGraph):
            gates[str(name)] = (
                [f"{path}.{key}" for key, value in node.nodes.items() if isinstance(value, nir.Input)],
                [f"{path}.{key}" for key, value in node.nodes.items() if isinstance(value, nir.Output)],
            )
            _inline(node, (*above, str(name)), flat, where)
        elif path in flat.nodes:
            raise GraphError(
                f"two nodes are called {path!r} once the subgraphs are written out",
                where=where,
                hint="give one of them another name",
            )
        else:
            flat.nodes[path] = node
            flat.paths[path] = (*above, str(name))
    for a, b in graph.edges:
        ends = []
        for end, side in ((str(a), 1), (str(b), 0)):
            edge = f"edge {prefix + str(a)!r} -> {prefix + str(b)!r}"
            ends.append(_end(end, side, gates, prefix, flat.nodes, edge, where))
        flat.edges.append((ends[0], ends[1]))


def _end(
    end: str,
    side: int,
    gates: dict[str, tuple[list[str], list[str]]],
    prefix: str,
    nodes: dict[str, nir.NIRNode],
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
    if prefix + end in nodes:
        return prefix + end
    raise GraphError(
        f"{edge} names the node {end!r}, which does not exist",
        where=where,
        hint=meant(end, nodes, "nodes:")[:300],
    )
