"""ops: what a stateless call does to a signal, apart from where in a net it stands.

An op can always be carried out (``apply``, on a batch of own shapes, which is how a linear one is written out as a
matrix), and where NIR has a node for it on this shape, it gives it (``node``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nirdeploy.errors import ExportError
from nirdeploy.exchange.signals import Shape
from nirdeploy.graph.extension import ConvTranspose2d

#: A matrix of so many weights says what NIR has no node for, to every reader; a larger one would be out of proportion.
WRITTEN_OUT = 1 << 16

Array = Callable[[torch.Tensor], np.ndarray]


@dataclass(frozen=True, eq=False)
class Op:
    """A linear call. ``own``: how many own dimensions it takes (None: any)."""

    @property
    def own(self) -> int | None:
        return None

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def node(self, shape: Shape, array: Array) -> nir.NIRNode | None:
        """The NIR node for an input of this shape; None: none says it."""
        return None

    def key(self) -> tuple[Any, ...]:
        """Equal for calls that compute the same."""
        values = [_content(getattr(self, field)) for field in self.__dataclass_fields__]
        return (type(self).__name__, *values)


@dataclass(frozen=True, eq=False)
class Dense(Op):
    """``weight`` (outputs, inputs) and a bias, on the last dimension."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None

    @property
    def own(self) -> int | None:
        return 1

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, _double(self.weight), None if self.bias is None else _double(self.bias))

    def node(self, shape: Shape, array: Array) -> nir.NIRNode | None:
        if len(shape) != 1:
            return None
        if self.bias is None:
            return nir.Linear(array(self.weight))
        return nir.Affine(array(self.weight), array(self.bias))


@dataclass(frozen=True, eq=False)
class Conv(Op):
    """A convolution of one or two dimensions; ``weight`` as torch has it."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def own(self) -> int | None:
        return self.weight.ndim - 1

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        run: Any = functional.conv1d if self.weight.ndim == 3 else functional.conv2d
        bias = None if self.bias is None else _double(self.bias)
        result: torch.Tensor = run(x, _double(self.weight), bias, self.stride, self.padding, self.dilation, self.groups)
        return result

    def node(self, shape: Shape, array: Array) -> nir.NIRNode | None:
        if len(shape) != self.own:
            return None
        weight = array(self.weight)
        bias = np.zeros(weight.shape[0], dtype=weight.dtype) if self.bias is None else array(self.bias)
        one = weight.ndim == 3
        padding = self.padding if isinstance(self.padding, str) or not one else self.padding[0]
        return (nir.Conv1d if one else nir.Conv2d)(
            input_shape=shape[-1] if one else tuple(shape[-2:]),
            weight=weight,
            stride=self.stride[0] if one else self.stride,
            padding=padding,
            dilation=self.dilation[0] if one else self.dilation,
            groups=self.groups,
            bias=bias,
        )

    def of_channels(self, channels: np.ndarray, count: int) -> Conv:
        """The part of it that a source of ``count`` channels brings: its channel at each of mine (-1: none)."""
        weight = self.weight.detach()
        per_group = weight.shape[0] // self.groups
        whole = weight.new_zeros(weight.shape[0], count, *weight.shape[2:])
        for group in range(self.groups):
            rows = slice(group * per_group, (group + 1) * per_group)
            for index in range(weight.shape[1]):
                at = int(channels[group * weight.shape[1] + index])
                if at >= 0:
                    whole[rows, at] += weight[rows, index]
        return replace(self, weight=whole, groups=1)


@dataclass(frozen=True, eq=False)
class Transposed(Op):
    """A transposed convolution of two dimensions; ``weight`` as torch has it."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def own(self) -> int | None:
        return 3

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        bias = None if self.bias is None else _double(self.bias)
        more = (self.output_padding, self.groups, self.dilation)
        run: Any = functional.conv_transpose2d
        result: torch.Tensor = run(x, _double(self.weight), bias, self.stride, self.padding, *more)
        return result

    def node(self, shape: Shape, array: Array) -> nir.NIRNode | None:
        """Where it is too large to be written out as a matrix, which other readers know; else None."""
        if len(shape) != 3:
            return None
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.weight.shape[2:], strict=True)]
        outputs = self.apply(torch.zeros(1, *shape, dtype=torch.float64)).numel()
        small = math.prod(shape) * outputs <= WRITTEN_OUT
        if small or any(pad > most for pad, most in zip(self.padding, reach, strict=True)):
            return None
        weight = array(self.weight)
        bias = np.zeros(weight.shape[1] * self.groups) if self.bias is None else array(self.bias)
        sizes = (np.array(v) for v in (self.stride, self.padding, self.output_padding, self.dilation))
        return ConvTranspose2d(weight, *sizes, self.groups, bias)


