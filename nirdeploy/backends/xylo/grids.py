"""Weights of a neuron on one grid: into how many LSBs a step of the grid is divided, by the shifts of the matrices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nirdeploy.backends.xylo.schema import Formats
from nirdeploy.integers import grid


class Grids:
    """The neurons of a population, by row.

    ``step``: float64 (size,), in thresholds, of which the weights in all matrices are whole multiples; 0: there is
    none. ``cap``: the largest threshold.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], cap: np.ndarray, formats: Formats) -> None:
        self.cap, self.largest = cap, formats.weight_max
        self.step = grid.common([grid.of_rows(weight, grid.MOST) for weight in weights.values()], grid.MOST)
        steps = np.where(self.step > 0, self.step, 1.0)[:, None]
        whole = {m: np.rint(weight / steps).astype(np.int64) for m, weight in weights.items() if self.step.any()}
        self.up = {m: each.max(axis=1, initial=0) for m, each in whole.items()}
        self.down = {m: -each.min(axis=1, initial=0) for m, each in whole.items()}
        self.divisor = {m: np.gcd.reduce(each, axis=1) for m, each in whole.items()}

    def thresholds(self, shifts: Mapping[str, int]) -> np.ndarray:
        """The threshold (size,), not rounded, at which the weights are whole numbers of their bits; 0: there is none.

        The most negative integer is used where only it keeps a grid.
        """
        found = np.zeros(self.step.size)
        if not self.step.any():
            return found
        per = np.where(self.step > 0, 1.0 / np.where(self.step > 0, self.step, 1.0), 1.0)
        for lowest in (self.largest + 1, self.largest):
            parts = self._parts(shifts, lowest, per)
            exact = np.maximum(parts * per, 0.5)
            kept = (self.step > 0) & (np.rint(exact) >= 1)
            for m in self.up:
                furthest = np.maximum(self.up[m], self.down[m]) * parts / (1 << shifts[m])
                kept &= grid.moves_little(furthest, exact, np.rint(exact))
            found = np.where(kept, exact, found)
        return found

    def _parts(self, shifts: Mapping[str, int], lowest: int, per: np.ndarray) -> np.ndarray:
        most, every = self.cap / per, np.ones(self.step.size, dtype=np.int64)
        for m in self.up:
            unit = 1 << shifts[m]
            with np.errstate(divide="ignore"):
                most = np.minimum(most, np.minimum(self.largest * unit / self.up[m], lowest * unit / self.down[m]))
            every = np.lcm(every, unit // np.gcd(self.divisor[m], unit))
        return grid.parts_up_to(most, every, per)
