"""SpikingJelly's modules as NIR nodes, known by their class: SpikingJelly itself is never imported.

Equations: ``spikingjelly.activation_based.neuron`` (2.0): IFNode adds its input; LIFNode moves by
``(x - (v - v_reset)) / tau`` (``decay_input``) or ``-(v - v_reset) / tau + x``; CUBALIFNode decays current and
membrane by ``c_decay`` and ``v_decay``. ``v_reset`` None is a reset by subtraction, with the leak towards 0. The
nodes that do not spike, NonSpikingIFNode and NonSpikingLIFNode, give their membrane.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import ops, rows
from nirdeploy.exchange.table import Call, Part, class_of
from nirdeploy.semantics import dialect as dialects
from nirdeploy.semantics.dialect import Dialect

_SPIKING = ("IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode")
_READ_OUTS = ("NonSpikingIFNode", "NonSpikingLIFNode")
_PACKAGE = "spikingjelly"
PLACES = ("spikingjelly.activation_based.neuron", "spikingjelly.activation_based.layer")
CONTAINERS = (
    "MultiStepContainer",
    "SeqToANNContainer",
    "StepModeContainer",
    "ElementWiseRecurrentContainer",
    "LinearRecurrentContainer",
    "OTTTSequential",
)
#: What a class of a user's own may not change of a neuron.
_EQUATIONS = frozenset(
    (
        "forward",
        "neuronal_charge",
        "neuronal_fire",
        "neuronal_reset",
        "single_step_forward",
        "multi_step_forward",
        "single_step_functional_forward",
        "multi_step_functional_forward",
    )
)
#: Layers that do what the torch layer they derive from does, on (T, B, ...) in step_mode 'm'.
_WRAPPERS = frozenset(
    (
        "Conv1d",
        "Conv2d",
        "ConvTranspose1d",
        "ConvTranspose2d",
        "Upsample",
        "MaxPool1d",
        "MaxPool2d",
        "AvgPool1d",
        "AvgPool2d",
        "AdaptiveAvgPool1d",
        "AdaptiveAvgPool2d",
        "Linear",
        "Flatten",
        "WSConv2d",
        "WSLinear",
        "BatchNorm1d",
        "BatchNorm2d",
    )
)
_BY_THRESHOLD = ("ThresholdDependentBatchNorm1d", "ThresholdDependentBatchNorm2d")
_CHANGES_IN_TIME = (
    "it normalizes every step by numbers of its own, and a graph is the same in all steps",
    "train with BatchNorm2d or ThresholdDependentBatchNorm2d",
)
_ATTENTION = ("it multiplies signals with each other", "NIR has sums with fixed weights: build it without attention")
_OTHER_NEURON = (
    "no neuron of NIR follows its equations",
    f"train with {', '.join(_SPIKING)}",
)
_REASONS = {
    **dict.fromkeys([f"BatchNormThroughTime{n}d" for n in (1, 2, 3)], _CHANGES_IN_TIME),
    **dict.fromkeys([f"TemporalEffectiveBatchNorm{n}d" for n in (1, 2, 3)], _CHANGES_IN_TIME),
    **dict.fromkeys(
        (
            "TemporalWiseAttention",
            "MultiDimensionalAttention",
            "SpikingSelfAttention",
            "QKAttention",
            "TokenQKAttention",
            "ChannelQKAttention",
            "SpikeDrivenSelfAttention",
        ),
        _ATTENTION,
    ),
    "NeuNorm": ("it divides by a trace of the spikes of other channels", "train with BatchNorm2d"),
    "SynapseFilter": ("it filters spikes before the weights", "train with CUBALIFNode, whose current decays"),
    "Delay": ("its steps have no seconds", "use nirdeploy.exchange.Delay"),
    "DropConnectLinear": ("it draws weights at random at inference too", "train with Linear and Dropout"),
    "SpikeCountToBinary": ("it makes several steps of one", "train with spikes of one per step"),
    "TemporalBinSum": ("it makes one step of several", "leave it out and sum what comes out"),
    "TLastMultiStepContainer": ("it keeps time last", "use MultiStepContainer"),
    "TLastSeqToANNContainer": ("it keeps time last", "use SeqToANNContainer"),
}


def kind_of(module: nn.Module) -> str | None:
    """The neuron that a module is, or derives from without equations of its own."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith(_PACKAGE):
            return kind.__name__ if kind.__name__ in (*_SPIKING, *_READ_OUTS) else None
        if _EQUATIONS & set(vars(kind)):
            return None
    return None


