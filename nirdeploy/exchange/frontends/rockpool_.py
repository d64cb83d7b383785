"""Rockpool: LinearTorch, LIFTorch, LIFNeuronTorch and ExpSynTorch, in Sequential, Residual, SynNet and modules of a
user's own.

Equations (``rockpool.nn.modules``, 3.1): a membrane adds its current as it is, the synapse adds its input and decays
then; the bias is added in every step; spikes are as many as thresholds fit, up to ``max_spikes_per_dt``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import ops, rows
from nirdeploy.exchange.frontends import common
from nirdeploy.exchange.table import Call, Part, Table, array, class_of
from nirdeploy.semantics.dialect import PRESETS, Dialect

_SPIKING = ("LIFTorch", "LIFNeuronTorch")
_NEURONS = (*_SPIKING, "ExpSynTorch")
_PASSING = ("TimeStepDropout", "UnitDropout")  # what comes in goes out, once trained
_REASONS = {
    "LIFBitshiftTorch": ("its decay is cut to whole shifts in every step", 'train LIFTorch(leak_mode="bitshifts")'),
    "aLIFTorch": ("its threshold moves with the spikes, which no NIR neuron's does", "use LIFTorch"),
    "RateTorch": ("it does not spike", "use LIFTorch"),
    "LowPass": ("it steps by time constants of its own", "use ExpSynTorch"),
    "UpDownTorch": ("it counts in both directions, which no NIR neuron does", "encode the input before the network"),
    "BooleanState": ("its spikes hold until they are cleared, which no NIR neuron's do", "leave it out"),
}
_UNLIMITED = 2**16  # Rockpool's own most spikes per step: as good as no limit


def export(net: nn.Module, example_input: Any, dt: float | None = None) -> nir.NIRGraph:
    """A Rockpool torch network as a NIR graph in the dialect ``rockpool``.

    Args:
        net: its modules, torch's own layers among them.
        example_input: what the network takes: (B, T, N) or (T, N).
        dt: seconds per step; Rockpool's modules have their own, which this must be if it is given.

    Raises:
        ExportError: a module that NIR cannot express, or that disagrees with the others on dt.
    """
    preset = replace(PRESETS["rockpool"], dt=_dt(net, dt))
    example = torch.as_tensor(example_input)
    example = example.reshape(1, *example.shape) if example.ndim == 2 else example
    return common.export(net, example, _Table(preset), preset)


def _dt(net: nn.Module, given: float | None) -> float:
    own = {float(module.dt) for _, module in net.named_modules() if _kind(module) in _NEURONS}
    times = sorted(own | ({float(given)} if given is not None else set()))
    if len(times) > 1:
        raise ExportError(
            f"the modules and the call name several time steps: {', '.join(f'{t:g} s' for t in times)}",
            hint="a network has one dt: that of its modules",
        )
    return times[0] if times else PRESETS["rockpool"].dt


def _kind(module: Any) -> str:
    return class_of(module, "rockpool", (*_NEURONS, *_PASSING, "LinearTorch")) or ""


class _Table(Table):
    package = "rockpool"
    places = ("rockpool.",)
    two = ("B", "T")

    def __init__(self, preset: Dialect) -> None:
        super().__init__(preset.dt)
        self.preset = preset

    def is_neuron(self, module: nn.Module) -> bool:
        return _kind(module) in _NEURONS

    def form(self, module: nn.Module) -> tuple[str, ...]:
        return ("B", "T")

    def declared(self, net: nn.Module) -> int:
        return 2

    def own_class(self, module: nn.Module) -> str | None:
        """Rockpool's modules hold others, or are leaves."""
        return None if list(module.children()) else super().own_class(module)

    def op(self, module: nn.Module, who: str) -> rows.Given | None:
        kind, linear = _kind(module), module
        if kind == "LinearTorch":
            bias: Any = linear.bias
            weight: Any = linear.weight
            return ops.Dense(weight.T, None if bias is None else bias)
        return ops.Same() if kind in _PASSING else super().op(module, who)

    def neuron(self, call: Call) -> Part:
        return _neuron(call, self.preset)

    def reason(self, module: nn.Module) -> tuple[str, str]:
        return _REASONS.get(self.own_class(module) or "", super().reason(module))


def _neuron(call: Call, preset: Dialect) -> Part:
    module, kind, dt, size = call.module, _kind(call.module), preset.dt, call.leaving
    if float(module.noise_std) != 0:
        raise common.refused(call, "it is noisy", "set its noise_std to 0")
    if kind == "ExpSynTorch":  # adds its input, then decays: what comes in has decayed once
        tau = common.per_neuron(module.tau, "tau", call)
        return Part(nir.LI(tau=tau, r=tau / dt * np.exp(-dt / tau), v_leak=np.zeros(size)), preset)
    tau_mem = _tau(call, "tau_mem", "alpha", dt)
    membrane = {
        "r": tau_mem / dt,
        "v_leak": common.per_neuron(module.bias, "bias", call) / -np.expm1(-dt / tau_mem),  # added in every step
        "v_threshold": common.per_neuron(module.threshold, "threshold", call),
        "v_reset": np.zeros(size),
    }
    dialect = replace(preset, max_spikes=_most_spikes(call))
    weights = getattr(module, "w_rec", None)
    feedback = nir.Linear(array(weights.T)) if weights is not None and bool(weights.any()) else None
    if kind == "LIFNeuronTorch":
        return Part(nir.LIF(tau=tau_mem, **membrane), dialect, feedback)
    if call.arriving != call.leaving:
        raise common.refused(
            call,
            f"its {size[0]} neurons have {call.arriving[0] // size[0]} synapses each, with time constants of their own",
            "give it one synapse per neuron: NIR's CubaLIF has one",
        )
    tau_syn = _tau(call, "tau_syn", "beta", dt)
    w_in = tau_syn / dt * np.exp(-dt / tau_syn)
    return Part(nir.CubaLIF(tau_syn=tau_syn, tau_mem=tau_mem, w_in=w_in, **membrane), dialect, feedback)


def _most_spikes(call: Call) -> int:
    """The module's limit of spikes per step; 0: none."""
    most = float(call.module.max_spikes_per_dt)
    if most >= _UNLIMITED:
        return 0
    if most < 1 or most % 1:
        raise common.refused(
            call,
            f"max_spikes_per_dt = {most:g} is not a whole number of at least one",
            "give it one, or leave it out",
        )
    return int(most)


def _tau(call: Call, tau: str, decay: str, dt: float) -> np.ndarray:
    """A time constant; of its decay where that, or a shift, is what the module was trained with."""
    module = call.module
    if getattr(module, "leak_mode", "taus") == "taus":
        return common.per_neuron(_flat(getattr(module, tau)), tau, call)
    return np.asarray(-dt / np.log(common.per_neuron(_flat(getattr(module, decay)), decay, call)))


def _flat(values: Any) -> Any:
    """Of one synapse per neuron: Rockpool keeps a dimension for several."""
    return values.reshape(-1) if isinstance(values, torch.Tensor) and values.ndim > 1 else values
