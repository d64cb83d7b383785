"""dynamics: what a backend with neurons of its own gives, to step them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from nirdeploy.integers.parts import ChipPopulation, Formats, IntegerProjection


class Dynamics(Protocol):
    """How a population of a target steps, where it is not as :func:`nirdeploy.sim.integer.step` defines."""

    def start(self, population: ChipPopulation, batch: int) -> Any:
        """The state before the first step; ``v``: int64 (B, size), ``compared``: v as held against the threshold."""

    def step(
        self,
        state: Any,
        arriving: Sequence[tuple[IntegerProjection, np.ndarray]],
        population: ChipPopulation,
        formats: Formats,
    ) -> tuple[np.ndarray, Any, np.ndarray]:
        """One step.

        Args:
            arriving: the projections into the population and what leaves their sources, int64 (B, source size).

        Returns:
            what leaves (spike counts, or the membrane; int64 (B, size)), the state after, who saturated (bool).
        """
