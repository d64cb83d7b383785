"""linear: what each linear NIR node does to the chain that walks through it."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.chain import Chain
from nirdeploy.semantics.operators import Convolution, Pool

LINEAR = (
    nir.Linear,
    nir.Affine,
    nir.Conv1d,
    nir.Conv2d,
    nir.SumPool2d,
    nir.AvgPool2d,
    nir.Flatten,
    nir.Scale,
    nir.Delay,
)
_MAX_STEPS = 1 << 16  # of delay


def through(chain: Chain, name: str, node: nir.NIRNode, dt: float) -> list[Chain]:
    """The chain continued through one node; several where neurons are delayed differently.

    Raises:
        GraphError: a shape that does not fit, a value that is not finite or not in range.
    """
    if isinstance(node, nir.Flatten):
        return [chain.reshaped(_flattened(chain.shape, node, name), name)]
    if isinstance(node, nir.Scale):
        return [chain.scaled(per_neuron(node.scale, "scale", name, chain.shape), name)]
    if isinstance(node, nir.Delay):
        return _delayed(chain, name, node, dt)
    if isinstance(node, (nir.Conv1d, nir.Conv2d)):
        convolution, shape = _convolution(chain, name, node)
        return [chain.convolved(convolution, shape, name)]
    if isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
        return [_pooled(chain, name, node)]
    return [chain.dense(_dense(chain, name, node), name)]


def bias(name: str, node: nir.NIRNode, shape: tuple[int, ...]) -> np.ndarray | float:
    """The constant that a node adds to its output of ``shape``. Raises :class:`GraphError`."""
    if not isinstance(node, (nir.Affine, nir.Conv1d, nir.Conv2d)) or node.bias is None:
        return 0.0
    added = finite(node.bias, "bias", name)
    if added.shape not in ((), (1,), (shape[0],)):
        raise GraphError(f"node {name!r}: bias has shape {added.shape}, expected ({shape[0]},)")
    return np.broadcast_to(added, shape[:1]).reshape(-1, *[1] * (len(shape) - 1))


def _dense(chain: Chain, name: str, node: Any) -> np.ndarray:
    weight = finite(node.weight, "weight", name)
    if weight.ndim != 2:
        raise GraphError(f"node {name!r}: weight has shape {weight.shape}, expected (outputs, inputs)")
    if not weight.size:
        raise GraphError(f"node {name!r}: weight is empty, its shape is {weight.shape}")
    if len(chain.shape) != 1 or chain.shape[0] != weight.shape[1]:
        raise GraphError(
            f"node {name!r} takes {weight.shape[1]} inputs, {before(chain)} gives shape {chain.shape}",
            hint="insert a Flatten, or correct the layer's size",
        )
    return weight


def _convolution(chain: Chain, name: str, node: Any) -> tuple[Convolution, tuple[int, ...]]:
    """The node as a 2-D convolution, and the shape of its output as the graph sees it."""
    spatial = 1 if isinstance(node, nir.Conv1d) else 2
    weight = finite(node.weight, "weight", name)
    kind = f"node {name!r} ({type(node).__name__})"
    if weight.ndim != spatial + 2 or not weight.size:
        raise GraphError(
            f"{kind}: weight has shape {weight.shape}, expected (channels out, channels in / groups, "
            f"{'kernel' if spatial == 1 else 'kernel height, kernel width'})"
        )
    groups = whole(node.groups, "groups", name, 1)[0]
    if len(chain.shape) != spatial + 1:
        raise GraphError(
            f"{kind} takes {spatial + 1} dimensions (channels first), {before(chain)} gives shape {chain.shape}"
        )
    if chain.shape[0] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise GraphError(
            f"{kind}: {weight.shape[0]} kernels of {weight.shape[1]} channels in {groups} group(s) do not fit the "
            f"{chain.shape[0]} channels that {before(chain)} gives",
        )
    stride = whole(node.stride, "stride", name, spatial)
    dilation = whole(node.dilation, "dilation", name, spatial)
    padding = _padding(node.padding, weight.shape[2:], stride, dilation, name)
    if spatial == 1:
        weight = weight[:, :, None, :]
        shape = (chain.shape[0], 1, chain.shape[1])
        stride, dilation, padding = [1, *stride], [1, *dilation], [(0, 0), *padding]
    else:
        shape = (chain.shape[0], chain.shape[1], chain.shape[2])
    made = Convolution(
        weight, shape, (stride[0], stride[1]), (padding[0], padding[1]), (dilation[0], dilation[1]), groups
    )
    out = made.out_shape
    if min(out) < 1:
        raise GraphError(f"{kind}: the kernel is larger than its padded input of shape {chain.shape}")
    return made, (out[0], out[2]) if spatial == 1 else out


def _padding(value: Any, kernel: Any, stride: list[int], dilation: list[int], name: str) -> list[tuple[int, int]]:
    if isinstance(value, (str, bytes, np.str_)):
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        if text == "valid":
            return [(0, 0)] * len(kernel)
        if text != "same" or max(stride) > 1:
            raise GraphError(
                f"node {name!r}: padding {text[:20]!r} with stride {stride}: expected 'valid', 'same' with stride 1, "
                "or numbers"
            )
        total = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
        return [(both // 2, both - both // 2) for both in total]
    return [(pad, pad) for pad in whole(value, "padding", name, len(kernel), least=0)]


def _pooled(chain: Chain, name: str, node: Any) -> Chain:
    if len(chain.shape) != 3:
        raise GraphError(
            f"node {name!r} ({type(node).__name__}) takes (channels, height, width), {before(chain)} gives "
            f"shape {chain.shape}"
        )
    kernel = whole(node.kernel_size, "kernel_size", name, 2)
    stride = whole(node.stride, "stride", name, 2)
    padding = whole(node.padding, "padding", name, 2, least=0)
    if any(2 * pad > size for pad, size in zip(padding, kernel, strict=True)):
        raise GraphError(f"node {name!r}: padding {padding} is more than half the kernel {kernel}")
    shape = (chain.shape[0], chain.shape[1], chain.shape[2])
    sides = ((padding[0], padding[0]), (padding[1], padding[1]))
    pool = Pool(shape, (kernel[0], kernel[1]), (stride[0], stride[1]), sides)
    if min(pool.out_shape) < 1:
        raise GraphError(f"node {name!r}: the window {kernel} is larger than its input of shape {chain.shape}")
    factor = 1 / math.prod(kernel) if isinstance(node, nir.AvgPool2d) else 1.0
    return chain.pooled(pool, pool.out_shape, factor, name)


def _delayed(chain: Chain, name: str, node: nir.Delay, dt: float) -> list[Chain]:
    delay = per_neuron(node.delay, "delay", name, chain.shape)
    steps = np.rint(delay / dt)
    odd = np.abs(delay / dt - steps) > 1e-3
    if odd.any() or steps.min() < 0 or steps.max() > _MAX_STEPS:
        worst = delay[odd | (steps < 0) | (steps > _MAX_STEPS)].flat[0]
        raise GraphError(
            f"node {name!r}: a delay of {worst:g} s is not 0 to {_MAX_STEPS} whole steps of dt = {dt:g} s",
            hint="give the dt the network was made for (--dt)",
        )
    found = np.unique(steps)
    if found.size == 1:
        return [chain.delayed(int(found[0]), name)]
    return [chain.scaled((steps == d).astype(float), name).delayed(int(d), name) for d in found]


def _flattened(shape: tuple[int, ...], node: nir.Flatten, name: str) -> tuple[int, ...]:
    start = node.start_dim + len(shape) if node.start_dim < 0 else node.start_dim
    end = node.end_dim + len(shape) if node.end_dim < 0 else node.end_dim
    if len(shape) == 1 and node.start_dim in (0, 1) and end == 0:  # flat already
        return shape
    if not 0 <= start <= end < len(shape):
        raise GraphError(f"node {name!r} flattens dimensions {node.start_dim} to {node.end_dim} of shape {shape}")
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


def before(chain: Chain) -> str:
    """What gives the signal, in words."""
    return repr(chain.nodes[-1] if chain.nodes else chain.source)


def whole(value: Any, key: str, name: str, count: int, least: int = 1) -> list[int]:
    """``count`` whole numbers of at least ``least``, from one number or as many. Raises :class:`GraphError`."""
    array = np.atleast_1d(finite(value, key, name)).ravel()
    if array.size not in (1, count) or (array < least).any() or (array % 1 != 0).any() or (array > 1 << 20).any():
        text = " ".join(f"{array.tolist()}".split())[:60]
        raise GraphError(f"node {name!r}: {key} is {text}, expected {count} whole number(s) from {least} on")
    return [int(item) for item in np.broadcast_to(array, count)]


def per_neuron(value: Any, key: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A parameter as float64 of ``shape``, from one value or one per neuron. Raises :class:`GraphError`."""
    array = finite(value, key, name)
    if array.size == 1:
        return np.full(shape, array.item())
    size = math.prod(shape)
    trimmed = array.reshape(array.shape[array.ndim - len(shape) :]) if _leads_with_ones(array, shape) else array
    if array.size == size and (trimmed.shape == shape or array.ndim == 1):
        return array.reshape(shape).copy()
    if trimmed.ndim == len(shape) and all(a in (1, b) for a, b in zip(trimmed.shape, shape, strict=True)):
        return np.broadcast_to(trimmed, shape).copy()
    raise GraphError(
        f"node {name!r}: {key} has shape {array.shape}, its input has shape {shape}",
        hint="give one value, or one per neuron",
    )


def _leads_with_ones(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    extra = array.ndim - len(shape)
    return extra > 0 and all(size == 1 for size in array.shape[:extra])


def finite(value: Any, key: str, name: str) -> np.ndarray:
    """A parameter as float64. Raises :class:`GraphError` if it is not numeric, or NaN or infinite."""
    try:
        array = np.array(value, dtype=np.float64)  # a copy: the graph given may change, the checked one not
    except (TypeError, ValueError) as error:
        raise GraphError(f"node {name!r}: {key} is not numeric") from error
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise GraphError(
            f"node {name!r}: {bad} of {array.size} values of {key} are NaN or infinite",
            hint="the training may have diverged; export the network again",
        )
    return array
