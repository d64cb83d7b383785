"""inference: the shapes of all signals of a flat graph, from its inputs on, each node asked once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import nir

from nirdeploy.errors import GraphError
from nirdeploy.graph import primitives
from nirdeploy.graph.flatten import FlatGraph
from nirdeploy.graph.shapes import Shape


class Inference:
    """What arrives at every node and what leaves it, as far as it follows from the inputs.

    ``leaving``: by node; ``arriving``: by node, the shape that each node in front of it gives. What no input reaches
    (populations that drive each other) follows from the parameters there.

    Args:
        amended: called with a node's name and the shape that arrives, before the node is asked; may put another node
            in its place (see :attr:`nodes`).
    """

    def __init__(
        self,
        graph: FlatGraph,
        amended: Callable[[str, nir.NIRNode, Shape], nir.NIRNode] = lambda name, node, shape: node,
    ) -> None:
        self.graph, self.nodes, self._amended = graph, dict(graph.nodes), amended
        self.leaving: dict[str, Shape] = {}
        self.arriving: dict[str, dict[str, Shape]] = {name: {} for name in graph.nodes}

    def follow(self, starts: Iterable[str]) -> None:
        """Follow the signals that leave some nodes."""
        waiting = deque(starts)
        while waiting:
            name = waiting.popleft()
            if name in self.leaving:
                continue
            shape = self._given(name)
            if shape is None:
                continue
            self.leaving[name] = shape
            for to in self.graph.out_of(name):
                self.arriving[to].setdefault(name, shape)
                waiting.append(to)

    def follow_the_rest(self) -> None:
        """Follow the signals that come from no input, each from a node whose parameters tell its shape."""
        for name, node in self.graph.nodes.items():
            row = primitives.of(node)
            if name not in self.leaving and not self.arriving[name] and row is not None and row.rule.alone(node):
                self.follow([name])

    def one(self, name: str) -> Shape | None:
        """The one shape that arrives at a node, if it is known."""
        shapes = set(self.arriving[name].values())
        return shapes.pop() if len(shapes) == 1 else None

    def verify(self) -> None:
        """Raises :class:`GraphError` where a shape does not fit, or is not known."""
        for name, node in self.nodes.items():
            found = set(self.arriving[name].values())
            if len(found) > 1:
                raise GraphError(
                    f"node {name!r} receives inputs of shapes {sorted(found)}, expected one",
                    hint="let all of them give the same shape, or insert a Flatten",
                )
            if found:
                row = primitives.known(node)
                row.rule.gives(node, found.pop(), name, next(iter(self.arriving[name])))
        for name in self.nodes:
            if name not in self.leaving:
                raise GraphError(f"no way leads from an Input to node {name!r}", hint="connect or remove it")

    def _given(self, name: str) -> Shape | None:
        row, arriving = primitives.of(self.nodes[name]), self.one(name)
        if row is None:
            return None
        if arriving is None:
            return row.rule.alone(self.nodes[name])
        self.nodes[name] = self._amended(name, self.nodes[name], arriving)
        try:
            return row.rule.gives(self.nodes[name], arriving, name, next(iter(self.arriving[name])))
        except GraphError:  # for check to say
            return None
