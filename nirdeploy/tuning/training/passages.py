"""passages: the way of a signal from one population to the next, on tensors, as :class:`Passage` has it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum, Operator, Pair, Passage, Pool

_Padding = tuple[Pair, Pair]


def apply(passage: Passage, weight: Tensor, signal: Tensor) -> Tensor:
    """Signals (B, source size) to (B, target size), undelayed, by these weights in the place of the operator's."""
    pooled = signal if passage.pool is None else _pooled(passage.pool, signal)
    sums = operated(passage.operator, weight, pooled)
    return sums if passage.maximum is None else _largest(passage.maximum, sums)


def operated(operator: Operator, weight: Tensor, signal: Tensor) -> Tensor:
    """An operator alone, (B, inputs) to (B, outputs)."""
    if isinstance(operator, Dense):
        return signal @ weight.T
    if isinstance(operator, Elementwise):
        return signal * weight
    image, padding = _padded(_spread_out(operator, signal), operator.padding, 0.0)
    made: Tensor = functional.conv2d(image, weight, None, operator.stride, padding, operator.dilation, operator.groups)
    return made.flatten(1)


def matrix(passage: Passage, weight: Tensor) -> Tensor:
    """The way up to the maximum written out, (values there, source size), differentiable by the weights."""
    signal = torch.eye(passage.inputs, dtype=weight.dtype, device=weight.device)
    pooled = signal if passage.pool is None else _pooled(passage.pool, signal)
    return operated(passage.operator, weight, pooled).T


def _spread_out(operator: Convolution, signal: Tensor) -> Tensor:
    """The images (B, channels, height, width) with zeros between their values."""
    image: Tensor = signal.unflatten(1, operator.shape)
    if operator.spread == (1, 1):
        return image
    height, width = ((size - 1) * apart + 1 for size, apart in zip(operator.shape[1:], operator.spread, strict=True))
    wide: Tensor = image.new_zeros(len(image), operator.shape[0], height, width)
    wide[:, :, :: operator.spread[0], :: operator.spread[1]] = image
    return wide


def _pooled(pool: Pool, signal: Tensor) -> Tensor:
    """Sums over windows."""
    image, _ = _padded(signal.unflatten(1, pool.shape), pool.padding, 0.0, at_once=False)
    sums: Tensor = functional.avg_pool2d(image, pool.kernel, pool.stride, divisor_override=1)
    return sums.flatten(1)


def _largest(maximum: Maximum, sums: Tensor) -> Tensor:
    """Maxima over windows."""
    image, _ = _padded(sums.unflatten(1, maximum.shape), maximum.padding, -math.inf, at_once=False)
    largest: Tensor = functional.max_pool2d(image, maximum.kernel, maximum.stride)
    return largest.flatten(1)


def _padded(image: Tensor, padding: _Padding, value: float, *, at_once: bool = True) -> tuple[Tensor, Pair]:
    """The image with its padding, and what is left to pad alike on both sides, if that is done ``at_once``."""
    (top, bottom), (left, right) = padding
    if at_once and top == bottom and left == right:
        return image, (top, left)
    if any((top, bottom, left, right)):
        image = functional.pad(image, (left, right, top, bottom), value=value)
    return image, (0, 0)