@dataclass(frozen=True, eq=False)
class Pool(Op):
    """A sum over windows times ``factor``, in one or two dimensions."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    factor: float = 1.0
    dilation: tuple[int, ...] = (1, 1)

    @property
    def own(self) -> int | None:
        return len(self.kernel) + 1

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(x.shape[1]).apply(x)

    def convolution(self, channels: int) -> Conv:
        weight = torch.full((channels, 1, *self.kernel), self.factor, dtype=torch.float64)
        return Conv(weight, None, self.stride, self.padding, self.dilation[: len(self.kernel)], channels)

    def node(self, shape: Shape, array: Array) -> nir.NIRNode | None:
        if len(shape) != self.own:
            return None
        mean = self.factor == 1 / math.prod(self.kernel)
        if len(shape) == 3 and max(self.dilation) == 1 and (mean or self.factor == 1):
            kind = nir.SumPool2d if self.factor == 1 else nir.AvgPool2d
            return kind(np.array(self.kernel), np.array(self.stride), np.array(self.padding))
        return self.convolution(shape[0]).node(shape, array)


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """The maximum over windows: of spikes the sign of their sum. Not linear."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...] = (1, 1)

    @property
    def own(self) -> int | None:
        return len(self.kernel) + 1

    def summing(self) -> Pool:
        return Pool(self.kernel, self.stride, self.padding, 1.0, self.dilation)


@dataclass(frozen=True, eq=False)
class Channelwise(Op):
    """``scale x + shift``, one value of each per channel (the first own dimension)."""

    scale: np.ndarray
    shift: np.ndarray
    leading: int = 1


@dataclass(frozen=True, eq=False)
class Times(Op):
    """A factor per signal, or one for all."""

    factor: np.ndarray


@dataclass(frozen=True, eq=False)
class Written(Op):
    """A linear call that NIR has no node for: it is written out."""

    name: str
    run: Callable[[torch.Tensor], torch.Tensor]
    dims: int | None

    @property
    def own(self) -> int | None:
        return self.dims

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return self.run(x)


@dataclass(frozen=True, eq=False)
class Rearranged(Op):
    """A layer that only moves what it takes (padding with zeros, upsampling to the nearest): seen by its numbers."""

    run: Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Same(Op):
    """Nothing is left of it at inference. ``positive``: only on what is not negative."""

    positive: bool = False


@dataclass(frozen=True, eq=False)
class Flat(Op):
    """nn.Flatten, a node of its own name. ``inner``: its dimensions do not count time (SpikingJelly's)."""

    start: int
    end: int
    ahead: int = 0


def sizes(value: Any, count: int) -> tuple[int, ...]:
    """One size or ``count`` of them, as a tuple."""
    given = tuple(int(v) for v in value) if isinstance(value, (tuple, list)) else (int(value),)
    return given * count if len(given) == 1 else given


def spatial(shape: Shape, dims: int, who: str) -> None:
    """Raise :class:`ExportError` where a sample has not its channels and ``dims`` dimensions more."""
    if len(shape) != dims + 1:
        raise ExportError(
            f"{who} is given samples of shape {shape}, which are no channels of {dims} dimension(s)",
            hint="give the example a batch dimension",
        )


def fits(who: str, kind: str, size: Shape, pool: Pool | MaxPool, ceil: bool) -> None:
    """Raise :class:`ExportError` where rounding the number of windows up makes more of them."""
    if not ceil:
        return
    for length, kernel, stride, padding in zip(size, pool.kernel, pool.stride, pool.padding, strict=True):
        if (length + 2 * padding - kernel) % stride:
            raise ExportError(
                f"{who}: NIR's {kind} has no ceil_mode, and windows of {kernel} every {stride} do not divide {length}",
                hint="pad the input in front of it, or leave ceil_mode out",
            )


