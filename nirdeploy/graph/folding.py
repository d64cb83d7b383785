"""folding: every way from one population to the next, through the linear nodes between them, as one chain."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.chain import Chain
from nirdeploy.graph.flatten import FlatGraph
from nirdeploy.graph.linear import LINEAR, bias, through


class Folding:
    """One pass over a flat graph, from its inputs on.

    Attributes:
        shapes: of every population (and input) that the inputs reach.
        arriving: the chains that end on a population, in the order of its edges.
    """

    def __init__(self, graph: FlatGraph, inputs: Mapping[str, tuple[int, ...]], dt: float) -> None:
        self._graph, self._dt = graph, dt
        self._out_of: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for a, b in graph.edges:
            self._out_of[a].append(b)
        self._linear = self._linear_order()
        self._signals: dict[str, tuple[int, ...]] = {}  # shape in front of a linear node
        self.shapes: dict[str, tuple[int, ...]] = dict(inputs)
        self.arriving: dict[str, list[Chain]] = {}
        waiting = list(inputs)
        while waiting:
            waiting += self._walk(waiting.pop(0))
        self._unreached()
        self._leaving, self._behind = self._constants(), self._sources()

    def is_linear(self, name: str) -> bool:
        return isinstance(self._graph.nodes[name], LINEAR)

    def _linear_order(self) -> list[str]:
        """The linear nodes in the order of the signal. Raises on a cycle of them alone."""
        linear = [name for name in self._graph.nodes if self.is_linear(name)]
        left = dict.fromkeys(linear, 0)
        for a, b in self._graph.edges:
            if a in left and b in left:
                left[b] += 1
        ready = [name for name in linear if not left[name]]
        for name in ready:
            for target in self._out_of[name]:
                if target in left:
                    left[target] -= 1
                    if not left[target]:
                        ready.append(target)
        stuck = [name for name in linear if left[name]]
        if stuck:
            raise GraphError(
                f"the linear nodes {' -> '.join(map(repr, stuck[:6]))} form a cycle without a neuron in it",
                hint="put a population into the loop",
            )
        return ready

    def _walk(self, source: str) -> list[str]:
        """Follow one population's signal; returns the populations whose shape it made known."""
        shape = self.shapes[source]
        here: dict[str, list[Chain]] = {}
        found: list[str] = []

        def deliver(chain: Chain, to: str) -> None:
            if self.is_linear(to):
                here.setdefault(to, []).append(chain)
                return
            self.arriving.setdefault(to, []).append(chain)
            if to not in self.shapes:
                self.shapes[to] = chain.shape
                found.append(to)
            elif self.shapes[to] != chain.shape:
                raise GraphError(
                    f"node {to!r} receives inputs of shapes {sorted({self.shapes[to], chain.shape})}, expected one"
                )

        start = Chain(source, math.prod(shape), shape)
        for target in self._out_of[source]:
            deliver(start, target)
        for name in self._linear:
            for chain in self._merged(name, here.get(name, [])):
                for onward in through(chain, name, self._graph.nodes[name], self._dt):
                    for target in self._out_of[name]:
                        deliver(onward, target)
        return found

    def _merged(self, name: str, chains: list[Chain]) -> list[Chain]:
        """Chains that meet in one node, added where they are delayed alike."""
        by_delay: dict[int, Chain] = {}
        for chain in chains:
            known = self._signals.setdefault(name, chain.shape)
            if known != chain.shape:
                shapes = sorted({known, chain.shape})
                raise GraphError(f"node {name!r} receives inputs of shapes {shapes}, expected one")
            there = by_delay.get(chain.delay)
            by_delay[chain.delay] = chain if there is None else there.plus(chain, name)
        return list(by_delay.values())

    def _unreached(self) -> None:
        for name in self._graph.nodes:
            if name not in self.shapes and name not in self._signals:
                raise GraphError(f"no way leads from an Input to node {name!r}", hint="connect or remove it")

    def _constants(self) -> dict[str, dict[int, np.ndarray]]:
        """What the biases leave behind each linear node, by the step in which it begins: a Delay holds it back."""
        leaving: dict[str, dict[int, np.ndarray]] = {}
        for name in self._linear:
            node, shape = self._graph.nodes[name], self._signals[name]
            there = through(Chain(name, math.prod(shape), shape), name, node, self._dt)
            out_shape = there[0].shape
            parts: dict[int, np.ndarray] = {0: np.zeros(out_shape) + bias(name, node, out_shape)}
            for source in self._graph.into(name):
                for begins, values in leaving.get(source, {}).items():
                    for chain in there:
                        _add(parts, begins + chain.delay, _through(chain, values).reshape(out_shape))
            if not all(np.isfinite(values).all() for values in parts.values()):
                raise GraphError(f"node {name!r}: the sum of the biases up to here overflows")
            leaving[name] = parts
        return leaving

    def constant(self, name: str, behind: set[str]) -> dict[int, np.ndarray]:
        """A population's constant current (its shape) by the step in which it begins.

        What comes only with the spikes of populations ``behind`` it begins in step 1 at the earliest.
        """
        total: dict[int, np.ndarray] = {0: np.zeros(self.shapes[name])}
        for source in self._graph.into(name):
            late = source in self._leaving and self._behind[source] <= behind
            for begins, values in self._leaving.get(source, {}).items():
                _add(total, max(begins, int(late)), values)
        return {begins: values for begins, values in total.items() if begins == 0 or values.any()}

    def _sources(self) -> dict[str, set[str]]:
        """The populations in front of each linear node."""
        found: dict[str, set[str]] = {}
        for name in self._linear:
            found[name] = set()
            for source in self._graph.into(name):
                found[name] |= found.get(source, {source})
        return found


def _add(parts: dict[int, np.ndarray], begins: int, values: np.ndarray) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        parts[begins] = parts[begins] + values if begins in parts else values


def _through(chain: Chain, values: np.ndarray) -> np.ndarray:
    """A constant through a chain of one node."""
    flat = values.ravel()
    pooled = flat if chain.pool is None else chain.pool.apply(flat)
    with np.errstate(over="ignore", invalid="ignore"):
        return pooled if chain.operator is None else chain.operator.apply(pooled)
