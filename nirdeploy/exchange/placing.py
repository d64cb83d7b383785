"""placing: a call on what it reads becomes nodes of the graph to be.

Whatever a net moves between two layers (a permutation, channels put together, padding) is folded into the weights
that read it where they can say it, goes through a convolution of ones and zeros where those can, and is written out
as a matrix else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch

from nirdeploy.exchange import moves, ops
from nirdeploy.exchange.naming import Names
from nirdeploy.exchange.ops import Array, Op
from nirdeploy.exchange.reading import Part, Reading, Unwritten
from nirdeploy.exchange.signals import ANY, COUNTS, NATURES, POSITIVE, SPIKES, Node, Shape
from nirdeploy.graph.chain import MAX_WEIGHTS
from nirdeploy.semantics import dialect as dialects

Sources = list[tuple[Node, int]]
_COUNTING = "gain=one,threshold=>=,reset=subtract,spikes=multi"


class Placing:
    """The nodes so far, in the order of the run.

    ``array``: turns parameters into the graph's arrays; ``dt``: seconds per step.
    """

    def __init__(self, names: Names, array: Array, dt: float) -> None:
        self.names, self.array, self.dt = names, array, dt
        self.nodes: list[Node] = []
        self._known: dict[Any, list[Node]] = {}

    def add(self, name: str, made: nir.NIRNode | None, shape: Shape, sources: Sources, **more: Any) -> Node:
        node = Node(self.names.new(name), made, shape, sources, **more)
        self.nodes.append(node)
        return node

    def once(self, key: tuple[Any, ...], sources: Sources, make: Callable[[], Node]) -> Node:
        """The node of a call: the same for the same call on the same signals, as a loop over time makes it.

        What comes back from the step before is not there in the first step: later steps add it to the node.
        """
        calls = self._known.setdefault(key, [])
        for node in calls:
            if only_late_added(node.sources, sources):
                there = set(without_sums(node.sources))
                node.sources = [*node.sources, *(one for one in without_sums(sources) if one not in there)]
                return node
        calls.append(make())
        return calls[-1]

    def calls_of(self, key: tuple[Any, ...]) -> list[Node]:
        """The nodes that a call made so far."""
        return self._known.get(key, [])

    def arriving(self, reading: Reading, name: str, *, flat: bool = True) -> tuple[Sources, Shape]:
        """Nodes whose sum is what is read, and its shape: the reading's, or (``flat``) flattened if no node has it."""
        found: Sources = []
        for part in reading.parts:
            source = self._as_shape(part, reading.shape, name)
            if source is None:
                if not flat:
                    raise Unwritten(
                        f"it takes {reading.shape}, which nothing in NIR makes of the {part.node.shape} of "
                        f"{part.node.name}",
                        "keep the shape (channels, height, width) from layer to layer",
                    )
                return self.arriving(replace(reading, shape=(math.prod(reading.shape),)), name)
            found.append(source)
        return self._without_twins(found, name), reading.shape

    def _as_shape(self, part: Part, shape: Shape, name: str) -> tuple[Node, int] | None:
        node, late = part.node, part.late
        if part.where is None and node.shape == shape:
            return node, late
        if part.where is None:
            dims = moves.merged(node.shape, shape)
            if dims is not None:
                made = nir.Flatten({"input": np.array(node.shape)}, start_dim=dims[0], end_dim=dims[1])
                return self._between(made, shape, node, late, f"{name}.flatten", ("flatten", shape)), 0
        where = np.arange(math.prod(shape)) if part.where is None else part.where
        picked = moves.picked(where, node.shape, shape)
        if picked is not None:
            made = moves.selection(picked, node.shape)
            return self._between(made, shape, node, late, f"{name}.moved", ("moved", shape, hash(where.tobytes()))), 0
        if len(shape) != 1:
            return None
        weight = np.zeros((shape[0], math.prod(node.shape)))
        self._room(weight.size)
        there = np.flatnonzero(where >= 0)
        weight[there, where[there]] = 1.0
        return self._between(
            nir.Linear(weight), shape, self._flat(node, name), late, f"{name}.moved", (shape, hash(where.tobytes()))
        ), 0

    def _between(
        self, made: nir.NIRNode, shape: Shape, source: Node, late: int, name: str, key: tuple[Any, ...]
    ) -> Node:
        sources = [(source, late)]
        return self.once(key, sources, lambda: self.add(name, made, shape, sources, nature=source.nature))

    def _flat(self, node: Node, name: str) -> Node:
        if len(node.shape) == 1:
            return node
        flat = (math.prod(node.shape),)
        made = nir.Flatten({"input": np.array(node.shape)}, start_dim=0, end_dim=-1)
        return self._between(made, flat, node, 0, f"{name}.flatten", ("flatten", flat))

    def _without_twins(self, sources: Sources, name: str) -> Sources:
        """A source that is read twice, doubled instead: an edge stands once."""
        found: Sources = []
        for node, late in dict.fromkeys(sources):
            times = sources.count((node, late))
            if times > 1:
                made = nir.Scale(np.full(node.shape, float(times)))
                node = self._between(made, node.shape, node, 0, f"{name}.times", ("times", times))
            found.append((node, late))
        return found

    # --- calls ------------------------------------------------------------------------

    def place(self, op: Op, reading: Reading, out: Shape, name: str, key: tuple[Any, ...]) -> Node:
        """The node of an op whose output has the own shape ``out``."""
        if isinstance(op, (ops.Dense, ops.Conv)):
            return self._weights(op, reading, out, name, key)
        if isinstance(op, ops.Channelwise):
            return self._channelwise(op, reading, name, key)
        if isinstance(op, ops.Times):
            return self._times(op, reading, name, key)
        if isinstance(op, ops.MaxPool):
            return self._maximum(op, reading, out, name, key)
        sources, shape = self.arriving(reading, name)
        made = op.node(shape, self.array)
        if made is None or shape != reading.shape:
            return self._matrix(op, reading, out, name, key)
        nature = _pooled(op, min_nature(reading)) if isinstance(op, ops.Pool) else ANY
        return self.once(key, sources, lambda: self.add(name, made, out, sources, nature=nature))

    def _weights(self, op: ops.Dense | ops.Conv, reading: Reading, out: Shape, name: str, key: tuple[Any, ...]) -> Node:
        """One node per source, each with the weights that read it; the first has the bias."""
        single = len(reading.parts) == 1 and reading.parts[0].where is None
        if single:
            source = self._as_shape(reading.parts[0], reading.shape, name)
            made = op.node(reading.shape, self.array) if source is not None else None
            if source is not None and made is not None:
                return self.once(key, [source], lambda: self.add(name, made, out, [source]))
        if isinstance(op, ops.Conv) and op.node(reading.shape, self.array) is not None:
            found = self._by_channels(op, reading, out, name, key)
            if found is not None:
                return found
        return self._matrix(op, reading, out, name, key)

    def _by_channels(self, op: ops.Conv, reading: Reading, out: Shape, name: str, key: tuple[Any, ...]) -> Node | None:
        pieces: list[tuple[Node, int, ops.Conv]] = []
        for index, part in enumerate(reading.parts):
            where = reading.positions(part)
            picked = moves.picked(where, part.node.shape, reading.shape)
            if picked is None:
                return None
            mine = op if index == 0 else replace(op, bias=None)
            if picked.spatial_same(part.node.shape, reading.shape):
                pieces.append((part.node, part.late, mine.of_channels(picked.channels, part.node.shape[0])))
            else:
                moved = self._as_shape(part, reading.shape, name)
                assert moved is not None
                pieces.append((*moved, mine))
        return self._sum_of(
            [
                self.once((*key, i), [(node, late)], self._adding(name, i, one, node, late, out))
                for i, (node, late, one) in enumerate(pieces)
            ],
            out,
            name,
        )

    def _adding(self, name: str, index: int, op: Op, node: Node, late: int, out: Shape) -> Any:
        made = op.node(node.shape, self.array)
        return lambda: self.add(name if index == 0 else f"{name}.{index}", made, out, [(node, late)])

    def _matrix(self, op: Op, reading: Reading, out: Shape, name: str, key: tuple[Any, ...]) -> Node:
        """The op written out: on each source a matrix over its flattened signals."""
        size, outputs = math.prod(reading.shape), math.prod(out)
        self._room(size * outputs)
        weight, zero = written_out(op, reading.shape, outputs)
        shape = out if len(out) == 1 else (outputs,)
        made: list[Node] = []
        for index, part in enumerate(reading.parts):
            where = reading.positions(part)
            there = np.flatnonzero(where >= 0)
            mine = _gathered(weight[:, there], where[there], math.prod(part.node.shape))
            source, constant = self._flat(part.node, name), zero if index == 0 else np.zeros(1)
            node = nir.Affine(mine, constant) if constant.any() else nir.Linear(mine)
            title, sources = name if index == 0 else f"{name}.{index}", [(source, part.late)]
            made.append(self.once((*key, index), sources, self._plain(title, node, shape, sources)))
        return self._sum_of(made, shape, name)

    def _plain(self, name: str, made: nir.NIRNode, shape: Shape, sources: Sources) -> Any:
        return lambda: self.add(name, made, shape, sources)

    @staticmethod
    def _room(weights: int) -> None:
        if weights > MAX_WEIGHTS:
            raise Unwritten(
                f"NIR can say it by no convolution, and as a matrix it has {weights} weights, at most {MAX_WEIGHTS} "
                "are written out",
                "put a strided convolution or a pool in its place",
            )

    def _sum_of(self, nodes: list[Node], shape: Shape, name: str) -> Node:
        if len(nodes) == 1:
            return nodes[0]
        sources = [(node, 0) for node in nodes]
        return self.once(("sum", shape), sources, lambda: self.add(f"{name}.sum", None, shape, sources))

    def total(self, readings: Sequence[Reading], lates: Sequence[int], name: str) -> Node:
        """A sum of readings, each so many steps late."""
        together: Sources = []
        shapes: set[Shape] = set()
        for reading, late in zip(readings, lates, strict=True):
            sources, shape = self.arriving(reading, name)
            shapes.add(shape)
            together += [(node, more + late) for node, more in sources]
        if len(shapes) > 1:  # one of them only came flat
            flat = [replace(r, shape=(math.prod(r.shape),)) for r in readings]
            return self.total(flat, lates, name)
        sources = self._without_twins(without_sums(together), name)
        if len(sources) == 1 and sources[0][1] == 0:
            return sources[0][0]
        nature = COUNTS if all(n.nature in (SPIKES, COUNTS) for n, _ in sources) else ANY
        nature = POSITIVE if nature == ANY and all(n.nature != ANY for n, _ in sources) else nature
        shape = shapes.pop()
        return self.once(("sum", shape), sources, lambda: self.add(name, None, shape, sources, nature=nature))

    def _channelwise(self, op: ops.Channelwise, reading: Reading, name: str, key: tuple[Any, ...]) -> Node:
        sources, shape = self.arriving(reading, name)
        scale, shift = op.scale, op.shift
        if shape != reading.shape:
            inner = math.prod(reading.shape[1:])
            scale, shift = np.repeat(scale, inner), np.repeat(shift, inner)
        return self.once(key, sources, lambda: self.add(name, None, shape, sources, channelwise=(scale, shift)))

    def _times(self, op: ops.Times, reading: Reading, name: str, key: tuple[Any, ...]) -> Node:
        sources, shape = self.arriving(reading, name)
        factor = np.broadcast_to(op.factor, reading.shape).reshape(shape)
        nature = POSITIVE if (factor >= 0).all() and min_nature(reading) != ANY else ANY
        by_channel = factor.reshape(shape[0], -1)
        if (by_channel == by_channel[:, :1]).all():
            affine = (by_channel[:, 0].astype(np.float64), np.zeros(shape[0]))
            return self.once(
                key, sources, lambda: self.add(name, None, shape, sources, channelwise=affine, nature=nature)
            )
        made = nir.Scale(factor.astype(np.float64).copy())
        return self.once(key, sources, lambda: self.add(name, made, shape, sources, nature=nature))

    def _maximum(self, op: ops.MaxPool, reading: Reading, out: Shape, name: str, key: tuple[Any, ...]) -> Node:
        nature = min_nature(reading)
        if nature == SPIKES:
            summed = self.place(op.summing(), reading, out, f"{name}.sum", (*key, "sum"))
            return self.gate([(summed, 0)], summed.shape, 0.5, name, key)
        if len(reading.shape) != 3 or max(op.dilation) > 1:
            raise Unwritten(
                f"it takes the maximum of currents in windows of {'one dimension' if op.own == 2 else 'holes'}",
                "pool the spikes behind the neurons instead, or use nn.MaxPool2d without dilation",
            )
        sources, _ = self.arriving(reading, name, flat=False)
        made = moves.max_pool(op.kernel, op.stride, op.padding)
        title = f"{name}.max" if nature == COUNTS else name
        pool = self.once(key, sources, lambda: self.add(title, made, out, sources, nature=nature))
        return self._counting(pool, name, key) if nature == COUNTS else pool

    def _counting(self, pool: Node, name: str, key: tuple[Any, ...]) -> Node:
        """Neurons that spike as often as they are told: a maximum of counts goes on to weights as spikes do."""
        ones, own = np.ones(pool.shape), dialects.parse(f"nir,dt={self.dt!r},{_COUNTING}")
        made, sources = nir.IF(r=ones / self.dt, v_threshold=ones, v_reset=0 * ones), [(pool, 0)]
        return self.once(
            (*key, "counting"),
            sources,
            lambda: self.add(name, made, pool.shape, sources, nature=COUNTS, dialect=own),
        )

    def flatten(self, reading: Reading, name: str, key: tuple[Any, ...], start: int, end: int) -> Node | None:
        """A Flatten of its own name, where what it reads comes in one piece."""
        sources, shape = self.arriving(reading, name)
        if shape != reading.shape:
            return None
        last = end + len(shape) if end < 0 else end
        out = (*shape[:start], math.prod(shape[start : last + 1]), *shape[last + 1 :])
        made = nir.Flatten({"input": np.array(shape)}, start_dim=start, end_dim=end)
        nature = min_nature(reading)
        return self.once(key, sources, lambda: self.add(name, made, out, sources, nature=nature))

    def gate(self, sources: Sources, shape: Shape, threshold: float, name: str, key: tuple[Any, ...]) -> Node:
        """A spike where the sum of the sources exceeds a threshold."""
        made = nir.Threshold(np.full(shape, threshold))
        return self.once(
            (*key, "gate", threshold), sources, lambda: self.add(name, made, shape, sources, nature=SPIKES)
        )


