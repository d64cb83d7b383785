"""raster: the last steps of a population as characters: a column per step, a row per neuron, or several."""

from __future__ import annotations

from collections import deque

import numpy as np

LEVELS = " ▁▂▃▄▅▆▇█"  #: none to all of a row's neurons spiked, in a step


class Raster:
    """One population.

    Args:
        neurons: how many it has.
        rows: lines at most.
        columns: steps that are kept.
    """

    def __init__(self, name: str, neurons: int, rows: int, columns: int) -> None:
        self.name, self.neurons = name, neurons
        self._ends = np.linspace(0, neurons, min(rows, neurons) + 1).astype(int)
        self._columns: deque[np.ndarray] = deque(maxlen=columns)
        self.spikes = 0

    def add(self, spikes: np.ndarray) -> None:
        """More steps, (T, *shape)."""
        flat = spikes.reshape(len(spikes), -1)
        self.spikes += int(flat.sum())
        for step in flat[-(self._columns.maxlen or 0) :] > 0:
            shares = np.add.reduceat(step, self._ends[:-1]) / np.diff(self._ends)
            self._columns.append(np.ceil(shares * (len(LEVELS) - 1)).astype(int))

    def lines(self, width: int) -> list[str]:
        """Each row with the neurons it is of, and its last steps, as many as there is room for."""
        firsts, lasts = self._ends[:-1], self._ends[1:] - 1
        said = [f"{a}" if a == b else f"{a}-{b}" for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)]
        margin = max(map(len, said), default=0)
        shown = list(self._columns)[-max(width - margin - 1, 1) :]
        return [
            f"{label:>{margin}} " + "".join(LEVELS[column[row]] for column in shown) for row, label in enumerate(said)
        ]
