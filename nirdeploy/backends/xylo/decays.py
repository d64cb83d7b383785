"""Time constants as powers of two, and what of the difference a neuron's weights make good.

The chip keeps 1 - 2^-dash of a state in a step: the nearest time constant is up to 1.41 times too long or too short.
That changes what a spike brings to the membrane in all, its weight times the sum of its current over all steps; the
weights of the neuron are scaled so that this is as it was. (Held against it on random networks, with tau of 2 to 60
steps: the same effect in the long run, and the nearest effect by least squares; both gave the wrong number of spikes
more often.) How fast the membrane forgets, and what a reset leaves, stays as the registers have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nirdeploy.backends.xylo.schema import Formats


@dataclass(frozen=True)
class Decays:
    """Registers (int64), and float64 figures, all (size,).

    ``factor``: what a weight is times on the chip; ``membrane_error``, ``synapse_error``: how much longer the time
    constants are, as a part of what they should be.
    """

    dash_mem: np.ndarray
    dash_syn: np.ndarray
    factor: np.ndarray
    membrane_error: np.ndarray
    synapse_error: np.ndarray


def fit(membrane: np.ndarray, synapse: np.ndarray, formats: Formats) -> Decays:
    """The registers for these decays (size,), from 0 to below 1."""
    dash_mem, dash_syn = nearest(membrane, 0, formats), nearest(synapse, 1, formats)
    kept = kept_by(dash_syn)
    # In the graph a spike adds its weight to the current, on the chip what is left of it after the step's decay.
    factor = (1.0 - kept) / kept / (1.0 - synapse)
    return Decays(
        dash_mem,
        dash_syn,
        factor,
        2.0**dash_mem * (1.0 - membrane) - 1.0,
        2.0**dash_syn * (1.0 - synapse) - 1.0,
    )


def nearest(decay: np.ndarray, least: int, formats: Formats) -> np.ndarray:
    """The dash, ``least`` or more, whose time constant is nearest as a ratio."""
    return np.clip(np.rint(-np.log2(1.0 - decay)), least, formats.dash_max).astype(np.int64)


def kept_by(dash: np.ndarray) -> np.ndarray:
    """What a dash leaves of a state, where that is large."""
    return np.asarray(1.0 - 0.5**dash)
