"""moves: which rearrangements of a signal a node of NIR can say."""

from __future__ import annotations

from dataclasses import dataclass

import nir
import numpy as np

from nirdeploy.exchange.signals import Shape
from nirdeploy.graph.extension import MaxPool2d


@dataclass(frozen=True)
class Axis:
    """Along one axis, position p holds the source's ``step p + offset``, or zero where there is none."""

    step: int
    offset: int


@dataclass(frozen=True)
class Picked:
    """A rearrangement that a convolution of ones and zeros makes: ``channels`` (-1: none), and each axis."""

    channels: np.ndarray
    axes: tuple[Axis, ...]
    size: Shape  # spatial, of the result

    def spatial_same(self, source: Shape, result: Shape) -> bool:
        return source[1:] == result[1:] and all(axis == Axis(1, 0) for axis in self.axes)


def merged(source: Shape, result: Shape) -> tuple[int, int] | None:
    """First and last of the dimensions that a Flatten merges to make ``result`` of ``source``."""
    count = len(source) - len(result)
    for start in range(len(result)):
        end = start + count
        if count > 0 and source[:start] == result[:start] and source[end + 1 :] == result[start + 1 :]:
            return (start, end) if len(result) > 1 else (0, -1)
    return None


def picked(where: np.ndarray, source: Shape, result: Shape) -> Picked | None:
    """``where`` (flat, -1: nothing) of a result's signals in the source's, if a convolution can make it."""
    if len(source) != len(result) or len(source) not in (2, 3):
        return None
    there = where.reshape(result) >= 0
    if not there.any():
        return None
    at = [axis.reshape(result) for axis in np.unravel_index(np.maximum(where, 0), source)]
    channels = np.full(result[0], -1)
    for index in range(result[0]):
        found = np.unique(at[0][index][there[index]])
        if found.size > 1:
            return None
        channels[index] = found[0] if found.size else -1
    axes, inside = [], [channels >= 0]
    for dim in range(1, len(source)):
        axis = _axis(np.moveaxis(at[dim], dim, 0), np.moveaxis(there, dim, 0), source[dim])
        if axis is None:
            return None
        line = axis.step * np.arange(result[dim]) + axis.offset
        expected = line.reshape([-1 if d == dim else 1 for d in range(len(source))])
        if (there & (at[dim] != expected)).any():
            return None
        axes.append(axis)
        inside.append((line >= 0) & (line < source[dim]))
    box = inside[0].reshape(-1, *[1] * (len(source) - 1))
    for dim, one in enumerate(inside[1:], start=1):
        box = box & one.reshape([-1 if d == dim else 1 for d in range(len(source))])
    return Picked(channels, tuple(axes), result[1:]) if bool((box == there).all()) else None


def _axis(at: np.ndarray, there: np.ndarray, length: int) -> Axis | None:
    """The line that the first two filled positions along an axis lie on."""
    filled = [index for index in range(len(at)) if there[index].any()]
    first = filled[0]
    start = int(at[first][there[first]][0])
    if len(filled) == 1:  # the others lie outside
        step = 1 if len(at) == 1 else length
        return Axis(step, start - step * first)
    second = filled[1]
    rise = int(at[second][there[second]][0]) - start
    if rise <= 0 or rise % (second - first):
        return None
    step = rise // (second - first)
    return Axis(step, start - step * first)


def selection(move: Picked, source: Shape) -> nir.NIRNode:
    """The convolution of ones and zeros that makes a rearrangement of a source."""
    kernels, places, paddings = [], [], []
    for axis, size, length in zip(move.axes, move.size, source[1:], strict=True):
        padding = max(0, -axis.offset)
        while length + 2 * padding - axis.step * (size - 1) < axis.offset + padding + 1:
            padding += 1
        kernels.append(length + 2 * padding - axis.step * (size - 1))
        places.append(axis.offset + padding)
        paddings.append(padding)
    weight = np.zeros((len(move.channels), source[0], *kernels))
    for index, channel in enumerate(move.channels):
        if channel >= 0:
            weight[(index, int(channel), *places)] = 1.0
    steps = tuple(axis.step for axis in move.axes)
    zero = np.zeros(len(move.channels))
    if len(source) == 2:
        return nir.Conv1d(source[1], weight, steps[0], paddings[0], 1, 1, zero)
    return nir.Conv2d((source[1], source[2]), weight, steps, tuple(paddings), (1, 1), 1, zero)


def max_pool(kernel: Shape, stride: Shape, padding: Shape) -> nir.NIRNode:
    """The maximum over windows, which NIR has no node for: the package's own."""
    made: nir.NIRNode = MaxPool2d(np.array(kernel), np.array(stride), np.array(padding))
    return made
