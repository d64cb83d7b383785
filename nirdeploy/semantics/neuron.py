"""The discrete-time equations of every neuron, once.

Every neuron here is NIR's differential equation under a :class:`~nirdeploy.semantics.dialect.Dialect`.
The functions use operators only, so NumPy arrays and torch tensors run through the same code:
the float reference, the importer's torch modules and the quantizer cannot drift apart.

NIR (https://neuroir.org/docs/primitives.html):
    LIF     tau dv/dt = (v_leak - v) + r I      spike when v crosses v_threshold, then reset
    IF          dv/dt = r I                     the same
    CubaLIF tau_syn di/dt = -i + w_in I         a LIF of tau_mem whose current is i
    LI, I, CubaLI                               LIF, IF, CubaLIF that never spike: v is read out
    Threshold   spike when the input I exceeds the threshold
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.semantics.dialect import Dialect

#: Parameters of each neuron model, in NIR's names. ``Output`` is an analog output: v = I.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "IF": ("r", "v_threshold", "v_reset"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    "I": ("r",),
    "LI": ("tau", "r", "v_leak"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "Threshold": ("threshold",),
    "Output": (),
}

SPIKING = frozenset({"IF", "LIF", "CubaLIF", "Threshold"})
SYNAPTIC = frozenset({"CubaLIF", "CubaLI"})  # with a synaptic current of their own
RESETS = frozenset({"IF", "LIF", "CubaLIF"})


@dataclass(frozen=True)
class Coefficients:
    """One step as affine maps, float64 arrays of the population's shape (or any that broadcast with it).

    With a synapse: ``i' = synapse_decay i + synapse_gain I``, and ``I`` below is ``i'`` (or ``i``).
    Membrane: ``v' = decay v + gain I + offset``.
    """

    decay: Any
    gain: Any
    offset: Any
    synapse_decay: Any = None
    synapse_gain: Any = None


@dataclass(frozen=True)
class Rules:
    """What a dialect decides for one population beyond its coefficients; fields as in Dialect.

    ``reset_before``: a late reset acts before the membrane is integrated. ``bounded``: the membrane does not
    fall below minus its threshold. ``starts_reset``: it starts from ``v_reset``, not from 0.
    """

    threshold: str
    reset: str
    reset_delay: bool
    reset_before: bool
    reset_guard: bool
    synapse_order: str
    multi: bool
    max_spikes: int
    spike_delay: bool
    bounded: bool
    starts_reset: bool


@dataclass(frozen=True)
class State:
    """Between two steps: membrane ``v``, synaptic current ``i`` and the spikes ``z`` of the step.

    ``compared`` is the membrane that was held against the threshold, before any reset.
    """

    v: Any
    i: Any = None
    z: Any = None
    compared: Any = None


def rules(model: str, dialect: Dialect, *, recurrent: bool = False) -> Rules:
    """The dialect's rules for one population; ``recurrent``: its own spikes come back to it."""
    resets = model in RESETS
    before = dialect.late_reset == "before"
    if dialect.late_reset == "leaky_before":
        before = dialect.reset == "zero" and model != "CubaLIF" and not recurrent
    elif dialect.late_reset == "cuba_before":
        before = model == "CubaLIF"
    return Rules(
        threshold=dialect.threshold if resets else ">",
        reset=dialect.reset if resets else "none",
        reset_delay=dialect.reset_delay and resets,
        reset_before=before,
        reset_guard=dialect.reset_guard and not dialect.reset_delay and dialect.reset == "subtract" and resets,
        synapse_order=dialect.synapse_order,
        multi=dialect.spikes == "multi" and dialect.max_spikes != 1 and resets,
        max_spikes=dialect.max_spikes,
        spike_delay=dialect.spike_delay and resets,
        bounded=dialect.v_min == "-threshold" and resets,
        starts_reset=dialect.initial == "v_reset" and resets,
    )


def ignores_v_reset(dialect: Dialect) -> bool:
    """Whether a v_reset of zero stands for whatever a graph says."""
    return dialect.reset == "subtract" and dialect.subtract == "threshold" and dialect.initial == "zero"


def at_rest(params: Mapping[str, Any], rules: Rules, zeros: Any) -> State:
    """The state before the first step; ``zeros`` have the shape (B, ...) and type of the membrane."""
    return State(zeros + params["v_reset"] if rules.starts_reset else zeros, zeros, zeros)


