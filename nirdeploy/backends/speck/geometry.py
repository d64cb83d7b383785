"""Which convolution of the chip computes an operator: square kernels, one padding for both sides of an axis.

A core knows no other operator. A matrix is a convolution whose kernel is as large as the image; a kernel that is not
square, dilated, grouped or padded on one side more than on the other is one with zeros in it. Along each axis

    out = (size + 2 padding - kernel) // stride + 1

must stay as it was, with the weights ``offset`` rows into the chip's kernel: ``offset = padding - zeros in front``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.backends.speck.schema import Hardware
from nirdeploy.semantics.operators import Convolution, Dense, Operator, Pair

Image = tuple[int, int, int]


def image_of(shape: tuple[int, ...]) -> Image | None:
    """A population's shape as (features, height, width); None if it has too many dimensions."""
    if len(shape) > 3:
        return None
    feature, *space = shape
    height, width = [1] * (2 - len(space)) + list(space)
    return feature, height, width


def as_convolution(operator: Operator, seen: Image) -> Convolution | None:
    """The same map over an image of shape ``seen``; None if no convolution computes it."""
    if isinstance(operator, Convolution):
        return operator if operator.shape == seen else None
    if math.prod(seen) != operator.inputs:
        return None
    if isinstance(operator, Dense):
        return Convolution(operator.weight.reshape(-1, *seen), seen)
    factor = operator.weight.reshape(seen[0], -1)
    if (factor != factor[:, :1]).any():
        return None
    return Convolution(factor[:, :1].reshape(-1, 1, 1, 1), seen, groups=seen[0])


@dataclass(frozen=True)
class Axis:
    """One axis of the chip's convolution."""

    kernel: int
    padding: int
    stride: int


@dataclass(frozen=True)
class Along:
    """One axis of a convolution: how much its kernel spans, the zeros around what it sees, and what comes out."""

    size: int
    span: int
    before: int
    after: int
    stride: int

    @property
    def out(self) -> int:
        return (self.size + self.before + self.after - self.span) // self.stride + 1

    def ways(self, hardware: Hardware) -> dict[Axis, int]:
        """Every axis of the chip that computes this one, and the offset of the weights in its kernel."""
        strides = [self.stride] if self.out > 1 else [self.stride, *hardware.strides]  # one position strides nowhere
        found: dict[Axis, int] = {}
        for kernel in range(self.span, hardware.kernel_size + 1):
            for padding in range(self.before, hardware.padding + 1):
                offset, room = padding - self.before, self.size + 2 * padding - kernel
                for stride in strides:
                    same = room >= 0 and room // stride + 1 == self.out and offset + self.span <= kernel
                    if same and stride in hardware.strides:
                        found.setdefault(Axis(kernel, padding, stride), offset)
        return found


def axes_of(convolution: Convolution) -> tuple[Along, Along]:
    """Height and width."""
    height, width = (
        Along(size, step * (kernel - 1) + 1, *pads, stride)
        for size, kernel, pads, stride, step in zip(
            convolution.shape[1:],
            convolution.weight.shape[2:],
            convolution.padding,
            convolution.stride,
            convolution.dilation,
            strict=True,
        )
    )
    return height, width


@dataclass(frozen=True)
class Square:
    """The height and the width of a core's convolution; ``offsets``: of each of the operators in its kernel."""

    height: Axis
    width: Axis
    offsets: tuple[Pair, ...]

    @property
    def kernel(self) -> int:
        return self.height.kernel


def square(convolutions: Sequence[Convolution], hardware: Hardware) -> Square | None:
    """The smallest square kernel that holds all of them alike, as they stand if they can; None if there is none."""
    both = [[along.ways(hardware) for along in axes] for axes in zip(*map(axes_of, convolutions), strict=True)]
    height, width = ([axis for axis in ways[0] if all(axis in more for more in ways)] for ways in both)
    for kernel in sorted({axis.kernel for axis in height} & {axis.kernel for axis in width}):
        high = next(axis for axis in height if axis.kernel == kernel)
        wide = next(axis for axis in width if axis.kernel == kernel)
        offsets = tuple((h[high], w[wide]) for h, w in zip(*both, strict=True))
        return Square(high, wide, offsets)
    return None


def kernel_of(convolution: Convolution, found: Square, index: int) -> np.ndarray:
    """The weights (out, in, kernel, kernel) of the ``index``-th of the convolutions that ``found`` was found for."""
    weight = convolution.weight
    out, inside = weight.shape[0], convolution.shape[0]
    kernel = np.zeros((out, inside, found.kernel, found.kernel), dtype=weight.dtype)
    (top, left), (down, right), (high, wide) = found.offsets[index], convolution.dilation, weight.shape[2:]
    rows, columns = top + down * np.arange(high), left + right * np.arange(wide)
    group_out, group_in = out // convolution.groups, inside // convolution.groups
    for group in range(convolution.groups):
        own = slice(group * group_out, (group + 1) * group_out)
        channels = slice(group * group_in, (group + 1) * group_in)
        kernel[own, channels, rows[:, None], columns] = weight[own]
    return kernel


def on_the_chip(kernel: np.ndarray, shape: Image, found: Square) -> Convolution:
    """The core's convolution of ``kernel`` over an image of ``shape``."""
    high, wide = found.height, found.width
    padding = ((high.padding, high.padding), (wide.padding, wide.padding))
    return replace(Convolution(kernel, shape), stride=(high.stride, wide.stride), padding=padding)
