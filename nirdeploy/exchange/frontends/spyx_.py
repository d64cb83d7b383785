"""Spyx networks (JAX) by Spyx's own exporter, with what it gets wrong put right.

``spyx.nir.to_nir`` writes r = beta where nothing is scaled, forgets that beta is clipped, drops LI read-outs, leads
the input of a recurrent layer through its recurrent weights, stores channels-last signals flattened as if they
were channels-first, and rounds to float32. Spyx itself is imported when a network is exported, not before.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import ExportError
from nirdeploy.semantics.dialect import METADATA_KEY, PRESETS

_RECURRENT = ("RIF", "RLIF", "RCuBaLIF")
_NEURONS = ("IF", "LIF", "CuBaLIF", "PSU_LIF", "LI", *_RECURRENT)
_PASSING = ("ActivityRegularization", "Dropout")  # what comes in goes out, once trained
_LOPSIDED = "SAME pads one side more than the other, which NIR cannot say"
_EVEN = "choose a kernel and a stride that pad both sides alike, or pad VALID"
_SLOWEST = 2.0**-60  # leak of a neuron whose decay is 1: the decay of this one rounds to it


def export(net: Any, example_input: Any, dt: float | None = None) -> nir.NIRGraph:
    """A Spyx network as a NIR graph in the dialect ``spyx``.

    Args:
        net: a ``spyx.nn.Sequential``, or one layer.
        example_input: what one step of the network takes: (B, N), or (B, H, W, C) in front of a convolution. The
            graph takes (C, H, W), as NIR has it.
        dt: seconds per step (Spyx has no seconds of its own; without it, the preset's).

    Raises:
        ExportError: a layer that NIR or the exporter cannot express.
        ImportError: Spyx is not installed.
    """
    dialect = PRESETS["spyx"] if dt is None else replace(PRESETS["spyx"], dt=float(dt))
    layers = list(getattr(net, "layers", [net]))
    made = _exported(net, layers, np.shape(example_input), dialect.dt)
    nodes: dict[str, nir.NIRNode] = {"input_1": made.nodes["input"]}
    feedback: dict[str, nir.NIRNode] = {}
    flattened: tuple[int, ...] | None = None  # (C, H, W) in front of the Flatten that comes before a Linear
    for index, layer in enumerate(layers):
        kind, name = _kind(layer), f"_{index}"
        if kind in _PASSING:
            continue
        if flattened is not None and kind != "Linear":
            raise ExportError(f"layer {index} ({kind}) follows a Flatten", hint="put a Linear between them")
        if kind == "Linear":
            nodes[name], flattened = _linear(made.nodes[name], flattened), None
        elif kind == "Conv":
            nodes[name] = _convolution(layer, made.nodes[name])
        elif kind == "SumPool":
            nodes[name] = _pool(layer, made.nodes[name], index)
        elif kind == "Flatten":
            nodes[name] = made.nodes[name]
            size = tuple(int(n) for n in nodes[name].input_type["input"])
            flattened = size if len(size) == 3 else None
        else:
            nodes |= _neuron(layer, name, dialect.dt)
            if kind in _RECURRENT:
                feedback[name] = nir.Linear(np.asarray(layer.recurrent_w[...]).T.copy())
    nodes["output"] = made.nodes["output"]
    edges = list(pairwise(nodes))
    for name, weight in feedback.items():
        nodes[f"{name}_recurrent"] = weight
        edges += [(name, f"{name}_recurrent"), (f"{name}_recurrent", name)]
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata={METADATA_KEY: str(dialect)})


def _kind(layer: Any) -> str:
    """The class that a layer is known by; its own name if it is none of them, or calls itself otherwise."""
    for kind in type(layer).__mro__:
        if kind.__module__.startswith(("spyx.", "flax.")):
            return kind.__name__
        if "__call__" in vars(kind):
            break
    return type(layer).__name__


def _exported(net: Any, layers: list[Any], shape: tuple[int, ...], dt: float) -> nir.NIRGraph:
    """What Spyx's exporter makes of the network."""
    exporter, jnp = import_module("spyx.nir"), import_module("jax.numpy")
    for index, layer in enumerate(layers):
        if _kind(layer) not in (*_NEURONS, *_PASSING, "Linear", "Conv", "SumPool", "Flatten"):
            raise ExportError(
                f"layer {index} ({_kind(layer)}) of the Spyx network has no NIR form",
                hint=f"there are Linear, Conv, SumPool, Flatten, {', '.join(_NEURONS)}",
            )
        if _kind(layer) == "Conv":
            _plain_convolution(layer, index)
    exportable, kept = [], []
    try:
        signal, state = jnp.zeros((1, *shape[1:])), net.initial_state(1)
        for index, (layer, own) in enumerate(zip(layers, state if hasattr(net, "layers") else [state], strict=True)):
            if _kind(layer) == "Linear" and len(signal.shape) > 2:
                raise ExportError(f"layer {index} (Linear) takes a signal of (H, W, C)", hint="insert a Flatten")
            if _kind(layer) in _PASSING:
                continue
            if _kind(layer) != "LI":
                kept.append(index)
                exportable.append(_padded(layer, signal.shape, index) if _kind(layer) == "Conv" else layer)
            signal = layer(signal) if own is None else layer(signal, own)[0]
        sizes = [{"input": np.array(_first(shape[1:]))}, {"output": np.array(_first(signal.shape[1:]))}]
        made = exporter.to_nir(exporter.Sequential(*exportable), *sizes, dt=dt)
    except (TypeError, ValueError, AttributeError, NotImplementedError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"Spyx cannot export the network: {reason[:200]}",
            hint="give the example the shape (batch, ...) that a step of the network takes",
        ) from error
    # The exporter counts what it was given; the names here count the network's own layers.
    names = {f"layer_{i}": f"_{index}" for i, index in enumerate(kept)}
    made.nodes = {names.get(name, name): node for name, node in made.nodes.items()}
    return made


def _first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape (H, W, C) channels first."""
    return (shape[2], *shape[:2]) if len(shape) == 3 else tuple(shape)


def _values(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A layer's parameter in float64, over its neurons, channels first."""
    full = np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
    return np.array(full.transpose(2, 0, 1) if full.ndim == 3 else full)


def _neuron(layer: Any, name: str, dt: float) -> dict[str, nir.NIRNode]:
    """A neuron layer with its true constants. r and w_in say that a current is added as it is, in Euler's step too."""
    kind = _kind(layer)
    shape = tuple(layer.layer_shape if kind == "LI" else layer.hidden_shape)

    def tau(decay: Any) -> np.ndarray:
        # Spyx clips a decay where it is used: beyond 0 and 1 it is trained, but does nothing.
        return np.asarray(dt / np.maximum(1.0 - np.clip(_values(decay[...], shape), 0.0, 1.0), _SLOWEST))

    zeros = np.zeros(_first(shape))
    if kind in ("LI", "PSU_LIF"):
        leaky = nir.LI(tau=tau(layer.beta), r=tau(layer.beta) / dt, v_leak=zeros)
        if kind == "LI":
            return {name: leaky}
        return {name: leaky, f"{name}_threshold": nir.Threshold(threshold=_values(layer.threshold, shape))}
    membrane = {"v_threshold": _values(layer.threshold, shape), "v_reset": zeros}
    if kind in ("IF", "RIF"):
        node: nir.NIRNode = nir.IF(r=np.full(zeros.shape, 1.0 / dt), **membrane)
    elif kind in ("LIF", "RLIF"):
        node = nir.LIF(tau=tau(layer.beta), r=tau(layer.beta) / dt, v_leak=zeros, **membrane)
    else:
        tau_syn, tau_mem = tau(layer.alpha), tau(layer.beta)
        node = nir.CubaLIF(
            tau_syn=tau_syn, tau_mem=tau_mem, r=tau_mem / dt, w_in=tau_syn / dt, v_leak=zeros, **membrane
        )
    return {name: node}


def _linear(node: Any, flattened: tuple[int, ...] | None) -> nir.NIRNode:
    """Behind a Flatten of (C, H, W), the columns in that order: Spyx's stand as (H, W, C)."""
    weight = np.asarray(node.weight)
    if flattened is not None:
        channels, height, width = flattened
        weight = weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(weight), -1)
    return nir.Linear(weight) if isinstance(node, nir.Linear) else nir.Affine(weight, np.asarray(node.bias))


