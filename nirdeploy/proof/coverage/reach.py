"""reach: how far a fault can move a membrane at most; where that is short of the threshold, nothing need be tried.

Until a spike differs, a step takes two membranes no further apart than a decay, its rounding and what the fault adds
leave them: saturation, resets and bounds bring them no further.
"""

from __future__ import annotations

import numpy as np

from nirdeploy.integers.parts import Formats, IntegerPopulation
from nirdeploy.proof.coverage.faults import FIELDS, LATE_BIAS, WEIGHTS, Site


def known(population: IntegerPopulation) -> bool:
    """Whether the membranes that were held against the threshold say all: not so where several spikes, a membrane of
    the step before, or the membrane itself are what leaves."""
    return population.spiking and not population.rules.multi and not population.rules.reset_guard


def reach(
    site: Site, population: IntegerPopulation, formats: Formats, steps: int, sent: int, largest: tuple[np.ndarray, ...]
) -> np.ndarray:
    """How far one of the site's faults moves a membrane within so many steps: int64 (size,), not below what is true.

    Args:
        sent: what a projection's weights are multiplied with at most, in the membrane's unit.
        largest: the largest magnitude of membrane and of synaptic current in the run: (size,).
    """
    unity, zeros = 1 << formats.decay_bits, np.zeros(population.size, dtype=np.int64)
    if site.kind == "threshold":
        return zeros + site.step
    decay, synapse_decay = population.decay.copy(), population.synapse_decay.copy()
    membrane, current, start = zeros, zeros, zeros
    if site.kind in (WEIGHTS, LATE_BIAS):
        into = zeros + site.step * (sent if site.kind == WEIGHTS else 1)
        membrane, current = (zeros, into) if population.synaptic else (into, zeros)
    elif site.kind == "synapse bias":
        current = zeros + site.step
    elif site.kind == "synapse decay":
        synapse_decay, current = synapse_decay + site.step, (largest[1] * site.step >> formats.decay_bits) + 1
    elif site.kind == "decay":
        decay, membrane = decay + site.step, (largest[0] * site.step >> formats.decay_bits) + 1
    elif site.kind == "start":
        start = zeros + site.step
    elif site.kind in FIELDS:
        membrane = zeros + site.step
    moved, brought = start, zeros
    for _ in range(steps):
        brought = _left(brought, synapse_decay, unity) + current
        moved = _left(moved, decay, unity) + membrane + (brought if population.synaptic else 0)
    return moved


def _left(apart: np.ndarray, decay: np.ndarray, unity: int) -> np.ndarray:
    rounded = np.where(decay == unity, apart, apart * np.abs(decay) // unity + 1)
    return np.where(apart == 0, 0, rounded)
