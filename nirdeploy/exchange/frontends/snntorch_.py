"""snnTorch: Leaky, Lapicque, RLeaky, Synaptic and RSynaptic, with the resets that its own exporter drops.

Equations (``snntorch._neurons``, 1.0): the synaptic current is ``alpha i + x``, the membrane ``beta v + i`` (or
``+ x``), both decays held between 0 and 1. A reset follows in the next step: to zero before the membrane decays in
Leaky, after it has integrated in the others; with ``reset_delay=False`` it comes at once. The spikes of RLeaky and
RSynaptic come back through ``recurrent`` in the next step, whose bias counts in the first step too. snnTorch knows no
seconds: its exporter takes a step for 1e-4 s, and so does this one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.exchange.frontends import common
from nirdeploy.exchange.table import Call, Part, Table, array, class_of
from nirdeploy.semantics.dialect import Dialect

_NEURONS = ("Leaky", "RLeaky", "Synaptic", "RSynaptic", "Lapicque")
_REASONS = {
    "Alpha": (
        "its membrane is the difference of two decaying currents, with no current of its own: no neuron of NIR is that",
        "train with Synaptic, whose membrane follows a decaying current",
    ),
    "LeakyParallel": ("it has no reset, and weights of its own within", "train with Leaky and nn.Linear"),
    "SLSTM": ("its gates multiply signals with each other", "train with RSynaptic"),
    "SConv2dLSTM": ("its gates multiply signals with each other", "train with RSynaptic"),
    "GradedSpikes": ("spikes of NIR have no size", "multiply the next layer's weights instead"),
}
_RESETS: Any = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}


def export(net: nn.Module, example_input: torch.Tensor, dt: float | None) -> nir.NIRGraph:
    """The NIR graph of a net whose example is (B, ...), or (T, B, ...) if its forward goes through the steps.

    Raises:
        ExportError: inhibition, graded spikes, quantized states, and what has no NIR node.
    """
    # snnTorch adds a current as it is; r and w_in say the same to readers that know no dialect.
    preset = replace(common.with_dt("snntorch", dt, 1e-4), gain="one")
    return common.export(net, example_input, _Table(preset), preset)


class _Table(Table):
    package = "snntorch"
    places = ("snntorch.",)

    def __init__(self, preset: Dialect) -> None:
        super().__init__(preset.dt)
        self.preset = preset

    def is_neuron(self, module: nn.Module) -> bool:
        return class_of(module, "snntorch", _NEURONS) is not None

    def neuron(self, call: Call) -> Part:
        return _neuron(call, self.preset)

    def reason(self, module: nn.Module) -> tuple[str, str]:
        return _REASONS.get(self.own_class(module) or "", super().reason(module))


def _neuron(call: Call, preset: Dialect) -> Part:
    module, kind, dt = call.module, class_of(call.module, "snntorch", _NEURONS), preset.dt
    reset = _reset(call)
    if kind == "RSynaptic" and not module.reset_delay:
        raise common.refused(
            call, "snnTorch itself does not carry out its reset_delay=False", hint="build it with reset_delay=True"
        )
    _look_at_spikes(call)
    threshold = common.per_neuron(module.threshold, "threshold", call)
    tau = _rc(call, dt) if kind == "Lapicque" else _time_constant(common.per_neuron(module.beta, "beta", call), dt)
    values = {"r": _resistance(call, tau, dt), "v_leak": 0 * tau, "v_threshold": threshold, "v_reset": 0 * tau}
    if kind in ("Synaptic", "RSynaptic"):
        tau_syn = _time_constant(common.per_neuron(module.alpha, "alpha", call), dt)
        node: nir.NIRNode = nir.CubaLIF(tau_mem=tau, tau_syn=tau_syn, w_in=tau_syn / dt, **values)
    else:
        node = nir.LIF(tau=tau, **values)
    dialect = replace(preset, reset=reset, reset_delay=bool(getattr(module, "reset_delay", True)))
    if kind == "Lapicque":  # its reset to zero acts after the membrane has integrated, its current is scaled
        dialect = replace(dialect, gain="equation", late_reset="after")
    return Part(node, dialect, _feedback(call) if kind in ("RLeaky", "RSynaptic") else None)


def _reset(call: Call) -> Any:
    """subtract, zero or none: what the neuron was built with, and its state still says."""
    module = call.module
    reset = _RESETS[module.state_function.__name__]
    if module.reset_dict[reset] != int(module.reset_mechanism_val):
        now = next(name for name, value in module.reset_dict.items() if value == int(module.reset_mechanism_val))
        raise common.refused(
            call,
            f"its reset_mechanism was changed after it was built, from {reset!r} to {now!r} (loading a state does that "
            "too), which snnTorch carries out by half",
            hint=f"build it with reset_mechanism={now!r}, then load the state",
        )
    return reset


def _look_at_spikes(call: Call) -> None:
    module = call.module
    if module.inhibition:
        raise common.refused(
            call,
            "inhibition=True lets one neuron of the layer spike: NIR has nothing like it",
            hint="train it with inhibition=False, and weights from the layer to itself that inhibit",
        )
    if module.state_quant:
        raise common.refused(
            call,
            "state_quant rounds its state",
            hint="export the net without it (state_quant=False), 'build' quantizes",
        )
    if (array(getattr(module, "graded_spikes_factor", 1.0)) != 1).any():
        raise common.refused(
            call, "graded_spikes_factor is not 1, spikes have no size", hint="multiply the next layer's weights by it"
        )
    with torch.no_grad():
        spikes = module.spike_grad(torch.tensor([-1.0, 0.0, 1.0]))
    if spikes.tolist() != [0.0, 0.0, 1.0]:
        raise common.refused(
            call, "its spike_grad is not a step at the threshold", hint="use one of snntorch.surrogate, which are"
        )


def _rc(call: Call, dt: float) -> np.ndarray:
    """Lapicque's time constant: its R C, counted in its own ``time_step``, in seconds."""
    module = call.module
    steps = array(module.R) * array(module.C) / array(module.time_step)
    return common.per_neuron(steps * dt, "R C", call)


def _resistance(call: Call, tau: np.ndarray, dt: float) -> np.ndarray:
    """r that adds a current as snnTorch does: as it is, or (Lapicque) times ``time_step / C``."""
    if class_of(call.module, "snntorch", ("Lapicque",)) is None:
        return tau / dt
    return common.per_neuron(array(call.module.R), "R", call)


def _time_constant(decay: np.ndarray, dt: float) -> np.ndarray:
    """tau with 1 - dt / tau the decay; snnTorch holds that between 0 and 1."""
    return np.asarray(dt / np.clip(1.0 - decay, 1.0 / common.NO_LEAK, 1.0))


def _feedback(call: Call) -> nir.NIRNode:
    module = call.module
    if not module.all_to_all:
        return nir.Scale(common.per_neuron(module.recurrent.V, "V", call))
    return common.layer(module.recurrent, call, "recurrent")
