"""The linear operators that stand between two populations.

Every operator maps flattened (C order) signals: ``apply`` takes (..., inputs) to (..., outputs). Weights are
float64 in a checked graph and int32 in an integer network; the operators are the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from nirdeploy.records import entries
from nirdeploy.records.brief import Brief

Pair = tuple[int, int]


@dataclass(frozen=True, repr=False)
class Dense(Brief):
    """``weight`` (outputs, inputs)."""

    weight: np.ndarray

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        return int(self.weight.shape[0])

    @property
    def groups_of_outputs(self) -> np.ndarray:
        """Which weights an output shares: outputs of one number share theirs."""
        return np.arange(self.outputs)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x @ self.weight.T.astype(x.dtype))

    def reach(self, largest: np.ndarray) -> np.ndarray:
        """The largest magnitude each output can take when no input exceeds ``largest`` (inputs,)."""
        return np.asarray(np.abs(self.weight).astype(np.float64) @ largest)


@dataclass(frozen=True, repr=False)
class Elementwise(Brief):
    """``weight`` (size,): each signal times a factor of its own."""

    weight: np.ndarray

    @property
    def inputs(self) -> int:
        return int(self.weight.size)

    @property
    def outputs(self) -> int:
        return int(self.weight.size)

    @property
    def groups_of_outputs(self) -> np.ndarray:
        return np.arange(self.outputs)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x * self.weight.astype(x.dtype))

    def reach(self, largest: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(self.weight) * largest)


@dataclass(frozen=True, repr=False)
class Convolution(Brief):
    """A 2-D convolution (cross-correlation); a 1-D one has height 1.

    Attributes:
        weight: (channels out, channels in / groups, kernel height, kernel width).
        shape: (channels, height, width) of the input.
        padding: zeros before and after, for each direction.
        spread: how far apart the inputs stand, zeros between them: the stride of a transposed convolution.
    """

    weight: np.ndarray
    shape: tuple[int, int, int]
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1
    spread: Pair = (1, 1)

    @property
    def inputs(self) -> int:
        return math.prod(self.shape)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        return (int(self.weight.shape[0]), *self._out_space())

    def _out_space(self) -> Pair:
        height, width = (
            ((size - 1) * apart + sum(pad) - step * (kernel - 1)) // stride + 1
            for size, apart, pad, step, kernel, stride in zip(
                self.shape[1:],
                self.spread,
                self.padding,
                self.dilation,
                self.weight.shape[2:],
                self.stride,
                strict=True,
            )
        )
        return height, width

    @property
    def outputs(self) -> int:
        return math.prod(self.out_shape)

    @property
    def groups_of_outputs(self) -> np.ndarray:
        return np.repeat(np.arange(self.weight.shape[0]), math.prod(self._out_space()))

    def apply(self, x: np.ndarray) -> np.ndarray:
        lead = x.shape[:-1]
        image = self._spread_out(x.reshape(-1, *self.shape))
        padded = np.pad(image, ((0, 0), (0, 0), *self.padding))
        (rows, columns), (high, wide) = self._out_space(), self.weight.shape[2:]
        group_in, group_out = self.shape[0] // self.groups, self.weight.shape[0] // self.groups
        weight = self.weight.astype(x.dtype).reshape(self.groups, group_out, group_in, high * wide)
        out = np.zeros((len(image), self.groups, group_out, rows, columns), dtype=x.dtype)
        for k in range(high * wide):
            top, left = k // wide * self.dilation[0], k % wide * self.dilation[1]
            seen = padded[
                :,
                :,
                top : top + (rows - 1) * self.stride[0] + 1 : self.stride[0],
                left : left + (columns - 1) * self.stride[1] + 1 : self.stride[1],
            ]
            seen = seen.reshape(len(image), self.groups, group_in, rows * columns)
            out += (weight[..., k] @ seen).reshape(out.shape)
        return out.reshape(*lead, self.outputs)

    def _spread_out(self, image: np.ndarray) -> np.ndarray:
        """The images (B, channels, height, width) with zeros between their values."""
        if self.spread == (1, 1):
            return image
        height, width = ((size - 1) * apart + 1 for size, apart in zip(self.shape[1:], self.spread, strict=True))
        wide = np.zeros((len(image), self.shape[0], height, width), dtype=image.dtype)
        wide[:, :, :: self.spread[0], :: self.spread[1]] = image
        return wide

    def reach(self, largest: np.ndarray) -> np.ndarray:
        return replace(self, weight=np.abs(self.weight).astype(np.float64)).apply(largest.astype(np.float64))


Operator = Dense | Elementwise | Convolution


@dataclass(frozen=True)
class Windows:
    """Windows over each channel of an image; ``padding`` before and after, for each direction."""

    shape: tuple[int, int, int]
    kernel: Pair
    stride: Pair
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))

    @property
    def inputs(self) -> int:
        return math.prod(self.shape)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        return self.as_convolution().out_shape

    def as_convolution(self) -> Convolution:
        """The sum of each window as a convolution of ones, channel by channel."""
        channels = self.shape[0]
        return Convolution(np.ones((channels, 1, *self.kernel)), self.shape, self.stride, self.padding, groups=channels)


@dataclass(frozen=True)
class Pool(Windows):
    """A sum over windows of each channel, in front of an operator; padded with zeros."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        return self.as_convolution().apply(x)


