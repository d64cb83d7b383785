"""folding: every way from one population to the next, through the linear nodes between them, as one chain."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph import primitives
from nirdeploy.graph.chain import Chain
from nirdeploy.graph.extension import MaxPool2d
from nirdeploy.graph.flatten import FlatGraph
from nirdeploy.graph.inference import Inference
from nirdeploy.graph.linear import bias


class Folding:
    """One pass over a flat graph, from its inputs on.

    Attributes:
        shapes: of every population (and input).
        arriving: the chains that end on a population, in the order of its edges.
    """

    def __init__(self, graph: FlatGraph, inputs: Iterable[str], dt: float) -> None:
        self._graph, self._dt = graph, dt
        self._linear = self._linear_order()
        self._signals = Inference(graph)
        self._signals.follow(inputs)
        self._signals.follow_the_rest()
        self._signals.verify()
        self.shapes = {name: shape for name, shape in self._signals.leaving.items() if not self.is_linear(name)}
        self.arriving: dict[str, list[Chain]] = {}
        self._maxima: dict[str, list[Chain]] = {}
        waiting, walked = list(inputs), set[str]()
        while waiting or (waiting := [name for name in graph.nodes if name in self.shapes and name not in walked]):
            source = waiting.pop(0)
            if source not in walked:
                walked.add(source)
                waiting += self._walk(source)
        for name, chains in self._maxima.items():
            _check_apart(name, chains)
        self._leaving, self._behind = self._constants(), self._sources()

    def is_linear(self, name: str) -> bool:
        return primitives.is_linear(self._graph.nodes[name])

    def _linear_order(self) -> list[str]:
        """The linear nodes in the order of the signal. Raises on a cycle of them alone."""
        linear = [name for name in self._graph.nodes if self.is_linear(name)]
        left = dict.fromkeys(linear, 0)
        for a, b in self._graph.edges:
            if a in left and b in left:
                left[b] += 1
        ready = [name for name in linear if not left[name]]
        for name in ready:
            for target in self._graph.out_of(name):
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
        """Follow one population's signal; returns the populations that it reaches."""
        here: dict[str, list[Chain]] = {}
        found: list[str] = []

        def deliver(chain: Chain, to: str) -> None:
            if self.is_linear(to):
                here.setdefault(to, []).append(chain)
                return
            self.arriving.setdefault(to, []).append(chain)
            found.append(to)

        shape = self.shapes[source]
        start = Chain(source, math.prod(shape), shape)
        for target in self._graph.out_of(source):
            deliver(start, target)
        for name in self._linear:
            for chain in _merged(name, here.get(name, [])):
                if isinstance(self._graph.nodes[name], MaxPool2d):
                    self._maxima.setdefault(name, []).append(chain)
                for onward in self._through(chain, name):
                    for target in self._graph.out_of(name):
                        deliver(onward, target)
        return found

    def _through(self, chain: Chain, name: str) -> list[Chain]:
        through = primitives.known(self._graph.nodes[name]).through
        assert through is not None
        return through(chain, name, self._graph.nodes[name], self._signals.leaving[name], self._dt)

    def _constants(self) -> dict[str, dict[int, np.ndarray]]:
        """What the biases leave behind each linear node, by the step in which it begins: a Delay holds it back."""
        leaving: dict[str, dict[int, np.ndarray]] = {}
        for name in self._linear:
            node, out_shape = self._graph.nodes[name], self._signals.leaving[name]
            shape = self._signals.one(name)
            assert shape is not None
            there = self._through(Chain(name, math.prod(shape), shape), name)
            parts: dict[int, np.ndarray] = {0: np.zeros(out_shape) + bias(name, node, out_shape)}
            for source in self._graph.into(name):
                for begins, values in leaving.get(source, {}).items():
                    for chain in there:
                        _add(parts, begins + chain.delay, _through(chain, values).reshape(out_shape))
            if not all(np.isfinite(values).all() for values in parts.values()):
                raise GraphError(
                    f"node {name!r}: the sum of the biases up to here overflows",
                    hint="the biases are far too large: look at them, and export the network again",
                )
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


def _merged(name: str, chains: list[Chain]) -> list[Chain]:
    """Chains that meet in one node, added where they are delayed alike; a maximum is no sum, and stays apart."""
    merged: list[Chain] = []
    by_delay: dict[int, int] = {}  # where in merged
    for chain in chains:
        index = None if chain.maximum is not None else by_delay.get(chain.delay)
        if index is not None:
            merged[index] = merged[index].plus(chain, name)
            continue
        if chain.maximum is None:
            by_delay[chain.delay] = len(merged)
        merged.append(chain)
    return merged


def _check_apart(name: str, chains: list[Chain]) -> None:
    """The maximum of a sum is the sum of maxima only where all but one of the terms are zero: in other channels."""
    taken: dict[int, Chain] = {}
    for chain in chains:
        operator = chain.finished().operator
        assert operator is not None
        live = operator.reach(np.ones(operator.inputs)).reshape(chain.shape[0], -1).any(axis=1)
        for channel in np.flatnonzero(live):
            other = taken.setdefault(int(channel), chain)
            if other is not chain:
                raise GraphError(
                    f"node {name!r} takes the maximum over windows of a sum: in channel {channel} of what "
                    f"{other.source!r} sends, {other.delay} steps late, and {chain.source!r}, {chain.delay} steps late",
                    hint="put neurons between the sum and the maximum",
                )


def _through(chain: Chain, values: np.ndarray) -> np.ndarray:
    """A constant through a chain of one node."""
    flat = values.ravel()
    pooled = flat if chain.pool is None else chain.pool.apply(flat)
    with np.errstate(over="ignore", invalid="ignore"):
        through = pooled if chain.operator is None else chain.operator.apply(pooled)
    if chain.maximum is None:
        return through
    by_channel = through.reshape(chain.maximum.shape[0], -1)
    if (by_channel != by_channel[:, :1]).any():
        raise GraphError(
            f"node {chain.nodes[-1]!r} takes the maximum over windows where the biases differ within a channel",
            hint="put neurons in front of the maximum, or one bias for each channel",
        )
    return chain.maximum.apply(through)
