"""window: what of a raster is drawn where it is larger than can be: always around what is pointed at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """Steps and neurons from the first to before the end, of so many."""

    steps: tuple[int, int]
    neurons: tuple[int, int]
    of: tuple[int, int]

    @property
    def whole(self) -> bool:
        return self.steps == (0, self.of[0]) and self.neurons == (0, self.of[1])

    @property
    def cells(self) -> tuple[slice, slice]:
        return slice(*self.steps), slice(*self.neurons)

    @property
    def cut(self) -> str:
        """What is drawn, where that is not all: "first 256 steps, 128 neurons", "steps 300 to 555, 128 neurons"."""
        if self.whole:
            return ""
        (begin, end), (low, high) = self.steps, self.neurons
        steps = f"first {end:,} steps" if begin == 0 else f"steps {begin:,} to {end - 1:,}"
        neurons = f"{high:,} neurons" if low == 0 else f"neurons {low:,} to {high - 1:,}"
        return f"{steps}, {neurons}"


def around(centre: int, size: int, most: int) -> tuple[int, int]:
    """So many of ``most``, with the centre amid them where that can be; from 0 on where they reach it from there."""
    begin = 0 if centre < size else centre - size // 2
    begin = max(min(begin, most - size), 0)
    return begin, min(begin + size, most)


def holding(spikes: np.ndarray, at: tuple[int, int], most: int) -> Window:
    """As much of spikes (T, neurons; bool) around a cell as holds ``most`` of them: first fewer steps, then neurons."""
    total, neurons = spikes.shape
    steps = (0, total)
    if int(spikes.sum()) > most:
        per_step = np.concatenate([[0], np.cumsum(spikes.sum(axis=1))])
        size = _largest(total, lambda n: int(np.diff(per_step[list(around(at[0], n, total))])[0]) <= most)
        steps = around(at[0], max(size, 1), total)
    wide = (0, neurons)
    if int(spikes[slice(*steps)].sum()) > most:
        per_neuron = np.concatenate([[0], np.cumsum(spikes[slice(*steps)].sum(axis=0))])
        size = _largest(neurons, lambda n: int(np.diff(per_neuron[list(around(at[1], n, neurons))])[0]) <= most)
        wide = around(at[1], max(size, 1), neurons)
    return Window(steps, wide, (total, neurons))


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``most`` that fits, by halving; windows of other centres are close enough to nested."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