def coefficients(model: str, params: Mapping[str, Any], dialect: Dialect) -> Coefficients:
    """The step's affine maps; parameters may be NumPy arrays (float64: what the quantizer rounds) or tensors."""
    if model in ("Output", "Threshold"):
        return Coefficients(decay=0.0, gain=1.0, offset=0.0)
    if model in ("IF", "I"):
        gain = 1.0 if dialect.gain in ("one", "no_r") else dialect.dt * params["r"]
        return Coefficients(decay=1.0, gain=gain, offset=0.0)
    tau = params["tau_mem" if model in SYNAPTIC else "tau"]
    leak = _leak(tau, dialect)
    rate = dialect.dt / tau if dialect.gain == "euler" else leak
    r = 1.0 if dialect.gain == "no_r" and model not in SYNAPTIC else params["r"]
    gain = 1.0 if dialect.gain == "one" else rate * r
    offset = leak * params["v_leak"]
    if model not in SYNAPTIC:
        return Coefficients(decay=1.0 - leak, gain=gain, offset=offset)
    synapse_leak = _leak(params["tau_syn"], dialect)
    synapse_rate = dialect.dt / params["tau_syn"] if dialect.gain == "euler" else synapse_leak
    return Coefficients(
        decay=1.0 - leak,
        gain=gain,
        offset=offset,
        synapse_decay=1.0 - synapse_leak,
        synapse_gain=1.0 if dialect.gain == "one" else synapse_rate * params["w_in"],
    )


def _leak(tau: Any, dialect: Dialect) -> Any:
    """The part of a state that is lost in one step."""
    return dialect.dt / tau if dialect.discretization == "euler" else 1.0 - np.e ** (-dialect.dt / tau)


def threshold_of(model: str, params: Mapping[str, Any]) -> Any:
    """The firing threshold of a spiking model."""
    return params["threshold" if model == "Threshold" else "v_threshold"]


def step(
    model: str,
    state: State,
    current: Any,
    params: Mapping[str, Any],
    how: Coefficients,
    rules: Rules,
    fire: Callable[[Any, Rules], Any] | None = None,
) -> tuple[Any, State]:
    """One step: what leaves the population (spikes in the membrane's type, or v) and the state after it.

    ``fire(overdrive, rules)`` turns the overdrive (how far v is above threshold; in thresholds where the
    rules are multi-spike, see :func:`overdrive`) into spikes: :func:`fires`, or a surrogate of it.
    """
    v, i = state.v, state.i
    if model in SYNAPTIC:
        entering = how.synapse_decay * i + how.synapse_gain * current
        current, i = (entering if rules.synapse_order == "new" else i), entering
    if model not in SPIKING:
        v = how.decay * v + how.gain * current + how.offset
        return v, State(v, i, None, v)
    fire = fire or fires
    before = _detached(fire(overdrive(model, v, params, rules), rules)) if rules.reset_guard else None
    if rules.reset_delay and rules.reset_before:
        v = reset(v, _detached(state.z), params, rules)
    v = how.decay * v + how.gain * current + how.offset
    if rules.reset_delay and not rules.reset_before:
        v = reset(v, _detached(state.z), params, rules)
    compared = v if before is None else reset(v, before, params, rules)
    z = fire(overdrive(model, compared, params, rules), rules)
    if model in RESETS and not rules.reset_delay:
        v = reset(v, _detached(z), params, rules)
    if rules.bounded:
        floor = -1.0 * threshold_of(model, params)
        v = v + (floor - v) * (v < floor)
    return (state.z if rules.spike_delay else z), State(v, i, z, compared)


def _detached(z: Any) -> Any:
    """A tensor's reset is not differentiated through: it would cut the surrogate's path to the past."""
    return z.detach() if hasattr(z, "detach") else z


def overdrive(model: str, v: Any, params: Mapping[str, Any], rules: Rules) -> Any:
    """How far the membrane is above threshold (its sign decides the spike); multi-spike: v in thresholds."""
    threshold = threshold_of(model, params)
    return v / threshold if rules.multi else v - threshold


def fires(above: Any, rules: Rules) -> Any:
    """Spikes of one step from :func:`overdrive`, in float64: 0 or 1, or their number if multi-spike."""
    if not rules.multi:
        return (above > 0 if rules.threshold == ">" else above >= 0).astype(np.float64)
    whole = np.ceil(above) - 1 if rules.threshold == ">" else np.floor(above)
    return np.clip(whole, 0, rules.max_spikes or None)


def reset(v: Any, spikes: Any, params: Mapping[str, Any], rules: Rules) -> Any:
    """Membrane potential after its spikes (a number, in v's type)."""
    if rules.reset == "none":
        return v
    if rules.reset == "subtract":
        return v - spikes * (params["v_threshold"] - params["v_reset"])
    fired = spikes > 0
    return v * ~fired + fired * params["v_reset"]
