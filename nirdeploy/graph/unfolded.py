"""unfolded: a checked graph written as NIR again, such that check makes the same of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.extension import ConvTranspose2d, MaxPool2d
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.graph.precision import METADATA_KEY as BITS
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Windows

Shape = tuple[int, ...]


def as_nir(graph: CheckedGraph) -> nir.NIRGraph:
    """The graph as NIR nodes, whose values are its own, bit for bit.

    A population keeps its name, and the weights of a projection that of the node they came from. What NIR has no word
    for is left out: what inputs hold (``input_bits``, ``encodings``).

    Raises:
        GraphError: something that no nodes fold into; says which projection, or population.
    """
    writing = _Writing(graph)
    for population in graph.populations:
        writing.population(population)
    for name, source in graph.outputs.items():
        if graph.population(source).model != "Output":  # else its node is one already
            writing.nodes[name] = nir.Output({"output": np.array(graph.population(source).shape)})
            writing.edges.append((source, name))
    metadata = {dialects.METADATA_KEY: str(graph.dialect)}
    return nir.NIRGraph(writing.nodes, writing.edges, metadata=metadata, type_check=False)


class _Writing:
    def __init__(self, graph: CheckedGraph) -> None:
        self.graph = graph
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self._place = {p.name: index for index, p in enumerate(graph.populations)}
        self._taken = {*self._place, *graph.outputs}

    def population(self, population: Population) -> None:
        """A population's node, behind those of all that leads into it."""
        into = self.graph.into(population.name)
        for p, bias in zip(into, self._biases(population, into), strict=True):
            self._projection(population, p, bias)
        self.nodes[population.name] = node = _node(population)
        node.metadata = {} if population.weight_bits is None else {BITS: population.weight_bits}
        if population.dialect is not None:
            node.metadata[dialects.METADATA_KEY] = str(population.dialect)

    def _projection(self, population: Population, p: Projection, bias: np.ndarray | None) -> None:
        source = self.graph.population(p.source)
        chain = _Chain(p, source.shape)
        main = self._name(_main(p) or f"{p.source}_to_{p.target}")
        delay = self._delay(p) * self.graph.dialect.dt
        at = p.source
        for role, node in chain.nodes(population.shape, bias, delay):
            name = main if role == "" else self._name(f"{main}_{role}")
            self.nodes[name] = node
            self.edges.append((at, name))
            at = name
        self.edges.append((at, population.name))

    def _name(self, wanted: str) -> str:
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def _backward(self, p: Projection) -> bool:
        """Whether check finds that its source has not run when its target does."""
        return self._place[p.source] >= self._place[p.target]

    def _delay(self, p: Projection) -> int:
        """The steps that a Delay node says, where check adds one by itself."""
        if self.graph.dialect.connection_delay:
            return p.delay - 1
        source = self.graph.population(p.source)
        late = source.model != "Input" and self.graph.rules(p.source).spike_delay
        return 0 if self._backward(p) and not late and p.delay == 1 else p.delay

    # --- biases ------------------------------------------------------------------------

    def _biases(self, population: Population, into: list[Projection]) -> list[np.ndarray | None]:
        """What of the population's bias (its shape) stands on each projection."""
        found: list[np.ndarray | None] = [None] * len(into)
        late = sum(population.late_bias.values(), start=np.zeros(population.shape))
        at_once = population.bias - late
        at_once += population.bias - (at_once + late)  # so that check's sum of both is the bias, bit for bit
        for begins, part in {0: at_once, **population.late_bias}.items():
            if not part.any():
                continue
            able = [
                index
                for index, p in enumerate(into)
                if self._begins(population, p) == begins and found[index] is None and _bears(p, part)
            ]
            if not able:
                raise GraphError(
                    f"the bias of {population.name!r} that begins in step {begins} stands on no node that NIR has: "
                    "none leads there that late through a matrix, or through a convolution where it is one number for "
                    "each channel",
                    hint="nirdeploy.build takes the checked graph as it is",
                )
            found[able[0]] = part
        return found

    def _begins(self, population: Population, p: Projection) -> int:
        """The step in which check has a bias on a projection begin."""
        dialect = self.graph.dialect_of(population.name)
        late = dialect.recurrent_bias == "late" and not self.graph.dialect.connection_delay and self._backward(p)
        return max(self._delay(p), int(late))


def _bears(p: Projection, bias: np.ndarray) -> bool:
    """Whether the nodes of a projection can bear a bias."""
    if isinstance(p.operator, Elementwise):
        return False
    by_channel = bias.reshape(bias.shape[0], -1)
    channels = p.operator.weight.shape[0] if p.maximum is None else p.maximum.shape[0]
    if isinstance(p.operator, Dense) and p.maximum is None:
        return True
    return channels == len(by_channel) and bool((by_channel == by_channel[:, :1]).all())


def _main(p: Projection) -> str | None:
    """The node that most likely held the weights: behind what only rearranges or sums."""
    if not p.nodes:
        return None
    return p.nodes[0] if isinstance(p.operator, Convolution) and p.pool is None else p.nodes[-1]


def _node(population: Population) -> nir.NIRNode:
    if population.model in ("Input", "Output"):
        kind: Any = getattr(nir, population.model)
        return kind({population.model.lower(): np.array(population.shape)})
    return getattr(nir, population.model)(**population.params)


