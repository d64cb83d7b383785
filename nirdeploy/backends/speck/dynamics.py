"""How a core steps its neurons, all of a step's events taken together.

    v = saturate(v + sum of weights of the step's events + bias)
    n = v // T if v > 0 else 0                          spikes
    v = v - n T, or 0 where n > 0 (return_to_zero)
    v = max(v, threshold_low)

The chip has no steps: it adds one weight per event, at most one spike follows each, and the bias comes with the slow
clock. What of that depends on the order of events, and what does not, is in ``docs/targets/speck.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.integers import sound
from nirdeploy.integers.parts import ChipPopulation, Formats, IntegerProjection
from nirdeploy.integers.sound import Register

#: A core's thresholds, and the bias of each neuron.
REGISTERS = {
    "threshold_high": Register(each=False, least=1),
    "threshold_low": Register(each=False),
    "bias": Register(),
}


@dataclass(frozen=True)
class State:
    """int64 (B, size): the membrane after a step, and as it was held against the threshold."""

    v: np.ndarray
    compared: np.ndarray


class SpeckDynamics:
    """A core's integrate-and-fire neurons. A population's registers: :data:`REGISTERS`."""

    def start(self, population: ChipPopulation, batch: int) -> State:
        """At rest."""
        sound.registers(population, REGISTERS)
        zeros = np.zeros((batch, population.size), dtype=np.int64)
        return State(zeros, zeros)

    def step(
        self,
        state: State,
        arriving: Sequence[tuple[IntegerProjection, np.ndarray]],
        population: ChipPopulation,
        formats: Formats,
    ) -> tuple[np.ndarray, State, np.ndarray]:
        """One step; the membrane saturates at the ends of its bits."""
        registers = population.registers
        high, low = int(registers["threshold_high"]), int(registers["threshold_low"])
        entering = [p.apply(signal.astype(np.float64)).astype(np.int64) for p, signal in arriving]  # exact below 2^53
        total = state.v + registers["bias"] + sum(entering)
        v = np.clip(total, -formats.state_max - 1, formats.state_max)
        spikes = np.maximum(v, 0) // high
        after = np.where(spikes > 0, 0, v) if population.reset == "zero" else v - spikes * high
        return spikes, State(np.maximum(after, low), v), v != total