def convolution_of(module: Any, who: str) -> Conv:
    """A torch convolution. Raises :class:`ExportError` on a padding that is none of zeros."""
    if module.padding_mode != "zeros":
        raise ExportError(
            f"{who}: it pads with {module.padding_mode!r}, NIR only with zeros",
            hint="train it with padding_mode='zeros'",
        )
    weight = module.get_weight() if hasattr(module, "get_weight") else module.weight
    return Conv(weight, module.bias, module.stride, module.padding, module.dilation, module.groups)


def normalization_of(module: Any) -> Channelwise:
    """A batch norm in eval mode, in float64."""
    mean, variance = module.running_mean.detach().double(), module.running_var.detach().double()
    scale = 1.0 / torch.sqrt(variance + module.eps)
    if module.weight is not None:
        scale = scale * module.weight.detach().double()
    shift = -mean * scale
    if module.bias is not None:
        shift = shift + module.bias.detach().double()
    return Channelwise(scale.cpu().numpy(), shift.cpu().numpy())


def transposed(module: Any) -> Op:
    """A transposed convolution; of one dimension written out."""
    if module.weight.ndim == 4:
        names = ("stride", "padding", "output_padding", "dilation")
        stride, padding, more, dilation = (sizes(getattr(module, name), 2) for name in names)
        return Transposed(module.weight, module.bias, stride, padding, more, dilation, module.groups)
    weight = _double(module.weight)
    bias = None if module.bias is None else _double(module.bias)
    options = (bias, module.stride, module.padding, module.output_padding, module.groups, module.dilation)
    return Written("transposed convolution", lambda x: functional.conv_transpose1d(x, weight, *options), 2)


def upsampled(shape: Shape, out: Shape) -> Transposed | None:
    """Upsampling to the nearest by whole factors, where a matrix would be large; else None."""
    if len(shape) != 3 or any(to % n for n, to in zip(shape[1:], out[1:], strict=True)):
        return None
    if math.prod(shape) * math.prod(out) <= WRITTEN_OUT:
        return None
    by = tuple(to // n for n, to in zip(shape[1:], out[1:], strict=True))
    ones = torch.ones(shape[0], 1, *by, dtype=torch.float64)
    return Transposed(ones, None, by, (0, 0), (0, 0), (1, 1), shape[0])


def adaptive_mean(size: Any, dims: int, who: str) -> Callable[[Shape], Op]:
    """Adaptive average pooling for an input of a shape: windows where they divide, else written out."""

    def of(shape: Shape) -> Op:
        spatial(shape, dims, who)
        wanted = tuple(n if w is None else w for n, w in zip(shape[1:], sizes_or_none(size, dims), strict=True))
        if all(n == 1 for n in shape[1:]):
            return Rearranged(lambda x: x.expand(*x.shape[:-dims], *wanted))
        if all(n % w == 0 for n, w in zip(shape[1:], wanted, strict=True)):
            kernel = tuple(n // w for n, w in zip(shape[1:], wanted, strict=True))
            return Pool(kernel, kernel, (0,) * dims, 1 / math.prod(kernel))
        run: Any = functional.adaptive_avg_pool1d if dims == 1 else functional.adaptive_avg_pool2d
        return Written("adaptive average", lambda x: run(x, wanted), dims + 1)

    return of


def adaptive_maximum(size: Any, dims: int, who: str) -> Callable[[Shape], Op]:
    """Adaptive maximum pooling, where its windows divide the input."""

    def of(shape: Shape) -> Op:
        spatial(shape, dims, who)
        wanted = tuple(n if w is None else w for n, w in zip(shape[1:], sizes_or_none(size, dims), strict=True))
        if any(n % w for n, w in zip(shape[1:], wanted, strict=True)):
            raise ExportError(
                f"{who}: {wanted} windows do not divide an input of {shape[1:]}",
                hint="choose an output size that does, or a MaxPool with a kernel",
            )
        kernel = tuple(n // w for n, w in zip(shape[1:], wanted, strict=True))
        return MaxPool(kernel, kernel, (0,) * dims)

    return of


def sizes_or_none(value: Any, count: int) -> tuple[int | None, ...]:
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return given * count if len(given) == 1 else given


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().double()


def _content(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    if isinstance(value, np.ndarray):
        return value.shape, hash(value.tobytes())
    return id(value) if callable(value) else value


def as_module(kind: type[nn.Module], **fields: Any) -> Any:
    """A module with these attributes and nothing made at random: what a functional call stands for."""
    module: Any = kind.__new__(kind)
    nn.Module.__init__(module)
    for name, value in fields.items():
        module.__dict__[name] = value
    return module
