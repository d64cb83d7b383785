"""Boxes: parts of a signal that is seen in a grid, as a pass computes or reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

Grid = tuple[int, ...]


@dataclass(frozen=True)
class Box:
    """``shape`` values of a grid, from ``first`` on along each axis; what lies beyond the grid is 0."""

    first: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def whole(cls, grid: Grid) -> Box:
        return cls((0,) * len(grid), grid)

    @classmethod
    def middle(cls, grid: Grid, shape: tuple[int, ...]) -> Box:
        """Of the first channels, in the middle of the map: what it sees is cut off by no border."""
        return cls((0, *((size - part) // 2 for size, part in zip(grid[1:], shape[1:], strict=True))), shape)

    def fills(self, grid: Grid) -> bool:
        return self.shape == grid

    def indices(self, grid: Grid) -> np.ndarray:
        """The flat (C order) indices of its values, all of which lie in the grid."""
        ranges = [np.arange(first, first + size) for first, size in zip(self.first, self.shape, strict=True)]
        return np.ravel_multi_index(np.ix_(*ranges), grid).ravel()

    def within(self, outer: Box) -> Box:
        """This box of that box as one of the grid."""
        return Box(tuple(a + b for a, b in zip(outer.first, self.first, strict=True)), self.shape)

    def halves(self, units: tuple[int, ...]) -> tuple[Box, Box] | None:
        """Cut in two along the axis that has most of its units (so many values); None where no axis has two."""
        counts = [-(-size // unit) for size, unit in zip(self.shape, units, strict=True)]
        axis = max(range(len(counts)), key=lambda a: counts[a])
        if counts[axis] < 2:
            return None
        low = -(-counts[axis] // 2) * units[axis]
        first, shape = list(self.first), list(self.shape)
        shape[axis] = low
        before = Box(self.first, tuple(shape))
        first[axis] += low
        shape[axis] = self.shape[axis] - low
        return before, Box(tuple(first), tuple(shape))


def tiles(grid: Grid, shape: tuple[int, ...], units: tuple[int, ...]) -> Iterator[Box]:
    """Boxes of at most that shape, alike as far as they can be, that fill a grid; whole units but for the last."""
    for parts in product(*(_cuts(*along) for along in zip(grid, shape, units, strict=True))):
        yield Box(tuple(first for first, _ in parts), tuple(size for _, size in parts))


def _cuts(size: int, most: int, unit: int) -> list[tuple[int, int]]:
    """(first, count) of pieces of one axis."""
    units = -(-size // unit)
    pieces = -(-units // max(most // unit, 1))
    ends = [min(units * n // pieces * unit, size) for n in range(pieces + 1)]
    return [(a, b - a) for a, b in pairwise(ends)]
