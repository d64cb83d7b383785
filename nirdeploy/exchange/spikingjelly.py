"""SpikingJelly's modules as NIR nodes, known by their class: SpikingJelly itself is never imported.

Equations: ``spikingjelly.activation_based.neuron`` (2.0): IFNode adds its input; LIFNode moves by
``(x - (v - v_reset)) / tau`` (``decay_input``) or ``-(v - v_reset) / tau + x``; CUBALIFNode decays current and
membrane by ``c_decay`` and ``v_decay``. ``v_reset`` None is a reset by subtraction, with the leak towards 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.dialect import Dialect

_NEURONS = ("IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode")
_LAYERS = {
    "Linear": nn.Linear,
    "Conv1d": nn.Conv1d,
    "Conv2d": nn.Conv2d,
    "AvgPool2d": nn.AvgPool2d,
    "Flatten": nn.Flatten,
}


def _class_of(module: nn.Module) -> str | None:
    """The name of the SpikingJelly class a module is (or derives) from."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith("spikingjelly.") and (kind.__name__ in _NEURONS or kind.__name__ in _LAYERS):
            return kind.__name__
    return None


def is_neuron(module: nn.Module) -> bool:
    return _class_of(module) in _NEURONS


def is_any_neuron(module: nn.Module) -> bool:
    """Whether it is one of SpikingJelly's neurons, those that NIR has nothing like among them."""
    return any(kind.__module__.startswith("spikingjelly.activation_based.neuron") for kind in type(module).__mro__)


def is_layer(module: nn.Module) -> bool:
    return _class_of(module) in _LAYERS


def is_multi_step(module: nn.Module) -> bool | None:
    """Whether it takes (T, B, ...); None for a module that is not SpikingJelly's."""
    return getattr(module, "step_mode", "s") == "m" if is_neuron(module) or is_layer(module) else None


def dialect(module: nn.Module, dt: float) -> Dialect:
    """The dialect of one neuron."""
    reset = "subtract" if getattr(module, "v_reset", 0.0) is None else "zero"
    return dialects.parse(f"spikingjelly,reset={reset},dt={float(dt)!r}")


def parameters(module: Any, dt: float, name: str) -> tuple[str, dict[str, torch.Tensor]]:
    """NIR class and parameters of a neuron. Raises :class:`ExportError` on a decay that no time constant has."""
    kind = _class_of(module)
    v_reset = 0.0 if module.v_reset is None else module.v_reset
    values: dict[str, Any] = {"v_threshold": module.v_threshold, "v_reset": v_reset}
    if kind == "IFNode":
        return "IF", _tensors({"r": 1.0 / dt, **values})
    if kind == "CUBALIFNode":
        for decay in (module.c_decay, module.v_decay):
            if not 0.0 <= float(decay) < 1.0:
                raise ExportError(f"{name}: a decay of {float(decay):g} per step has no time constant")
        tau_syn, tau_mem = dt / (1.0 - module.c_decay), dt / (1.0 - module.v_decay)
        synapse = {"tau_syn": tau_syn, "tau_mem": tau_mem, "r": tau_mem / dt, "w_in": tau_syn / dt, "v_leak": 0.0}
        return "CubaLIF", _tensors({**synapse, **values})
    tau = 1.0 / module.w.detach().double().sigmoid() if kind == "ParametricLIFNode" else module.tau
    r = 1.0 if module.decay_input else tau
    return "LIF", _tensors({"tau": tau * dt, "r": r, "v_leak": v_reset, **values})


def _tensors(values: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {key: torch.as_tensor(value, dtype=torch.float64).detach() for key, value in values.items()}
