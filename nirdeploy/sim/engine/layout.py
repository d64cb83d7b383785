"""layout: in which order the numbers of a population lie while the engine has them.

Outside it is C order, channel by channel. Inside, all channels of a position lie together: what a spike adds to a
position is then one run of numbers, whatever the kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LINE = 64  # bytes of a line of the cache
STEP = 4  # what runs of numbers are multiples of, in number and in where they start


@dataclass(frozen=True)
class Layout:
    """``channels`` x ``positions`` values; the channels of a position lie in ``lanes``, the rest of which is empty."""

    channels: int
    positions: int
    lanes: int

    @classmethod
    def of(cls, channels: int, positions: int) -> Layout:
        return cls(channels, positions, -(-channels // STEP) * STEP)

    @classmethod
    def as_it_is(cls, size: int) -> Layout:
        """C order, nothing in between."""
        return cls(size, 1, size)

    @property
    def size(self) -> int:
        return self.channels * self.positions

    @property
    def width(self) -> int:
        """Numbers in all, the empty ones too."""
        return self.lanes * self.positions

    @cached_property
    def index(self) -> np.ndarray:
        """Where each value lies: int64 (size,)."""
        places = np.arange(self.positions) * self.lanes
        return (np.arange(self.channels)[:, None] + places).ravel()

    def lay(self, values: np.ndarray, empty: float = 0) -> np.ndarray:
        """Values (..., size) in this order (..., width)."""
        if self.width == self.size and self.positions == 1:
            return np.ascontiguousarray(values)
        laid = np.full((*values.shape[:-1], self.width), empty, dtype=values.dtype)
        laid[..., self.index] = values
        return laid

    def natural(self, laid: np.ndarray) -> np.ndarray:
        """The inverse: (..., width) as (..., size)."""
        apart = laid.reshape(*laid.shape[:-1], self.positions, self.lanes)[..., : self.channels]
        return np.ascontiguousarray(apart.swapaxes(-1, -2)).reshape(*laid.shape[:-1], self.size)

    @cached_property
    def origin(self) -> np.ndarray:
        """The inverse of ``index``: which value lies where, uint32 (width,); 0 where none does."""
        found = np.zeros(self.width, dtype=np.uint32)
        found[self.index] = np.arange(self.size)
        return found


def aligned(shape: tuple[int, ...], kind: type[np.generic]) -> np.ndarray:
    """Room for numbers, of any value, that begins where a line of the cache does: vectors then lie within lines."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    raw = np.empty(size + LINE, dtype=np.uint8)
    begin = -raw.ctypes.data % LINE
    return raw[begin : begin + size].view(kind).reshape(shape)


@dataclass(frozen=True)
class Laid:
    """Spikes or an input's numbers, uint8 (T, B, width), in their layout."""

    values: np.ndarray
    layout: Layout

    def natural(self) -> np.ndarray:
        """The same in C order, (T, B, size)."""
        if self.layout.positions == 1:
            return self.layout.natural(self.values)
        from nirdeploy.sim.engine import order  # numba takes its time: imported where it is used

        return order.in_order(self.values, self.layout.origin, self.layout.size)


class Signals(dict[str, np.ndarray]):
    """By population (T, B, size) what left it, in C order: of what the engine left, made when asked for."""

    def __init__(self, known: dict[str, np.ndarray]) -> None:
        super().__init__(known)
        self._laid: dict[str, Laid] = {}

    def keep(self, name: str, signal: Laid) -> None:
        """What the engine makes of a population; its values may be written later."""
        self._laid[name] = signal

    def __missing__(self, name: str) -> np.ndarray:
        self[name] = self._laid[name].natural()
        return self[name]

    def laid(self, name: str, layout: Layout) -> np.ndarray:
        """Spikes or numbers in that layout (what the engine left is in its own): uint8."""
        if name not in self._laid:
            self._laid[name] = Laid(layout.lay(np.ascontiguousarray(self[name], dtype=np.uint8)), layout)
        return self._laid[name].values