def _plain_convolution(layer: Any, index: int) -> None:
    """Refuse what the exporter would write as if it were not there."""
    for option in ("kernel_dilation", "input_dilation", "feature_group_count"):
        if np.any(np.asarray(getattr(layer, option)) != 1):
            raise ExportError(
                f"layer {index} (Conv): {option} does not pass through Spyx's exporter", hint="train it with 1"
            )
    if len(layer.kernel.shape) != 4 or (isinstance(layer.padding, str) and layer.padding not in ("SAME", "VALID")):
        raise ExportError(
            f"layer {index} (Conv): only convolutions in two dimensions, padded SAME or VALID, pass",
            hint="train it as one of these",
        )


def _padded(layer: Any, size: tuple[int, ...], index: int) -> Any:
    """A convolution as the exporter takes it: with a stride, JAX's SAME is not NIR's, and is written in numbers."""
    strides = _pair(layer.strides)
    if layer.padding != "SAME" or strides == (1, 1):
        return layer
    sides = zip(size[1:3], layer.kernel.shape[:2], strides, strict=True)
    total = [max((-(-n // s) - 1) * s + int(k) - n, 0) for n, k, s in sides]
    if any(pad % 2 for pad in total):
        raise ExportError(f"layer {index} (Conv): {_LOPSIDED}", hint=_EVEN)
    padded = import_module("flax.nnx").clone(layer)
    padded.padding = tuple((pad // 2, pad // 2) for pad in total)
    return padded


def _convolution(layer: Any, node: nir.Conv2d) -> nir.Conv2d:
    return nir.Conv2d(
        input_shape=tuple(node.input_shape),
        weight=np.asarray(node.weight),
        stride=_pair(layer.strides),
        padding=node.padding,
        dilation=1,
        groups=1,
        bias=np.zeros(len(node.weight)) if node.bias is None else np.asarray(node.bias),
    )


def _pool(layer: Any, node: nir.SumPool2d, index: int) -> nir.SumPool2d:
    padding = np.asarray(node.padding)
    if padding.any():  # the exporter writes the sum of both sides
        if (padding % 2).any():
            raise ExportError(f"layer {index} (SumPool): {_LOPSIDED}", hint=_EVEN)
        padding = padding // 2
    if layer.channel_axis not in (-1, 3):
        raise ExportError(
            f"layer {index} (SumPool): channels must be the last axis, as everywhere in Spyx",
            hint="set channel_axis=-1",
        )
    return nir.SumPool2d(kernel_size=np.asarray(node.kernel_size), stride=np.asarray(node.stride), padding=padding)


def _pair(value: Any) -> tuple[int, int]:
    values = [int(v) for v in np.atleast_1d(np.asarray(1 if value is None else value))]
    return (values[0], values[-1])
