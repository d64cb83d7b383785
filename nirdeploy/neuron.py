"""The discrete-time equations of every neuron, once.

Every neuron here is NIR's differential equation under a :class:`~nirdeploy.dialect.Dialect`.
The functions use operators only, so NumPy arrays and torch tensors run through the same code:
the float reference, the importer's torch modules and the quantizer cannot drift apart.

NIR (https://neuroir.org/docs/primitives.html):
    LIF  tau dv/dt = (v_leak - v) + r I      spike when v crosses v_threshold, then reset
    IF       dv/dt = r I                     the same
    LI   tau dv/dt = (v_leak - v) + r I      no spike: the membrane potential is read out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.dialect import Dialect

#: Parameters of each neuron model, in NIR's names. ``Output`` is an analog output: v = I.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "IF": ("r", "v_threshold", "v_reset"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "Output": (),
}

SPIKING = frozenset({"IF", "LIF"})


@dataclass(frozen=True)
class Coefficients:
    """One step as an affine map: v' = decay v + gain I + offset. Arrays of the population's shape."""

    decay: np.ndarray
    gain: np.ndarray
    offset: np.ndarray


def integrate(model: str, v: Any, current: Any, params: Mapping[str, Any], dialect: Dialect) -> Any:
    """Membrane potential after one step of ``dt`` with input ``current``, before threshold and reset."""
    if model == "Output":
        return current + 0.0 * v
    if model == "IF":
        return v + dialect.dt * (params["r"] * current)
    rest = params["v_leak"]
    if dialect.discretization == "euler":
        return v + (dialect.dt / params["tau"]) * ((rest - v) + params["r"] * current)
    keep = exponential_decay(params["tau"], dialect.dt)
    return keep * v + (1.0 - keep) * (rest + params["r"] * current)


def exponential_decay(tau: Any, dt: float) -> Any:
    """exp(-dt / tau): the exact decay of a leaky membrane over one step (``tau``, ``dt`` in seconds)."""
    return np.e ** (-dt / tau)


def overdrive(v: Any, params: Mapping[str, Any]) -> Any:
    """How far the membrane is above threshold; its sign decides the spike."""
    return v - params["v_threshold"]


def fires(above: np.ndarray, dialect: Dialect) -> np.ndarray:
    """Spike (bool) from :func:`overdrive`: ``>`` or ``>=`` zero, by dialect."""
    return above > 0 if dialect.threshold == ">" else above >= 0


def reset(v: Any, spike: Any, params: Mapping[str, Any], dialect: Dialect) -> Any:
    """Membrane potential after the step's spikes (0 or 1, in v's type)."""
    if dialect.reset == "subtract":
        return v - spike * (params["v_threshold"] - params["v_reset"])
    return v * (1 - spike) + spike * params["v_reset"]


def coefficients(
    model: str, params: Mapping[str, np.ndarray], shape: tuple[int, ...], dialect: Dialect
) -> Coefficients:
    """The affine form of :func:`integrate`, in float64: what the quantizer rounds."""
    ones, zeros = np.ones(shape), np.zeros(shape)
    if model == "Output":
        return Coefficients(decay=zeros, gain=ones, offset=zeros)
    if model == "IF":
        return Coefficients(decay=ones, gain=dialect.dt * params["r"] * ones, offset=zeros)
    leak = (
        dialect.dt / params["tau"]
        if dialect.discretization == "euler"
        else 1.0 - exponential_decay(params["tau"], dialect.dt)
    )
    return Coefficients(
        decay=(1.0 - leak) * ones, gain=leak * params["r"] * ones, offset=leak * params["v_leak"] * ones
    )