def written_out(op: Op, shape: Shape, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (outputs, inputs) and the constant of a linear op on a shape."""
    if isinstance(op, ops.Dense) and len(shape) == 1:
        bias = np.zeros(outputs) if op.bias is None else op.bias.detach().cpu().double().numpy()
        return op.weight.detach().cpu().double().numpy(), bias
    size = math.prod(shape)
    zero = op.apply(torch.zeros(1, *shape, dtype=torch.float64)).reshape(-1)
    whole = op.apply(torch.eye(size, dtype=torch.float64).reshape(size, *shape)).reshape(size, outputs)
    return (whole - zero).T.numpy(), zero.numpy()


def _gathered(weight: np.ndarray, where: np.ndarray, size: int) -> np.ndarray:
    """The columns of a matrix at their places in a source of ``size`` signals; those of one place are added."""
    order = np.argsort(where, kind="stable")
    places, starts = np.unique(where[order], return_index=True)
    whole = np.zeros((len(weight), size))
    whole[:, places] = np.add.reduceat(weight[:, order], starts, axis=1) if len(places) else 0.0
    return whole


def min_nature(reading: Reading) -> str:
    """What is known of everything that is read."""
    return max((part.node.nature for part in reading.parts), key=NATURES.index)


def _pooled(op: ops.Pool, before: str) -> str:
    """Sums of spikes are counts, means of them are not negative."""
    if before == ANY:
        return ANY
    return COUNTS if op.factor == 1 and before != POSITIVE else POSITIVE


def only_late_added(before: Sources, now: Sources) -> bool:
    """Whether a call reads what it read before, and beside it only what comes from earlier steps."""
    there, wanted = set(without_sums(before)), set(without_sums(now))
    return there <= wanted and all(_comes_late(node, late) for node, late in wanted - there)


def _comes_late(node: Node, late: int) -> bool:
    if late > 0:
        return True
    sources = without_sums(node.sources)
    return bool(sources) and all(_comes_late(source, more) for source, more in sources)


def without_sums(sources: Sources) -> Sources:
    """Sums that only stand for their sources, resolved."""
    found: Sources = []
    for node, late in sources:
        if node.made is None and node.channelwise is None:
            found += [(inner, late + more) for inner, more in without_sums(node.sources)]
        else:
            found.append((node, late))
    return found
