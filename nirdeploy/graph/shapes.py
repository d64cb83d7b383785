"""nirshapes: the shape that a NIR node declares, asks for, and gives for what arrives."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np

Shape = tuple[int, ...]

CONVOLUTIONS = {nir.Conv1d: 1, nir.Conv2d: 2}  # and their spatial dimensions
_ELEMENTWISE = {  # nodes that change no shape: a parameter that has the shape
    nir.CubaLI: "v_leak",
    nir.CubaLIF: "v_threshold",
    nir.Delay: "delay",
    nir.I: "r",
    nir.IF: "v_threshold",
    nir.LI: "v_leak",
    nir.LIF: "v_threshold",
    nir.Scale: "scale",
    nir.Threshold: "threshold",
}


def _value(node: nir.NIRNode) -> Any:
    return node.output_type.get("output") if isinstance(node, nir.Output) else node.input_type.get("input")


def is_missing(node: nir.NIRNode) -> bool:
    return _value(node) is None


def declared_shape(node: nir.NIRNode) -> Shape | None:
    """The shape that an Input, Output or Flatten declares, if it is one."""
    return None if is_missing(node) else whole_numbers(_value(node))


def whole_numbers(value: Any) -> Shape | None:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or not 0 < array.size <= 8:
        return None
    numbers = [float(number) for number in array.ravel()]
    if not all(1 <= number < 2**53 and number % 1 == 0 for number in numbers):
        return None
    return tuple(int(number) for number in numbers)


def leads(declared: Shape, shape: Shape) -> bool:
    """Whether ``declared`` is ``shape`` behind dimensions of batch or time; of one neuron, behind ones only."""
    lead = declared[: len(declared) - len(shape)]
    trails = bool(lead) and bool(shape) and declared[len(lead) :] == shape
    return trails and (math.prod(shape) > 1 or math.prod(lead) == 1)


def wanted_shape(node: nir.NIRNode, declared: Shape | None) -> Shape | None:
    """The input shape that a node's own parameters ask for; ``declared`` is the one it is offered."""
    if isinstance(node, (nir.Output, nir.Flatten)):
        return declared_shape(node)
    if isinstance(node, (nir.Linear, nir.Affine)):
        return (int(node.weight.shape[-1]),) if np.ndim(node.weight) == 2 else None
    if type(node) in CONVOLUTIONS:
        return _wanted_by_convolution(node, declared)
    if type(node) in _ELEMENTWISE:
        shape = np.shape(getattr(node, _ELEMENTWISE[type(node)]))
        # One value may stand for any number of neurons.
        return shape if math.prod(shape) > 1 or (shape and (declared is None or math.prod(declared) == 1)) else None
    return None


def _wanted_by_convolution(node: Any, declared: Shape | None) -> Shape | None:
    spatial, groups = CONVOLUTIONS[type(node)], whole_numbers(node.groups)
    if np.ndim(node.weight) != spatial + 2 or groups is None:
        return None
    channels = int(node.weight.shape[1]) * groups[0]
    size = whole_numbers(node.input_shape) if node.input_shape is not None else (declared or ())[-spatial:]
    if size is None or len(size) != spatial:
        return None
    return (channels, *size)


def given_shape(node: nir.NIRNode, shape: Shape | None) -> Shape | None:
    """The shape that a node gives when ``shape`` arrives; None where it does not follow, or does not fit."""
    if isinstance(node, (nir.Linear, nir.Affine)):
        fits = np.ndim(node.weight) == 2 and shape in (None, (int(node.weight.shape[1]),))
        return (int(node.weight.shape[0]),) if fits else None
    if isinstance(node, (nir.Input, nir.Output)):
        return declared_shape(node) if shape is None else shape
    if type(node) in _ELEMENTWISE:
        return _unchanged(np.shape(getattr(node, _ELEMENTWISE[type(node)])), shape)
    if shape is None:
        return None
    if isinstance(node, nir.Flatten):
        return _flattened(shape, node)
    if type(node) in CONVOLUTIONS:
        spatial = CONVOLUTIONS[type(node)]
        if np.ndim(node.weight) != spatial + 2 or len(shape) != spatial + 1:
            return None
        size = _windows(shape[1:], node.weight.shape[2:], node.stride, node.padding, node.dilation)
        return None if size is None else (int(node.weight.shape[0]), *size)
    if isinstance(node, (nir.SumPool2d, nir.AvgPool2d)) and len(shape) == 3:
        size = _windows(shape[1:], node.kernel_size, node.stride, node.padding, 1)
        return None if size is None else (shape[0], *size)
    return None


def _unchanged(parameter: Shape, shape: Shape | None) -> Shape | None:
    if shape is None:
        return parameter if math.prod(parameter) > 1 else None
    if math.prod(parameter) in (1, math.prod(shape)):
        return shape
    fits = len(parameter) == len(shape) and all(a in (1, b) for a, b in zip(parameter, shape, strict=True))
    return shape if fits else None


def _flattened(shape: Shape, node: nir.Flatten) -> Shape | None:
    start, end = (dim + len(shape) if dim < 0 else dim for dim in dimensions(node, shape))
    if not 0 <= start <= end < len(shape):
        return None
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def dimensions(node: nir.Flatten, shape: Shape) -> tuple[int, int]:
    """The first and last dimension that a Flatten joins, counted in the shape that arrives."""
    declared = declared_shape(node)
    lead = len(declared) - len(shape) if declared is not None and batched(declared, shape) else 0
    start, end = (dim if dim < 0 else max(dim - lead, 0) for dim in (node.start_dim, node.end_dim))
    return start, end


def batched(declared: Shape, shape: Shape) -> bool:
    """Whether ``declared`` is ``shape`` behind a batch and a time of one."""
    return leads(declared, shape) and math.prod(declared) == math.prod(shape)


def _windows(size: Shape, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Shape | None:
    """How many windows fit, along each dimension."""
    count = len(size)
    if isinstance(padding, str) and padding == "same":
        return size
    kernels, strides, dilations = (_each(value, count, 1) for value in (kernel, stride, dilation))
    paddings = (0,) * count if isinstance(padding, str) else _each(padding, count, 0)
    if kernels is None or strides is None or dilations is None or paddings is None:
        return None
    found = tuple(
        (n + 2 * pad - step * (k - 1) - 1) // by + 1
        for n, pad, step, k, by in zip(size, paddings, dilations, kernels, strides, strict=True)
    )
    return found if min(found) >= 1 else None


def _each(value: Any, count: int, least: int) -> Shape | None:
    """``count`` whole numbers of at least ``least``, from one or as many."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size not in (1, count):
        return None
    numbers = [float(number) for number in np.broadcast_to(array.ravel(), count)]
    if not all(least <= number < 2**53 and number % 1 == 0 for number in numbers):
        return None
    return tuple(int(number) for number in numbers)