@dataclass(frozen=True)
class Maximum(Windows):
    """The largest value of each window of a channel, behind an operator; padding is below every value."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        image = np.pad(x.reshape(-1, *self.shape), ((0, 0), (0, 0), *self.padding), constant_values=lowest)
        seen = np.lib.stride_tricks.sliding_window_view(image, self.kernel, axis=(2, 3))
        most = seen[:, :, :: self.stride[0], :: self.stride[1]].max(axis=(4, 5))
        return np.asarray(most.reshape(*x.shape[:-1], -1))

    def in_front(self, values: np.ndarray) -> np.ndarray:
        """Values of what leaves (its size), the same over each channel, as values of what enters."""
        _, first = np.unique(self.channels_behind, return_index=True)
        return np.asarray(values[first][self.channels_before])

    @property
    def channels_before(self) -> np.ndarray:
        """The channel of each value that enters."""
        return np.repeat(np.arange(self.shape[0]), math.prod(self.shape[1:]))

    @property
    def channels_behind(self) -> np.ndarray:
        """The channel of each value that leaves."""
        return np.repeat(np.arange(self.shape[0]), math.prod(self.out_shape[1:]))


class Passage:
    """What projections have in common, of currents or of integers: a pool (if any), an operator, a maximum (if any)."""

    operator: Operator
    pool: Pool | None
    maximum: Maximum | None

    @property
    def weight(self) -> np.ndarray:
        """The operator's weights."""
        return self.operator.weight

    @property
    def connected(self) -> Operator:
        """The operator with 1 for every weight that is not 0: of what arrives it takes so many weights."""
        return replace(self.operator, weight=(self.weight != 0).astype(np.float64))

    @property
    def inputs(self) -> int:
        """Size of the source."""
        return self.operator.inputs if self.pool is None else self.pool.inputs

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Signals (..., source size) to (..., target size), undelayed; integers in float64 are exact below 2^53."""
        out = self.operator.apply(x if self.pool is None else self.pool.apply(x))
        return out if self.maximum is None else self.maximum.apply(out)

    def matrix(self) -> np.ndarray:
        """The way up to the maximum (all of it, where there is none) as (values there, source size), float64."""
        return matrix(self.operator) if self.pool is None else matrix(self.operator) @ matrix(self.pool)


def matrix(operator: Operator | Pool) -> np.ndarray:
    """An operator written out as (outputs, inputs), float64."""
    if isinstance(operator, Dense):
        return operator.weight.astype(np.float64)
    if isinstance(operator, Elementwise):
        return np.diag(operator.weight.astype(np.float64))
    return np.ascontiguousarray(operator.apply(np.eye(operator.inputs)).T)


def to_meta(operator: Operator | Windows | None) -> dict[str, Any] | None:
    """All of an operator but its weight, as JSON holds it."""
    if operator is None:
        return None
    values = {field.name: getattr(operator, field.name) for field in fields(operator) if field.name != "weight"}
    if values.get("spread") == (1, 1):  # digests are older than transposed convolutions
        del values["spread"]
    return {"kind": type(operator).__name__, **values}


def operator_from(meta: dict[str, Any], weight: np.ndarray) -> Operator:
    """The inverse of :func:`to_meta`. Raises KeyError, ValueError or TypeError if ``meta`` is none of ours."""
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (Dense, Elementwise, Convolution)}
    kind = entries.one_of(meta["kind"], "the kind of an operator", tuple(kinds))
    operator: Operator = kinds[kind](weight=weight, **_values(meta))
    return operator


def pool_from(meta: dict[str, Any] | None) -> Pool | None:
    """The inverse of :func:`to_meta` for what stands in front."""
    return None if meta is None else Pool(**_values(meta))


def maximum_from(meta: dict[str, Any] | None) -> Maximum | None:
    """The inverse of :func:`to_meta` for what stands behind."""
    return None if meta is None else Maximum(**_values(meta))


def _values(meta: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) for key, value in meta.items() if key != "kind"}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
