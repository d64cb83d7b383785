"""linear: what each node between two populations does to the chain that walks through it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.chain import Chain
from nirdeploy.graph.shapes import Shape, finite, geometry, per_neuron, pooling
from nirdeploy.graph.shapes import transposed as transposed_geometry
from nirdeploy.semantics.operators import Convolution, Maximum, Pair, Pool

#: ``through(chain, name, node, shape, dt)``: the chain continued through a node that gives ``shape``; several where
#: neurons are delayed differently. Shapes fit already; raises GraphError on a value that is not finite or in range.
Through = Callable[[Chain, str, Any, Shape, float], list[Chain]]

_MAX_STEPS = 1 << 16  # of delay


def reshaped(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    return [chain.reshaped(shape, name)]


def scaled(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    return [chain.scaled(per_neuron(node.scale, "scale", name, shape), name)]


def dense(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    return [chain.dense(finite(node.weight, "weight", name), name)]


def convolved(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    """As a 2-D convolution; a 1-D one has height 1."""
    weight = finite(node.weight, "weight", name)
    stride, padding, dilation = geometry(node, name)
    channels, *size = chain.shape
    if len(size) == 1:
        weight, size = weight[:, :, None, :], [1, *size]
        stride, dilation, padding = [1, *stride], [1, *dilation], [(0, 0), *padding]
    made = Convolution(
        weight,
        (channels, size[0], size[1]),
        (stride[0], stride[1]),
        (padding[0], padding[1]),
        (dilation[0], dilation[1]),
        int(np.asarray(node.groups).item()),
    )
    return [chain.convolved(made, shape, name)]


def transposed(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    """As a convolution, its kernels turned around, of an input that stands ``stride`` apart."""
    weight = finite(node.weight, "weight", name)
    stride, around, dilation = transposed_geometry(node, name)
    groups = int(np.asarray(node.groups).item())
    channels, per_group, *kernel = weight.shape
    swapped = weight.reshape(groups, channels // groups, per_group, *kernel).swapaxes(1, 2)
    made = Convolution(
        np.ascontiguousarray(swapped[..., ::-1, ::-1]).reshape(-1, channels // groups, *kernel),
        (chain.shape[0], chain.shape[1], chain.shape[2]),
        padding=(around[0], around[1]),
        dilation=(dilation[0], dilation[1]),
        groups=groups,
        spread=(stride[0], stride[1]),
    )
    return [chain.convolved(made, shape, name)]


def summed(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    return [chain.pooled(Pool(*_windows(chain, name, node)), shape, 1.0, name)]


def averaged(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    pool = Pool(*_windows(chain, name, node))
    return [chain.pooled(pool, shape, 1 / math.prod(pool.kernel), name)]


def maximized(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    return [chain.maximized(Maximum(*_windows(chain, name, node)), shape, name)]


def _windows(chain: Chain, name: str, node: Any) -> tuple[tuple[int, int, int], Pair, Pair, tuple[Pair, Pair]]:
    kernel, stride, padding = pooling(node, name)
    shape = (chain.shape[0], chain.shape[1], chain.shape[2])
    sides = ((padding[0], padding[0]), (padding[1], padding[1]))
    return shape, (kernel[0], kernel[1]), (stride[0], stride[1]), sides


def delayed(chain: Chain, name: str, node: Any, shape: Shape, dt: float) -> list[Chain]:
    delay = per_neuron(node.delay, "delay", name, shape)
    if delay.min() < 0:
        raise GraphError(
            f"node {name!r}: a delay of {delay.min():g} s is negative, nothing arrives before it was sent",
            hint="correct the delay and export the network again",
        )
    steps = np.rint(delay / dt)
    odd = np.abs(delay / dt - steps) > 1e-3
    if odd.any() or steps.max() > _MAX_STEPS:
        worst = delay[odd | (steps > _MAX_STEPS)].flat[0]
        raise GraphError(
            f"node {name!r}: a delay of {worst:g} s is not 0 to {_MAX_STEPS} whole steps of dt = {dt:g} s",
            hint="give the dt the network was made for (--dt)",
        )
    found = np.unique(steps)
    if found.size == 1:
        return [chain.delayed(int(found[0]), name)]
    return [chain.scaled((steps == d).astype(float), name).delayed(int(d), name) for d in found]


def bias(name: str, node: nir.NIRNode, shape: Shape) -> np.ndarray | float:
    """The constant that a node adds to its output of ``shape``. Raises :class:`GraphError`."""
    if getattr(node, "bias", None) is None:
        return 0.0
    added = finite(node.bias, "bias", name)
    if added.shape not in ((), (1,), (shape[0],)):
        raise GraphError(f"node {name!r}: bias has shape {added.shape}, expected ({shape[0]},)")
    return np.broadcast_to(added, shape[:1]).reshape(-1, *[1] * (len(shape) - 1))