class _Chain:
    """The nodes of one projection, from a source of ``shape``."""

    def __init__(self, p: Projection, shape: Shape) -> None:
        self._p, self._shape = p, shape

    def nodes(self, target: Shape, bias: np.ndarray | None, delay: float) -> Iterator[tuple[str, nir.NIRNode]]:
        """Each with its role; that of the weights is ""."""
        p = self._p
        if p.pool is not None:
            self._at(p.pool.shape)
            yield "sum", nir.SumPool2d(*self._windows(p.pool))
            self._shape = p.pool.out_shape
        yield from self._operator(bias)
        if p.maximum is not None:
            self._at(p.maximum.shape)
            yield "max", MaxPool2d(*self._windows(p.maximum))
            self._shape = p.maximum.out_shape
        if self._shape != target:
            yield "flat", self._flattened()
        if self._shape != target:
            raise self._inexpressible(f"gives the shape {self._shape}, and {p.target!r} has {target}")
        if delay:
            yield "delay", nir.Delay(np.full(target, delay))

    def _operator(self, bias: np.ndarray | None) -> Iterator[tuple[str, nir.NIRNode]]:
        operator = self._p.operator
        if isinstance(operator, Elementwise):
            yield "", nir.Scale(operator.weight.reshape(self._shape))
        elif isinstance(operator, Dense):
            if len(self._shape) > 1:
                yield "flattened", self._flattened()
            values = None if bias is None else bias.ravel()
            yield "", nir.Linear(operator.weight) if values is None else nir.Affine(operator.weight, values)
            self._shape = (operator.outputs,)
        else:
            values = np.zeros(len(operator.weight)) if bias is None else bias.reshape(len(operator.weight), -1)[:, 0]
            yield "", self._convolution(operator, values)
            self._shape = operator.out_shape if len(self._shape) == 3 else operator.out_shape[::2]

    def _flattened(self) -> nir.Flatten:
        node = nir.Flatten({"input": np.array(self._shape)}, start_dim=0, end_dim=-1)
        self._shape = (math.prod(self._shape),)
        return node

    def _convolution(self, operator: Convolution, bias: np.ndarray) -> nir.NIRNode:
        lines = len(self._shape) == 2 and operator.shape[1] == 1
        self._at(operator.shape[::2] if lines else operator.shape)
        alike = all(before == after for before, after in operator.padding)
        if operator.spread != (1, 1) or not (alike or _is_same(operator)):
            return self._transposed(operator, bias)
        padding: Any = tuple(before for before, _ in operator.padding) if alike else "same"
        geometry = (operator.stride, padding, operator.dilation)
        if not lines:
            return nir.Conv2d(operator.shape[1:], operator.weight, *geometry, operator.groups, bias)
        stride, around, dilation = (one if isinstance(one, str) else one[1] for one in geometry)
        return nir.Conv1d(operator.shape[2], operator.weight[:, :, 0], stride, around, dilation, operator.groups, bias)

    def _transposed(self, operator: Convolution, bias: np.ndarray) -> nir.NIRNode:
        """A convolution of an input with zeros between its values, or of one that is padded more behind than before."""
        (out, per_group, *kernel), groups = operator.weight.shape, operator.groups
        reach = [step * (size - 1) for step, size in zip(operator.dilation, kernel, strict=True)]
        padding = [most - before for most, (before, _) in zip(reach, operator.padding, strict=True)]
        more = [after - before for before, after in operator.padding]
        if operator.stride != (1, 1) or min(*padding, *more) < 0 or len(self._shape) != 3:
            raise self._inexpressible(f"pads by {operator.padding} with a stride of {operator.stride}")
        turned = operator.weight[..., ::-1, ::-1].reshape(groups, out // groups, per_group, *kernel).swapaxes(1, 2)
        weight = np.ascontiguousarray(turned).reshape(groups * per_group, out // groups, *kernel)
        sizes = (np.array(values) for values in (operator.spread, padding, more, operator.dilation))
        return ConvTranspose2d(weight, *sizes, groups, bias)

    def _at(self, shape: Shape) -> None:
        if self._shape != shape:
            raise self._inexpressible(f"reads the shape {shape} from {self._shape}")

    def _windows(self, windows: Windows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kernel, stride and padding of a pooling node."""
        sides = list(zip(windows.padding, windows.kernel, strict=True))
        if any(before != after or 2 * before > kernel for (before, after), kernel in sides):
            raise self._inexpressible(f"pads windows of {windows.kernel} by {windows.padding}")
        return np.array(windows.kernel), np.array(windows.stride), np.array([before for before, _ in windows.padding])

    def _inexpressible(self, what: str) -> GraphError:
        return GraphError(
            f"the projection {self._p.source!r} -> {self._p.target!r} {what}, which NIR has no node for",
            hint="nirdeploy.build takes the checked graph as it is",
        )


def _is_same(operator: Convolution) -> bool:
    """Whether its padding is what NIR calls "same"."""
    total = [step * (size - 1) for step, size in zip(operator.dilation, operator.weight.shape[2:], strict=True)]
    return operator.stride == (1, 1) and operator.padding == tuple((both // 2, both - both // 2) for both in total)
