"""sinabs: IAF, LIF and ExpLeak, their Squeeze forms, and IAFRecurrent and LIFRecurrent.

Equations (``sinabs.layers``, 3.1): with ``tau_syn`` the current is ``alpha_syn (i + x)``, else x; the membrane is
``alpha v + (1 - alpha) i`` with ``norm_input``, ``alpha v + i`` without, and alpha is 1 in IAF; spikes leave, the reset
acts, then ``min_v_mem`` bounds the membrane. Recurrent spikes, and the bias with them, come from the second step on.
sinabs counts time in steps: dt is 1 unless it is given.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange.frontends import common
from nirdeploy.exchange.table import Call, Part, Table, array, class_of
from nirdeploy.semantics.dialect import Dialect

_WITH_TIME = ("IAF", "LIF", "ExpLeak", "IAFRecurrent", "LIFRecurrent")
_SQUEEZED = ("IAFSqueeze", "LIFSqueeze", "ExpLeakSqueeze")
_SPIKES: Any = {"MultiSpike": "multi", "MaxSpike": "multi", "SingleSpike": "binary"}


def export(net: nn.Module, example_input: torch.Tensor, dt: float | None) -> nir.NIRGraph:
    """The NIR graph of a net whose example is (B, T, ...), or (B T, ...) for Squeeze layers.

    Raises:
        ExportError: layers with and without Squeeze; spikes, resets and bounds that no dialect has; and what has no
            NIR node.
    """
    kinds = {class_of(module, "sinabs", (*_WITH_TIME, *_SQUEEZED)) for module in net.modules()}
    if kinds.intersection(_WITH_TIME) and kinds.intersection(_SQUEEZED):
        raise ExportError("the net mixes layers with and without Squeeze", hint="use one of the two throughout")
    preset = common.with_dt("sinabs", dt, 1.0)
    return common.export(net, example_input, _Table(preset), preset)


class _Table(Table):
    package = "sinabs"
    places = ("sinabs.layers", "sinabs.activation")
    containers = ("Merge", "Repeat", "FlattenTime", "UnflattenTime", "Cropping2dLayer")
    two = ("B", "T")

    def __init__(self, preset: Dialect) -> None:
        super().__init__(preset.dt)
        self.preset = preset

    def is_neuron(self, module: nn.Module) -> bool:
        return class_of(module, "sinabs", (*_WITH_TIME, *_SQUEEZED)) is not None

    def form(self, module: nn.Module) -> tuple[str, ...]:
        return ("B",) if class_of(module, "sinabs", _SQUEEZED) else ("B", "T")

    def declared(self, net: nn.Module) -> int:
        return max((len(self.form(module)) for module in net.modules() if self.is_neuron(module)), default=1)

    def neuron(self, call: Call) -> Part:
        return _neuron(call, self.preset)

    def wraps(self, module: nn.Module) -> bool:
        return self.own_class(module) == "SumPool2d"


def _neuron(call: Call, preset: Dialect) -> Part:
    module, kind = call.module, class_of(call.module, "sinabs", (*_WITH_TIME, *_SQUEEZED)) or ""
    if kind.startswith("ExpLeak"):
        if module.min_v_mem is not None:
            raise common.refused(call, "NIR's LI has no lower bound", hint="build it with min_v_mem=None")
        alpha, dialect = _decay("mem", call), _gain(preset, normed=module.norm_input)
        return Part(nir.LI(tau=_tau(alpha, preset.dt), r=_r(alpha, module), v_leak=0 * alpha), dialect)
    threshold = common.per_neuron(module.spike_threshold, "spike_threshold", call)
    dialect, v_reset = _rules(call, threshold, preset)
    values = {"v_threshold": threshold, "v_reset": v_reset}
    feedback = None
    if kind in ("IAFRecurrent", "LIFRecurrent"):
        dialect = replace(dialect, recurrent_bias="late")
        feedback = common.layer(module.rec_connect, call, "rec_connect")
    if kind.startswith("IAF"):
        return _integrating(call, dialect, values, feedback)
    alpha = _decay("mem", call)
    values |= {"r": _r(alpha, module), "v_leak": 0 * alpha}
    tau = _tau(alpha, preset.dt)
    if module.tau_syn_calculated is None:
        return Part(nir.LIF(tau=tau, **values), _gain(dialect, normed=module.norm_input), feedback)
    synapse = _decay("syn", call)
    tau_syn, w_in = _tau(synapse, preset.dt), synapse / (1 - synapse)
    return Part(
        nir.CubaLIF(tau_mem=tau, tau_syn=tau_syn, w_in=w_in, **values), replace(dialect, gain="equation"), feedback
    )


def _integrating(call: Call, dialect: Dialect, values: dict[str, np.ndarray], feedback: nir.NIRNode | None) -> Part:
    """IAF: an IF, or with a synapse a CubaLIF whose membrane keeps everything."""
    one, dt = np.ones(call.leaving), dialect.dt
    if call.module.tau_syn_calculated is None:
        return Part(nir.IF(r=one / dt, **values), dialect, feedback)
    synapse, keep = _decay("syn", call), common.NO_LEAK * one
    tau_syn = _tau(synapse, dt)
    # dt / tau r is 1 here; 1 - exp(-dt / tau), by the equation, would be lost in rounding.
    node = nir.CubaLIF(
        tau_mem=keep * dt, r=keep, tau_syn=tau_syn, w_in=synapse * tau_syn / dt, v_leak=0 * one, **values
    )
    return Part(node, replace(dialect, gain="euler"), feedback)


def _gain(dialect: Dialect, *, normed: bool) -> Dialect:
    """``norm_input`` is NIR's own equation with r = 1; without it a current is added as it is."""
    return replace(dialect, gain="equation" if normed else "one")