def wraps(module: nn.Module) -> bool:
    """Whether a layer does what the torch layer it derives from does."""
    return class_of(module, _PACKAGE, _WRAPPERS) is not None


def steps_inside(module: nn.Module) -> bool | None:
    """Whether it takes (T, B, ...); None for a module that is not SpikingJelly's or does not say."""
    if kind_of(module) in _READ_OUTS:
        return True
    ours = any(kind.__module__.startswith(_PACKAGE) for kind in type(module).__mro__)
    mode = getattr(module, "step_mode", None)
    return mode == "m" if ours and mode in ("s", "m") else None


def op(module: Any, who: str) -> rows.Given | None:
    """What a stateless layer of SpikingJelly's does."""
    kind = class_of(module, _PACKAGE, ("Dropout", "Dropout2d", "PrintShapeModule", "VotingLayer"))
    if kind == "VotingLayer":
        size = int(module.voting_size)
        return lambda shape: _vote(size, shape[-1])
    if kind is not None:
        return ops.Same()
    if class_of(module, _PACKAGE, _BY_THRESHOLD) is not None:
        return ops.normalization_of(module)
    return rows.op_of(module, who) if wraps(module) else None


def _vote(size: int, inputs: int) -> ops.Op:
    """The mean of every ``size`` signals."""
    weight = torch.zeros(inputs // size, inputs, dtype=torch.float64)
    for index in range(len(weight)):
        weight[index, index * size : (index + 1) * size] = 1 / size
    return ops.Dense(weight)


def reason(module: nn.Module, name: str) -> tuple[str, str]:
    """Why a layer or neuron cannot come in, and what would."""
    if any(kind.__module__.startswith(PLACES[0]) for kind in type(module).__mro__):
        return _OTHER_NEURON
    return _REASONS.get(name, rows.reason(module))


def neuron(call: Call, dt: float) -> Part:
    """A neuron's part of the graph. Raises :class:`ExportError` on a decay that no time constant has."""
    module, kind = call.module, kind_of(call.module)
    if kind in _READ_OUTS:
        one = np.ones(call.leaving)
        read_out = dialects.parse(f"spikingjelly,dt={float(dt)!r}")
        if kind == "NonSpikingIFNode":
            return Part(nir.I(r=one / dt), read_out)
        return Part(nir.LI(tau=float(module.tau) * dt * one, r=one, v_leak=0 * one), read_out)
    model, values = parameters(module, dt, call.name)
    made = {key: np.broadcast_to(value.numpy(), call.leaving).copy() for key, value in values.items()}
    return Part(getattr(nir, model)(**made), dialect(module, dt))


def reads_out(module: Any) -> bool:
    """Whether it gives one value over all steps, or a list of them."""
    return kind_of(module) in _READ_OUTS


def dialect(module: nn.Module, dt: float) -> Dialect:
    """The dialect of one neuron."""
    reset = "subtract" if getattr(module, "v_reset", 0.0) is None else "zero"
    return dialects.parse(f"spikingjelly,reset={reset},dt={float(dt)!r}")


def parameters(module: Any, dt: float, name: str) -> tuple[str, dict[str, torch.Tensor]]:
    """NIR class and parameters of a neuron. Raises :class:`ExportError` on a decay that no time constant has."""
    kind = kind_of(module)
    v_reset = 0.0 if module.v_reset is None else module.v_reset
    values: dict[str, Any] = {"v_threshold": module.v_threshold, "v_reset": v_reset}
    if kind == "IFNode":
        return "IF", _tensors({"r": 1.0 / dt, **values})
    if kind == "CUBALIFNode":
        for decay in (module.c_decay, module.v_decay):
            if not 0.0 <= float(decay) < 1.0:
                raise ExportError(
                    f"{name}: a decay of {float(decay):g} per step has no time constant",
                    hint="give c_decay and v_decay values from 0 to below 1",
                )
        tau_syn, tau_mem = dt / (1.0 - module.c_decay), dt / (1.0 - module.v_decay)
        synapse = {"tau_syn": tau_syn, "tau_mem": tau_mem, "r": tau_mem / dt, "w_in": tau_syn / dt, "v_leak": 0.0}
        return "CubaLIF", _tensors({**synapse, **values})
    tau = 1.0 / module.w.detach().double().sigmoid() if kind == "ParametricLIFNode" else module.tau
    r = 1.0 if module.decay_input else tau
    return "LIF", _tensors({"tau": tau * dt, "r": r, "v_leak": v_reset, **values})


def _tensors(values: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {key: torch.as_tensor(value, dtype=torch.float64).detach() for key, value in values.items()}
