"""chain: the linear nodes between two populations, folded into one operator as they are walked.

A chain keeps its structure (a sum pool in front, then a dense, elementwise or convolution operator, then a maximum)
as long as the nodes allow it, and is written out as a matrix only where they do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum, Operator, Pool, matrix, to_meta

# A file of a few bytes can declare, or fold into, more than any memory holds.
MAX_WEIGHTS = 1 << 27  # weights of one folded map: 1 GiB


@dataclass(frozen=True)
class Chain:
    """A linear map on its way to a population, from a ``source`` of ``size`` neurons.

    ``shape`` is that of the signal here; ``pool``, ``operator`` and ``maximum`` None are identities; ``delay`` in
    steps; ``nodes`` are the NIR nodes walked so far.
    """

    source: str
    size: int
    shape: tuple[int, ...]
    pool: Pool | None = None
    operator: Operator | None = None
    maximum: Maximum | None = None
    delay: int = 0
    nodes: tuple[str, ...] = ()

    def reshaped(self, shape: tuple[int, ...], node: str) -> Chain:
        return replace(self, shape=shape, nodes=(*self.nodes, node))

    def delayed(self, steps: int, node: str) -> Chain:
        return replace(self, delay=self.delay + steps, nodes=(*self.nodes, node))

    def dense(self, weight: np.ndarray, node: str) -> Chain:
        """Continued through a matrix (outputs, inputs)."""
        self._before_maximum(node)
        shape = (int(weight.shape[0]),)
        if self.operator is None:
            operator = Dense(weight)
        elif isinstance(self.operator, Elementwise):
            operator = Dense(weight * self.operator.weight)
        else:
            self._room(weight.shape[0] * self.operator.inputs, node)
            with np.errstate(over="ignore", invalid="ignore"):
                operator = Dense(weight @ self._matrix(node))
        return self._onward(operator, shape, node)

    def scaled(self, factor: np.ndarray, node: str) -> Chain:
        """Continued through an elementwise product (shape of the signal)."""
        flat = np.broadcast_to(factor, self.shape).ravel()
        if self.maximum is not None:
            flat = self._before_windows(flat, node)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.operator is None:
                operator: Operator = Elementwise(flat.copy())
            elif isinstance(self.operator, Elementwise):
                operator = Elementwise(self.operator.weight * flat)
            elif isinstance(self.operator, Dense):
                operator = Dense(flat[:, None] * self.operator.weight)
            else:
                by_channel = flat.reshape(self.operator.out_shape[0], -1)
                if (by_channel == by_channel[:, :1]).all():
                    weight = self.operator.weight * by_channel[:, 0].reshape(-1, 1, 1, 1)
                    operator = replace(self.operator, weight=weight)
                else:
                    operator = Dense(flat[:, None] * self._matrix(node))
        return self._onward(operator, self.shape, node)

    def convolved(self, convolution: Convolution, shape: tuple[int, ...], node: str) -> Chain:
        """Continued through a convolution; ``shape``: of its output as the graph sees it."""
        self._before_maximum(node)
        if self.operator is None:
            return self._onward(convolution, shape, node)
        if isinstance(self.operator, Elementwise):
            factor = self.operator.weight.reshape(convolution.shape[0], -1)
            if (factor == factor[:, :1]).all():
                per_input = factor[:, 0].reshape(convolution.groups, 1, -1, 1, 1)
                weight = convolution.weight.reshape(convolution.groups, -1, *convolution.weight.shape[1:]) * per_input
                folded = replace(convolution, weight=weight.reshape(convolution.weight.shape))
                return self._onward(folded, shape, node)
        if isinstance(self.operator, Convolution) and _is_open(self.operator) and convolution.spread == (1, 1):
            self._room(convolution.weight.size * math.prod(self.operator.weight.shape[2:]) * 4, node)
            return self._onward(_composed(self.operator, convolution), shape, node)
        self._room(convolution.outputs * self.operator.inputs, node)
        return self._onward(Dense(convolution.apply(self._matrix(node).T).T), shape, node)

    def pooled(self, pool: Pool, shape: tuple[int, ...], factor: float, node: str) -> Chain:
        """Continued through a sum over windows, times ``factor``."""
        self._before_maximum(node)
        if self.operator is None and self.pool is None:
            chain = replace(self, pool=pool, shape=shape)
            return chain.reshaped(shape, node) if factor == 1 else chain.scaled(np.array(factor), node)
        if isinstance(self.operator, Convolution) and not np.any(pool.padding):
            return self._onward(_pooled_convolution(self.operator, pool, factor), shape, node)
        convolution = pool.as_convolution()
        return self.convolved(replace(convolution, weight=convolution.weight * factor), shape, node)

    def maximized(self, maximum: Maximum, shape: tuple[int, ...], node: str) -> Chain:
        """Continued through the maximum over windows."""
        self._before_maximum(node)
        return replace(self.finished(), maximum=maximum, shape=shape, nodes=(*self.nodes, node))

    def plus(self, other: Chain, node: str) -> Chain:
        """Two ways from one source to one node, delayed alike: their sum."""
        nodes = tuple(dict.fromkeys((*self.nodes, *other.nodes)))
        first, second = self.operator, other.operator
        if isinstance(first, Convolution) and isinstance(second, Convolution) and _same_geometry(self, other):
            return replace(self, operator=replace(first, weight=first.weight + second.weight), nodes=nodes)
        self._room(2 * self.size * math.prod(self.shape), node)
        total = self.whole_matrix() + other.whole_matrix()
        return replace(self, pool=None, operator=Dense(total), nodes=nodes)

    def whole_matrix(self) -> np.ndarray:
        """The map written out, pool included: (size of the signal, size of the source)."""
        operator = np.eye(math.prod(self.shape)) if self.operator is None else matrix(self.operator)
        return operator if self.pool is None else operator @ matrix(self.pool)

    def finished(self) -> Chain:
        """With an operator, if only of ones."""
        if self.operator is not None:
            return self
        return replace(self, operator=Elementwise(np.ones(math.prod(self.shape))))

    def _before_maximum(self, node: str) -> None:
        if self.maximum is not None:
            raise GraphError(
                f"node {node!r} works on a maximum over windows, with no neuron in between",
                hint="put neurons between the two (behind a maximum of spikes a Threshold at 0.5 changes nothing)",
            )

    def _before_windows(self, factor: np.ndarray, node: str) -> np.ndarray:
        """A factor behind the maximum (its size) as one in front of it: one of each channel, and not negative."""
        assert self.maximum is not None
        by_channel = factor.reshape(self.maximum.shape[0], -1)
        if (by_channel < 0).any() or (by_channel != by_channel[:, :1]).any():
            self._before_maximum(node)
        return np.asarray(by_channel[self.maximum.channels_before, 0])

    def _onward(self, operator: Operator, shape: tuple[int, ...], node: str) -> Chain:
        if not np.isfinite(operator.weight).all():
            raise GraphError(
                f"node {node!r}: the product of the weights up to here overflows",
                hint="the weights are far too large: look at them, and export the network again",
            )
        return replace(self, operator=operator, shape=shape, nodes=(*self.nodes, node))

    def _matrix(self, node: str) -> np.ndarray:
        assert self.operator is not None
        self._room(self.operator.inputs * self.operator.outputs, node)
        return matrix(self.operator)

    @staticmethod
    def _room(weights: int, node: str) -> None:
        if weights > MAX_WEIGHTS:
            raise GraphError(
                f"the linear maps up to node {node!r} fold into {weights} weights, at most {MAX_WEIGHTS} are held",
                hint="put neurons between the layers, or check the sizes that the file declares",
            )


def _same_geometry(a: Chain, b: Chain) -> bool:
    assert a.operator is not None
    assert b.operator is not None
    alike = a.operator.weight.shape == b.operator.weight.shape
    return alike and a.pool == b.pool and to_meta(a.operator) == to_meta(b.operator)


def _is_open(convolution: Convolution) -> bool:
    """Whether it is one kernel for each channel, and gives nothing but zeros beyond its output: upsampling is such."""
    reach = [step * (size - 1) for step, size in zip(convolution.dilation, convolution.weight.shape[2:], strict=True)]
    whole = all(min(pair) >= most for pair, most in zip(convolution.padding, reach, strict=True))
    each = convolution.groups == convolution.shape[0] == convolution.weight.shape[0]
    return whole and each and convolution.stride == (1, 1)


def _composed(first: Convolution, second: Convolution) -> Convolution:
    """One convolution for two, where the first is open (:func:`_is_open`)."""
    (high, wide), channels = first.weight.shape[2:], second.weight.shape[1]
    steps = [step * (size - 1) + 1 for step, size in zip(first.dilation, (high, wide), strict=True)]
    sizes = [step * (size - 1) + 1 for step, size in zip(second.dilation, second.weight.shape[2:], strict=True)]
    weight = np.zeros((len(second.weight), channels, sizes[0] + steps[0] - 1, sizes[1] + steps[1] - 1))
    of_output = np.arange(len(second.weight)) * second.groups // len(second.weight)
    kernels = first.weight[of_output[:, None] * channels + np.arange(channels), 0]  # of each input of each output
    for i in range(second.weight.shape[2]):
        for j in range(second.weight.shape[3]):
            top, left = i * second.dilation[0], j * second.dilation[1]
            rows = slice(top, top + steps[0], first.dilation[0])
            columns = slice(left, left + steps[1], first.dilation[1])
            weight[:, :, rows, columns] += second.weight[:, :, i, j, None, None] * kernels
    around = tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(first.padding, second.padding, strict=True))
    return replace(
        second, weight=weight, shape=first.shape, padding=(around[0], around[1]), dilation=(1, 1), spread=first.spread
    )


def _pooled_convolution(convolution: Convolution, pool: Pool, factor: float) -> Convolution:
    """A convolution whose output is summed over windows is a convolution with a larger kernel and stride."""
    out, channels, high, wide = convolution.weight.shape
    steps = [
        [p * stride + k * dilation for p in range(window) for k in range(kernel)]
        for window, stride, kernel, dilation in zip(
            pool.kernel, convolution.stride, (high, wide), convolution.dilation, strict=True
        )
    ]
    weight = np.zeros((out, channels, max(steps[0]) + 1, max(steps[1]) + 1))
    for i, row in enumerate(steps[0]):
        for j, column in enumerate(steps[1]):
            weight[:, :, row, column] += factor * convolution.weight[:, :, i % high, j % wide]
    stride = tuple(a * b for a, b in zip(pool.stride, convolution.stride, strict=True))
    return replace(convolution, weight=weight, stride=(stride[0], stride[1]), dilation=(1, 1))