def _decay(which: str, call: Call) -> np.ndarray:
    key = f"alpha_{which}_calculated"
    tau = getattr(call.module, f"tau_{which}_calculated")
    # In float64 from tau itself, unless the decay is what was trained.
    alpha = getattr(call.module, key) if call.module.train_alphas else np.exp(-1.0 / array(tau))
    decay = common.per_neuron(alpha, f"tau_{which}", call)
    if not ((decay > 0) & (decay < 1)).all():
        raise common.refused(
            call,
            f"tau_{which} gives a decay of {decay.min():g} per step, which no time constant has",
            hint=f"give tau_{which} a positive number of steps",
        )
    return decay


def _tau(decay: np.ndarray, dt: float) -> np.ndarray:
    return np.asarray(-dt / np.log(decay))


def _r(alpha: np.ndarray, module: Any) -> np.ndarray:
    """What gives ``norm_input`` its effect in NIR's equation."""
    return np.ones_like(alpha) if module.norm_input else 1 / (1 - alpha)


def _rules(call: Call, threshold: np.ndarray, preset: Dialect) -> tuple[Dialect, np.ndarray]:
    """How the layer spikes, resets and is bounded, and its v_reset."""
    module = call.module
    spikes = getattr(module.spike_fn, "__name__", type(module.spike_fn).__name__)
    reset = type(module.reset_fn).__name__
    if spikes not in _SPIKES:
        raise common.refused(
            call, f"the spike_fn {spikes} is none of {', '.join(_SPIKES)}", hint="build it with one of these"
        )
    if reset not in ("MembraneSubtract", "MembraneReset"):
        raise common.refused(
            call, f"the reset_fn {reset} is none of MembraneSubtract, MembraneReset", hint="build it with one of these"
        )
    v_reset, own = np.zeros_like(threshold), getattr(module.reset_fn, "subtract_value", None) is not None
    if reset == "MembraneSubtract" and module.reset_fn.subtract_value is not None:
        v_reset = threshold - common.per_neuron(module.reset_fn.subtract_value, "subtract_value", call)
    elif reset == "MembraneReset" and array(module.reset_fn.reset_value).any():
        raise common.refused(call, "sinabs adds its reset_value in every step, spike or none", hint="set it to 0")
    bounded = module.min_v_mem is not None
    if bounded and (common.per_neuron(module.min_v_mem, "min_v_mem", call) != -threshold).any():
        raise common.refused(
            call, "min_v_mem is not -spike_threshold, the one bound that a dialect has", hint="set it so, or to None"
        )
    return replace(
        preset,
        spikes=_SPIKES[spikes],
        max_spikes=int(getattr(module.spike_fn, "max_num_spikes_per_bin", None) or 0),
        reset="subtract" if reset == "MembraneSubtract" else "zero",
        v_min="-threshold" if bounded else "none",
        subtract="difference" if own else preset.subtract,
    ), v_reset
