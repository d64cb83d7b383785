"""Windows whose maximum is taken, position by position: which values a row of neurons compares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nirdeploy.backends.fpga.jobs import MOST_ABSENT
from nirdeploy.semantics.operators import Maximum


@dataclass(frozen=True)
class Axis:
    """Height or width of windows over ``inputs`` values.

    Position k of window n is the value n * stride + k - padding. Those in the padding are none: they are left out.
    """

    inputs: int
    outputs: int
    kernel: int
    stride: int
    padding: int

    def within(self, output: int) -> Iterator[int]:
        """The values in one window."""
        first = output * self.stride - self.padding
        yield from range(max(first, 0), min(first + self.kernel, self.inputs))

    def absent(self, position: int) -> tuple[int, int]:
        """How many windows at the start and at the end have no such position."""
        before = math.ceil(max(self.padding - position, 0) / self.stride)
        there = math.ceil(max(self.inputs + self.padding - position, 0) / self.stride)
        return min(before, self.outputs), max(self.outputs - there, 0)

    def everywhere(self, outputs: np.ndarray, position: int) -> np.ndarray:
        """The values at that position of each window; where there is none, another one of the window."""
        return np.asarray(np.clip(outputs * self.stride + position - self.padding, 0, self.inputs - 1))


def axes(maximum: Maximum) -> tuple[Axis, Axis]:
    """Height and width."""
    found = [
        Axis(
            maximum.shape[1 + i], maximum.out_shape[1 + i], maximum.kernel[i], maximum.stride[i], maximum.padding[i][0]
        )
        for i in (0, 1)
    ]
    return found[0], found[1]


def known(maximum: Maximum) -> bool:
    """Whether segments can say at which columns a position is left out."""
    _, width = axes(maximum)
    return all(max(width.absent(position)) <= MOST_ABSENT for position in across(width))


def across(width: Axis) -> list[int]:
    """The positions that some window has."""
    return [position for position in range(width.kernel) if sum(width.absent(position)) < width.outputs]


def seen(maximum: Maximum, neurons: np.ndarray) -> Iterator[np.ndarray]:
    """By position: which value each neuron compares there (flat indices of what enters the maximum)."""
    channel, line, column = np.unravel_index(neurons, maximum.out_shape)
    height, width = axes(maximum)
    for down in range(height.kernel):
        for beside in range(width.kernel):
            at = channel, height.everywhere(line, down), width.everywhere(column, beside)
            yield np.ravel_multi_index(at, maximum.shape)
