"""functions: torch.nn.functional's layers, each as the module that does the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from nirdeploy.exchange import ops, rows
from nirdeploy.exchange.ops import as_module
from nirdeploy.exchange.reading import Unreadable
from nirdeploy.exchange.run import Run
from nirdeploy.exchange.where import calling_line


def _bound(names: str, args: tuple[Any, ...], kwargs: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """Arguments by name, those behind the input."""
    return defaults | dict(zip(names.split(), args[1:], strict=False)) | kwargs


def _pool(kind: type[nn.Module]) -> Callable[..., Any]:
    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = _bound(
            "kernel_size stride padding ceil_mode count_include_pad divisor_override",
            args,
            kwargs,
            stride=None,
            padding=0,
            ceil_mode=False,
            count_include_pad=True,
            divisor_override=None,
        )
        stride = given["stride"]
        return as_module(kind, **{**given, "stride": None if stride in ((), []) else stride})

    return make


def _maximum(kind: type[nn.Module]) -> Callable[..., Any]:
    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = _bound(
            "kernel_size stride padding dilation ceil_mode return_indices",
            args,
            kwargs,
            stride=None,
            padding=0,
            dilation=1,
            ceil_mode=False,
            return_indices=False,
        )
        stride = given["stride"]
        return as_module(kind, **{**given, "stride": None if stride in ((), []) else stride})

    return make


def _convolution(kind: type[nn.Module], dims: int) -> Callable[..., Any]:
    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = _bound(
            "weight bias stride padding dilation groups",
            args,
            kwargs,
            bias=None,
            stride=1,
            padding=0,
            dilation=1,
            groups=1,
        )
        for key in ("stride", "padding", "dilation"):
            given[key] = given[key] if isinstance(given[key], str) else ops.sizes(given[key], dims)
        return as_module(kind, padding_mode="zeros", **given)

    return make


def _transposed(kind: type[nn.Module]) -> Callable[..., Any]:
    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        names = "weight bias stride padding output_padding groups dilation"
        return as_module(
            kind,
            **_bound(names, args, kwargs, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1),
        )

    return make


def _linear(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return as_module(nn.Linear, **_bound("weight bias", args, kwargs, bias=None))


def _adaptive(kind: type[nn.Module]) -> Callable[..., Any]:
    return lambda args, kwargs: as_module(kind, **_bound("output_size", args, kwargs))


def _normalization(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    names = "running_mean running_var weight bias training momentum eps"
    given = _bound(names, args, kwargs, weight=None, bias=None, training=False, eps=1e-5)
    if given["training"]:
        raise Unreadable("batch_norm with training=True depends on the batch")
    del given["training"]
    return as_module(nn.BatchNorm2d, **given)


def _upsampled(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    names = "size scale_factor mode align_corners"
    return as_module(
        nn.Upsample, **_bound(names, args, kwargs, size=None, scale_factor=None, mode="nearest", align_corners=None)
    )


def _rectified(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return as_module(nn.ReLU)


HANDLED: dict[str, Callable[[tuple[Any, ...], dict[str, Any]], Any]] = {
    "linear": _linear,
    "conv1d": _convolution(nn.Conv1d, 1),
    "conv2d": _convolution(nn.Conv2d, 2),
    "conv_transpose1d": _transposed(nn.ConvTranspose1d),
    "conv_transpose2d": _transposed(nn.ConvTranspose2d),
    "avg_pool1d": _pool(nn.AvgPool1d),
    "avg_pool2d": _pool(nn.AvgPool2d),
    "max_pool1d": _maximum(nn.MaxPool1d),
    "max_pool2d": _maximum(nn.MaxPool2d),
    "adaptive_avg_pool1d": _adaptive(nn.AdaptiveAvgPool1d),
    "adaptive_avg_pool2d": _adaptive(nn.AdaptiveAvgPool2d),
    "adaptive_max_pool1d": _adaptive(nn.AdaptiveMaxPool1d),
    "adaptive_max_pool2d": _adaptive(nn.AdaptiveMaxPool2d),
    "batch_norm": _normalization,
    "interpolate": _upsampled,
    "relu": _rectified,
    "matmul": _linear,
    "__matmul__": _linear,
    "mm": _linear,
}
_PRODUCTS = ("matmul", "__matmul__", "mm")


def note(run: Run, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """What a functional layer did. Raises :class:`Unreadable` where no node says it."""
    tensor = args[0] if args else kwargs.pop("input")
    if name in _PRODUCTS:
        weight = args[1] if len(args) > 1 else kwargs["other"]
        if run.book.find(weight) is not None or weight.ndim != 2:
            raise Unreadable("signals are multiplied")
        args, kwargs = (tensor, weight.T), {}
    module = HANDLED[name](args if args else (tensor,), kwargs)
    who = run.title(name)
    given = rows.op_of(module, f"{who} (at {calling_line()})")
    assert given is not None
    op = given if isinstance(given, ops.Op) else given(tuple(tensor.shape[1:]))
    if isinstance(result, tuple):
        result = result[0]
    run.apply(op, tensor, result, who, (*op.key(), calling_line()))


def is_dropout(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Dropout that drops nothing."""
    if not name.endswith("dropout") and name not in ("dropout1d", "dropout2d", "dropout3d"):
        return False
    given = _bound("p training", args, kwargs, p=0.5, training=True)
    return not given["training"] or given["p"] == 0


def over_space(run: Run, name: str, axes: list[int], tensor: torch.Tensor, result: torch.Tensor) -> bool:
    """A mean or sum over all spatial dimensions: a pool as large as they are, and no dimensions left of it."""
    dims = tensor.ndim
    count = len(axes)
    if sorted(axes) != list(range(dims - count, dims)) or count not in (1, 2):
        return False
    reading = run.reader.read(tensor, own=count + 1)
    kernel = reading.shape[1:]
    factor = 1 / float(np.prod(kernel)) if name == "mean" else 1.0
    op = ops.Pool(kernel, kernel, (0,) * count, factor)
    who = run.title(name)
    node = run.placing.place(op, reading, (reading.shape[0], *[1] * count), who, (*op.key(), calling_line()))
    run.bear(result, node, reading)
    return True
