"""layers: the PyTorch module of a NIR node, and the node with what training made of the module."""

from __future__ import annotations

import copy
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.exchange.modules import NEURONS, Delay, Neuron, Scale, SumPool2d
from nirdeploy.graph.extension import ConvTranspose2d, MaxPool2d
from nirdeploy.graph.shapes import whole
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.neuron import PARAMETERS, ignores_v_reset


def to_module(
    node: nir.NIRNode,
    shape: tuple[int, ...] | None,
    dialect: Dialect,
    dtype: torch.dtype,
    *,
    recurrent: bool = False,
) -> Any:
    """The module of a node. ``shape``: of the population, for neurons (parameters of one value stay so)."""
    kind = type(node).__name__
    if kind in NEURONS:
        options: dict[str, Any] = {key: _tensor(getattr(node, key), dtype, shape) for key in PARAMETERS[kind]}
        if "v_reset" in options and ignores_v_reset(dialect):
            options["v_reset"] = torch.zeros_like(options["v_reset"])
        return NEURONS[kind](**options, dt=dialect.dt, dialect=dialect, step_mode="s", recurrent=recurrent)
    if isinstance(node, nir.Delay):
        return Delay(_tensor(node.delay, torch.float64, None), dt=dialect.dt, step_mode="s").double()
    if isinstance(node, (nir.Linear, nir.Affine)):
        weight = _tensor(node.weight, dtype, None)
        return _filled(nn.Linear(weight.shape[1], weight.shape[0], isinstance(node, nir.Affine)), weight, node, dtype)
    if isinstance(node, (nir.Conv1d, nir.Conv2d)):
        return _convolution(node, dtype)
    if isinstance(node, ConvTranspose2d):
        return _transposed(node, dtype)
    if isinstance(node, nir.Flatten):
        start, end = (dim + 1 if dim >= 0 else dim for dim in (int(node.start_dim), int(node.end_dim)))
        return nn.Flatten(start, end)
    if isinstance(node, nir.Scale):
        return Scale(_tensor(node.scale, dtype, None))
    sizes: list[Any] = [tuple(whole(getattr(node, key), key, kind, 2, least=0)) for key in _POOLING]
    if isinstance(node, MaxPool2d):
        return nn.MaxPool2d(*sizes)
    return (SumPool2d if isinstance(node, nir.SumPool2d) else nn.AvgPool2d)(*sizes)


_POOLING = ("kernel_size", "stride", "padding")


def _convolution(node: Any, dtype: torch.dtype) -> nn.Module:
    weight = _tensor(node.weight, dtype, None)
    spatial = weight.ndim - 2
    padding: Any = node.padding
    if not isinstance(padding, str):
        padding = tuple(whole(padding, "padding", "", spatial, least=0))
    kind: Any = nn.Conv1d if spatial == 1 else nn.Conv2d
    made = kind(
        weight.shape[1] * int(node.groups),
        weight.shape[0],
        tuple(weight.shape[2:]),
        tuple(whole(node.stride, "stride", "", spatial)),
        padding,
        tuple(whole(node.dilation, "dilation", "", spatial)),
        int(node.groups),
        node.bias is not None,
    )
    return _filled(made, weight, node, dtype)


def _transposed(node: ConvTranspose2d, dtype: torch.dtype) -> nn.Module:
    weight = _tensor(node.weight, dtype, None)
    stride, padding, more, dilation = (
        tuple(whole(getattr(node, key), key, "ConvTranspose2d", 2, least=0))
        for key in ("stride", "padding", "output_padding", "dilation")
    )
    channels, groups = int(weight.shape[1]) * int(node.groups), int(node.groups)
    kind: Any = nn.ConvTranspose2d
    made: nn.Module = kind(
        weight.shape[0], channels, tuple(weight.shape[2:]), stride, padding, more, groups, True, dilation
    )
    made.weight = nn.Parameter(weight)
    made.bias = nn.Parameter(_tensor(node.bias, dtype, None).expand(channels).clone())
    return made


def _filled(module: Any, weight: torch.Tensor, node: Any, dtype: torch.dtype) -> nn.Module:
    module.weight = nn.Parameter(weight)
    if module.bias is not None:
        bias = _tensor(node.bias, dtype, None)
        module.bias = nn.Parameter(bias.expand(weight.shape[0]).clone())
    filled: nn.Module = module
    return filled


def _tensor(value: Any, dtype: torch.dtype, shape: tuple[int, ...] | None) -> torch.Tensor:
    array = np.asarray(value, dtype=np.float64)
    if shape is not None and array.shape != shape and array.size == int(np.prod(shape)):
        array = array.reshape(shape)
    return torch.tensor(array, dtype=dtype)


def trained(node: nir.NIRNode, module: nn.Module) -> nir.NIRNode:
    """The node with the module's parameters; a value that training left alone keeps its bits."""
    inner = getattr(module, "module", module)
    values = inner.nir_parameters() if isinstance(inner, Neuron) else dict(inner.named_parameters())
    changed: dict[str, np.ndarray] = {}
    for key, tensor in values.items():
        old, new = np.asarray(getattr(node, key)), tensor.detach().cpu()
        if not _is_rounded(old, new):
            changed[key] = new.double().numpy().astype(old.dtype if old.dtype.kind == "f" else np.float64)
    if not changed:
        return node
    made = copy.copy(node)
    for key, array in changed.items():
        setattr(made, key, array)
    return made


def _is_rounded(old: np.ndarray, new: torch.Tensor) -> bool:
    """Whether ``new`` is ``old`` in the module's precision."""
    if old.size not in (1, new.numel()):
        return False
    rounded = torch.tensor(old.astype(np.float64), dtype=new.dtype).reshape(-1)
    return torch.equal(rounded.expand(new.numel()), new.reshape(-1))
