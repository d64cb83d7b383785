"""Where a population's neurons stand: the rows that lanes work on, and the bits of the bitmap.

A *row* is what one core works on at once. A population that no convolution or pool touches has rows of ``lanes``
neurons, one to a line. The others keep their grid: channels (up to ``lanes`` of them: a block) are innermost, so that
what a kernel sees of one image line is one run of bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nirdeploy.semantics.operators import Convolution, Elementwise, Passage, Pool

Grid = tuple[int, int, int]
WORD = 32  # spikes per bitmap word


@dataclass(frozen=True)
class Block:
    """Lines of ``columns`` rows of ``width`` neurons, each row ``pitch`` bits; the very last may be narrower.

    ``first``: of its neurons, in the population's device order; ``count``: how many they are.
    """

    first: int
    count: int
    width: int
    pitch: int
    columns: int
    lines: int

    @property
    def rows(self) -> int:
        return self.columns * self.lines

    @property
    def line_bits(self) -> int:
        return self.columns * self.pitch

    @property
    def line_neurons(self) -> int:
        return self.columns * self.width


@dataclass(frozen=True)
class Layout:
    """``grid``: (channels, height, width), or None where neurons stand in their own order."""

    size: int
    grid: Grid | None
    blocks: tuple[Block, ...]

    def order(self) -> np.ndarray:
        """The neurons (flattened, C order) in device order: int64 (size,)."""
        if self.grid is None:
            return np.arange(self.size)
        index, channel, parts = np.arange(self.size).reshape(self.grid), 0, []
        for block in self.blocks:
            parts.append(index[channel : channel + block.width].transpose(1, 2, 0).ravel())
            channel += block.width
        return np.concatenate(parts)

    def channels(self, block: Block) -> slice:
        """The channels of a block of a grid."""
        before = sum(b.width for b in self.blocks if b.first < block.first)
        return slice(before, before + block.width)


def layout(size: int, grid: Grid | None, lanes: int, update: int) -> Layout:
    """How ``size`` neurons stand, for cores of so many lanes that update so many neurons a cycle."""
    if grid is None:
        return Layout(size, None, (Block(0, size, lanes, lanes, 1, math.ceil(size / lanes)),))
    channels, height, width = grid
    count = math.ceil(channels / lanes)
    widths = [channels // count + (i < channels % count) for i in range(count)]
    blocks, first = [], 0
    for wide in widths:
        pitch = math.ceil(wide / update) * update
        blocks.append(Block(first, wide * height * width, wide, pitch, width, height))
        first += blocks[-1].count
    return Layout(size, grid, tuple(blocks))


def input_layout(size: int, grid: Grid | None) -> Layout:
    """How the host sends an input: all its neurons without a gap, channels innermost where it is a grid."""
    if grid is None:
        return Layout(size, None, (Block(0, size, WORD, WORD, 1, math.ceil(size / WORD)),))
    channels, height, width = grid
    return Layout(size, grid, (Block(0, size, channels, channels, width, height),))


def grids(projections: Iterable[tuple[str, str, Passage]]) -> dict[str, Grid]:
    """The grid of every population that a convolution or a pool touches: the first that is asked of it.

    Populations that meet neuron by neuron stand alike, if nothing else is asked of one of them.
    """
    found: dict[str, Grid] = {}
    alike: list[tuple[str, str]] = []
    for source, target, passage in projections:
        for name, grid in ((source, source_grid(passage)), (target, target_grid(passage))):
            if grid is not None:
                found.setdefault(name, grid)
        if passage.pool is None and passage.maximum is None and isinstance(passage.operator, Elementwise):
            alike += [(source, target), (target, source)]
    while spread := {to: found[by] for by, to in alike if by in found and to not in found}:
        found |= spread
    return found


def source_grid(passage: Passage) -> Grid | None:
    """The grid in which a projection sees its source, if it does."""
    first: Pool | object = passage.operator if passage.pool is None else passage.pool
    return first.shape if isinstance(first, (Pool, Convolution)) else None


def target_grid(passage: Passage) -> Grid | None:
    """The grid in which a projection's outputs stand, if they do."""
    if not isinstance(passage.operator, Convolution):
        return None
    return passage.operator.out_shape if passage.maximum is None else passage.maximum.out_shape
