"""Biases and the state before the first step.

A population that lags L steps behind the graph gets its bias L steps too early. Its membrane and current start where
these L steps of bias lead to the graph's own start, zero, as far as that goes without a spike.
"""

from __future__ import annotations

import numpy as np

from nirdeploy.backends.loihi2.dynamics import truncated
from nirdeploy.backends.loihi2.schema import Formats


def bias_registers(bias: np.ndarray, formats: Formats) -> tuple[np.ndarray, np.ndarray]:
    """Mantissa and exponent (int64) of a bias in LSBs of the membrane: the smallest exponent that holds it."""
    steps = np.arange(formats.bias_exponent_max + 1)
    rounded = np.rint(bias[:, None] / 2.0**steps)
    fits = np.abs(rounded) <= formats.bias_max
    exponent = np.where(fits.any(axis=1), fits.argmax(axis=1), formats.bias_exponent_max)
    mantissa = np.clip(rounded[np.arange(bias.size), exponent], -formats.bias_max, formats.bias_max)
    return mantissa.astype(np.int64), exponent.astype(np.int64)


def membrane(
    bias: np.ndarray, u: np.ndarray, dv: int, du: int, threshold: int, latency: int, formats: Formats
) -> tuple[np.ndarray, np.ndarray]:
    """v before the first step (int64), and where it leads to after ``latency`` steps without spikes: 0 if possible."""
    keeps = (formats.unity - dv) / formats.unity
    currents = [u]
    for _ in range(latency):
        currents.append(truncated(currents[-1] * (formats.unity - du - 1), formats.decay_bits))
    wanted = np.zeros(bias.size)
    with np.errstate(over="ignore"):
        for current in reversed(currents[1:]):
            wanted = (wanted - bias - current) / keeps
    v = np.rint(np.clip(wanted, -formats.state_max, threshold)).astype(np.int64)
    path = v
    for current in currents[1:]:
        path = truncated(path * (formats.unity - dv), formats.decay_bits) + current + bias
    return v, path
