"""Projections as the chip's connections: a dense matrix, one weight per neuron, or a kernel; no pool, even padding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nirdeploy.graph.parts import Projection
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator, Pair, Passage, Pool

SignMode = Literal["mixed", "excitatory", "inhibitory"]


@dataclass(frozen=True)
class Mantissas:
    """The integers a weight may be: from ``lowest`` to ``highest`` in steps of ``step``.

    The sign of a matrix of mixed signs takes one of its bits, so its mantissas are even (lava, ``Dense``).
    """

    sign_mode: SignMode
    lowest: int
    highest: int
    step: int

    def rounded(self, weight: np.ndarray) -> np.ndarray:
        """To nearest, ties to even multiples of the step; int32."""
        nearest = self.step * np.rint(weight / self.step)
        return np.ascontiguousarray(np.clip(nearest, self.lowest, self.highest), dtype=np.int32)

    def overrun(self, weight: np.ndarray) -> float:
        """How many times the largest weight is what a mantissa can be; 1 or less: all fit."""
        up = weight.max(initial=0.0) / (self.highest or 1)
        down = weight.min(initial=0.0) / (self.lowest or -1)
        return float(max(up, down))


def mantissas(weight: np.ndarray, bits: int) -> Mantissas:
    """The mantissas of a matrix or kernel, by the signs in it."""
    top = 1 << bits
    if weight.min(initial=0) >= 0:
        return Mantissas("excitatory", 0, top - 1, 1)
    if weight.max(initial=0) <= 0:
        return Mantissas("inhibitory", 1 - top, 0, 1)
    return Mantissas("mixed", -top, top - 2, 2)


def connection(p: Projection, *, late: bool) -> Operator | None:
    """The operator that computes pool and operator of a projection in one; None: only a matrix does.

    ``late``: it takes more than the step of its own, which only a matrix can.
    """
    if late and not isinstance(p.operator, Dense):
        return None
    if p.pool is None:
        return _even(p.operator) if isinstance(p.operator, Convolution) else p.operator
    if isinstance(p.operator, Elementwise):
        kernel = _channel_factors(p.operator, p.pool)
        return None if kernel is None or late else _composed(kernel, p.pool)
    return _composed(p.operator, p.pool) if isinstance(p.operator, Convolution) else None


def as_matrix(p: Passage) -> Dense:
    """Any projection written out."""
    return Dense(p.matrix())


def _channel_factors(operator: Elementwise, pool: Pool) -> Convolution | None:
    """A factor per channel of a pooled image as a convolution with kernels of one pixel."""
    by_channel = operator.weight.reshape(pool.shape[0], -1)
    if (by_channel != by_channel[:, :1]).any():
        return None
    return Convolution(by_channel[:, :1].reshape(-1, 1, 1, 1), pool.out_shape, groups=pool.shape[0])


def _composed(conv: Convolution, pool: Pool) -> Convolution | None:
    """A convolution of a pooled image as one of the image itself; None where the borders differ."""
    before: list[int] = []
    for axis in (0, 1):
        size, window, step = pool.shape[1 + axis], pool.kernel[axis], pool.stride[axis]
        first, last = conv.padding[axis]
        # A window that stands wholly in the convolution's padding must not reach into the image.
        if first and window > step + pool.padding[axis][0]:
            return None
        if last and pool.out_shape[1 + axis] * step - pool.padding[axis][0] < size:
            return None
        before.append(first * step + pool.padding[axis][0])
    spread = _spread(conv.weight, (conv.dilation[0] * pool.stride[0], conv.dilation[1] * pool.stride[1]))
    high, wide = (spread.shape[2 + axis] + pool.kernel[axis] - 1 for axis in (0, 1))
    weight = np.zeros((*spread.shape[:2], high, wide))
    for row in range(pool.kernel[0]):
        for column in range(pool.kernel[1]):
            weight[:, :, row : row + spread.shape[2], column : column + spread.shape[3]] += spread
    stride = (conv.stride[0] * pool.stride[0], conv.stride[1] * pool.stride[1])
    return _padded_evenly(weight, pool.shape, stride, (before[0], before[1]), conv.out_shape[1:], conv.groups)


def _even(conv: Convolution) -> Convolution:
    """A convolution with as much padding before as after: the chip's knows no other."""
    if all(first == last for first, last in conv.padding):
        return conv
    weight = _spread(conv.weight, conv.dilation)
    before = (conv.padding[0][0], conv.padding[1][0])
    return _padded_evenly(weight, conv.shape, conv.stride, before, conv.out_shape[1:], conv.groups)


def _spread(weight: np.ndarray, step: Pair) -> np.ndarray:
    """A kernel with ``step`` - 1 zeros between its values."""
    high, wide = ((size - 1) * each + 1 for size, each in zip(weight.shape[2:], step, strict=True))
    spread = np.zeros((*weight.shape[:2], high, wide))
    spread[:, :, :: step[0], :: step[1]] = weight
    return spread


def _padded_evenly(
    weight: np.ndarray, shape: tuple[int, int, int], stride: Pair, before: Pair, out: Pair, groups: int
) -> Convolution:
    """A convolution of given output size, with zeros put to the kernel until its padding is even."""
    padding: list[Pair] = []
    for axis in (0, 1):
        first, step = before[axis], stride[axis]
        last = (out[axis] - 1) * step + weight.shape[2 + axis] - shape[1 + axis] - first  # the least that gives `out`
        zeros = [(0, 0)] * 4
        if first < last:
            zeros[2 + axis], first = (last - first, 0), last
        elif first > last + step - 1:
            zeros[2 + axis] = (0, first - last)
        weight = np.pad(weight, zeros)
        padding.append((first, first))
    return Convolution(weight, shape, stride, (padding[0], padding[1]), groups=groups)


def with_weight(operator: Operator, weight: np.ndarray) -> Operator:
    """The same operator with other weights."""
    return replace(operator, weight=weight)
