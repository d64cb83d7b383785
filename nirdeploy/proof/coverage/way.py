"""way: which number of a source each weight of a projection takes for which neuron, and what arrives without it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.integers.rounding import shifted
from nirdeploy.semantics.operators import Convolution, Dense, Maximum, Operator
from nirdeploy.sim.integer import exact


class Way:
    """A projection with what it carries in a run.

    ``x``: (T, B, inputs of the operator), behind the pool. ``before``: int64 (T, B, outputs), what leaves the operator;
    ``arrives``: int64 (T, B, size of the target), in its membrane's unit, not delayed. ``windows``: (size, n), the
    outputs each neuron takes the maximum of; ``behind``: (outputs, n), the neurons that take an output; -1 where there
    is none.
    """

    def __init__(self, network: IntegerNetwork, projection: IntegerProjection, signals: Mapping[str, np.ndarray]):
        self.projection, operator = projection, projection.operator
        self.shift = network.neurons(projection.target).shift + projection.shift
        signal = signals[projection.source]
        if projection.pool is not None:
            signal = np.rint(projection.pool.apply(signal.astype(np.float64))).astype(np.int64)
        self.x, self.active = signal, (signal != 0).any(axis=0)
        plain = IntegerProjection(projection.source, projection.target, operator, projection.unit)
        self.before = exact(plain, signal)
        maximum = projection.maximum
        self.windows, self.behind = _windows(operator.outputs, maximum)
        self.arrives = shifted(self.before if maximum is None else maximum.apply(self.before), self.shift)

    def outputs(self, weights: np.ndarray) -> np.ndarray:
        """The outputs (n, m) that weights (n,) add to."""
        return outputs(self.projection.operator, weights)

    def arriving(self, weights: np.ndarray, add: np.ndarray, samples: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """What arrives (T, n) in the membrane's unit at a neuron in a sample, if a weight were so much more."""
        taken = self.windows[neurons]
        read = reads(self.projection.operator, weights[:, None], taken)
        seen = self.x[:, samples[:, None], np.maximum(read, 0)].astype(np.int64)
        sums = self.before[:, samples[:, None], np.maximum(taken, 0)] + add[:, None] * np.where(read < 0, 0, seen)
        lowest = np.iinfo(np.int64).min
        return shifted(np.where(taken < 0, lowest, sums).max(axis=2), self.shift)


def delayed(values: np.ndarray, steps: int) -> np.ndarray:
    """Values (T, ...) so many steps later."""
    late = np.zeros_like(values)
    late[min(steps, len(values)) :] = values[: max(len(values) - steps, 0)]
    return late


def outputs(operator: Operator, weights: np.ndarray) -> np.ndarray:
    """The outputs (n, m) that weights (n,) add to: one, or a channel."""
    if isinstance(operator, Dense):
        return weights[:, None] // operator.inputs
    if not isinstance(operator, Convolution):
        return weights[:, None]
    positions = operator.outputs // operator.weight.shape[0]
    return np.asarray(weights[:, None] // operator.weight[0].size * positions + np.arange(positions))


def reads(operator: Operator, weights: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The input that weights (broadcast with ``to``) take for outputs ``to``; -1: none."""
    if isinstance(operator, Dense):
        return np.where(weights // operator.inputs == to, weights % operator.inputs, -1)
    if not isinstance(operator, Convolution):
        return np.where(weights == to, weights, -1)
    channels, *kernel = operator.weight.shape
    outside, inside, *at = np.unravel_index(weights, (channels, *kernel))
    rows, columns = operator.out_shape[1:]
    group = outside // (channels // operator.groups)
    read, found = group * (operator.shape[0] // operator.groups) + inside, to // (rows * columns) == outside
    for axis, place in enumerate((to // columns % rows, to % columns)):
        spread, size = operator.spread[axis], operator.shape[1 + axis]
        line = place * operator.stride[axis] + at[axis] * operator.dilation[axis] - operator.padding[axis][0]
        found = found & (line >= 0) & (line % spread == 0) & (line // spread < size)
        read = read * size + line // spread
    return np.where(found, read, -1)


def _windows(count: int, maximum: Maximum | None) -> tuple[np.ndarray, np.ndarray]:
    """Of each neuron the outputs, of each output the neurons."""
    if maximum is None:
        return np.arange(count)[:, None], np.arange(count)[:, None]
    channels, height, width = maximum.shape
    (top, bottom), (left, right) = maximum.padding
    places = np.pad(
        np.arange(count).reshape(channels, height, width), ((0, 0), (top, bottom), (left, right)), constant_values=-1
    )
    seen = np.lib.stride_tricks.sliding_window_view(places, maximum.kernel, axis=(1, 2))
    windows = seen[:, :: maximum.stride[0], :: maximum.stride[1]].reshape(-1, maximum.kernel[0] * maximum.kernel[1])
    neurons, columns = np.nonzero(windows >= 0)
    taken = windows[neurons, columns]
    by_output = np.argsort(taken, kind="stable")
    taken, neurons = taken[by_output], neurons[by_output]
    rank = np.arange(len(taken)) - np.searchsorted(taken, taken)
    behind = np.full((count, int(rank.max(initial=0)) + 1), -1)
    behind[taken, rank] = neurons
    return windows, behind
