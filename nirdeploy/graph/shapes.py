"""shapes: the rules by which a node's shape follows from what arrives, and what a node asks for by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from nirdeploy.errors import GraphError

Shape = tuple[int, ...]

_MOST = 1 << 26  # values that a node may make of fewer: a file of a few bytes can ask for more than any memory holds


class Rule:
    """How a kind of node treats shapes."""

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        """What leaves where ``shape`` arrives from ``before``. Raises :class:`GraphError` if it does not fit."""
        raise NotImplementedError

    def wants(self, node: Any, offered: Shape | None) -> Shape | None:
        """The shape that the node's own parameters ask for, given the one it is offered; None: they do not say."""
        return None

    def alone(self, node: Any) -> Shape | None:
        """What leaves whatever arrives; None where that depends."""
        return None


class Declared(Rule):
    """An Input or Output: what arrives, or where nothing does, what it declares."""

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        return shape

    def wants(self, node: Any, offered: Shape | None) -> Shape | None:
        return declared_shape(node) if isinstance(node, nir.Output) else None

    def alone(self, node: Any) -> Shape | None:
        return declared_shape(node)


class Dense(Rule):
    """A matrix (outputs, inputs)."""

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        weight = np.shape(node.weight)
        if len(weight) != 2:
            raise GraphError(f"node {name!r}: weight has shape {weight}, expected (outputs, inputs)")
        if not math.prod(weight):
            raise GraphError(f"node {name!r}: weight is empty, its shape is {weight}")
        if shape != weight[1:]:
            raise GraphError(
                f"node {name!r} takes {weight[1]} inputs, {before!r} gives shape {shape}", hint=_remedy(weight, shape)
            )
        return (int(weight[0]),)

    def wants(self, node: Any, offered: Shape | None) -> Shape | None:
        return (int(np.shape(node.weight)[1]),) if np.ndim(node.weight) == 2 else None

    def alone(self, node: Any) -> Shape | None:
        return (int(np.shape(node.weight)[0]),) if np.ndim(node.weight) == 2 else None


def _remedy(weight: Shape, shape: Shape) -> str:
    if len(shape) > 1 and math.prod(shape) == weight[1]:
        return "insert a Flatten"
    if shape == weight[:1]:
        return "the weight is transposed: NIR's are (outputs, inputs); export it so"
    return "correct the layer's size; a Flatten mends it only where it gives as many values as the layer takes"


@dataclass(frozen=True)
class Convolution(Rule):
    """``spatial``: of its dimensions; one more in front is the channels."""

    spatial: int

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        kind, weight = f"node {name!r} ({type(node).__name__})", np.shape(node.weight)
        if len(weight) != self.spatial + 2 or not math.prod(weight):
            raise GraphError(
                f"{kind}: weight has shape {weight}, expected (channels out, channels in / groups, "
                f"{'kernel' if self.spatial == 1 else 'kernel height, kernel width'})"
            )
        groups = whole(node.groups, "groups", name, 1)[0]
        if len(shape) != self.spatial + 1:
            raise GraphError(
                f"{kind} takes {self.spatial + 1} dimensions (channels first), {before!r} gives shape {shape}"
            )
        if shape[0] != weight[1] * groups or weight[0] % groups:
            raise GraphError(
                f"{kind}: {weight[0]} kernels of {weight[1]} channels in {groups} group(s) do not fit the "
                f"{shape[0]} channels that {before!r} gives",
            )
        stride, padding, dilation = geometry(node, name)
        size = _windows(shape[1:], weight[2:], stride, padding, dilation)
        if min(size) < 1:
            raise GraphError(f"{kind}: the kernel is larger than its padded input of shape {shape}")
        return (int(weight[0]), *size)

    def wants(self, node: Any, offered: Shape | None) -> Shape | None:
        groups = whole_numbers(node.groups)
        if np.ndim(node.weight) != self.spatial + 2 or groups is None:
            return None
        channels = int(np.shape(node.weight)[1]) * groups[0]
        size = whole_numbers(node.input_shape) if node.input_shape is not None else (offered or ())[-self.spatial :]
        if size is None or len(size) != self.spatial:
            return None
        return (channels, *size)


class Transposed(Rule):
    """A transposed convolution over (channels, height, width)."""

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        kind, weight = f"node {name!r} ({type(node).__name__})", np.shape(node.weight)
        if len(weight) != 4 or not math.prod(weight):
            raise GraphError(
                f"{kind}: weight has shape {weight}, expected (channels in, channels out / groups, kernel height, "
                "kernel width)"
            )
        if len(shape) != 3:
            raise GraphError(f"{kind} takes (channels, height, width), {before!r} gives shape {shape}")
        groups = whole(node.groups, "groups", name, 1)[0]
        if shape[0] != weight[0] or weight[0] % groups:
            raise GraphError(
                f"{kind}: {weight[0]} channels in {groups} group(s) do not fit the {shape[0]} that {before!r} gives"
            )
        stride, padding, dilation = transposed(node, name)
        size = tuple(
            (n - 1) * by + sum(pad) - step * (k - 1) + 1
            for n, by, pad, step, k in zip(shape[1:], stride, padding, dilation, weight[2:], strict=True)
        )
        if min(size) < 1:
            raise GraphError(f"{kind}: nothing is left of its input of shape {shape}", hint="use a smaller padding")
        made = (int(weight[1]) * groups, *size)
        if math.prod(made) > _MOST:
            raise GraphError(f"{kind}: it would give {math.prod(made):,} values, at most {_MOST:,} are held")
        return made


class Pooling(Rule):
    """Windows over (channels, height, width)."""

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        if len(shape) != 3:
            raise GraphError(
                f"node {name!r} ({type(node).__name__}) takes (channels, height, width), {before!r} gives shape {shape}"
            )
        kernel, stride, padding = pooling(node, name)
        size = _windows(shape[1:], kernel, stride, [(pad, pad) for pad in padding], [1, 1])
        if min(size) < 1:
            raise GraphError(f"node {name!r}: the window {kernel} is larger than its input of shape {shape}")
        return (shape[0], *size)


class Flatten(Rule):
    """Neighbouring dimensions joined."""

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        first, last = dimensions(node, shape)
        start, end = (dim + len(shape) if dim < 0 else dim for dim in (first, last))
        if len(shape) == 1 and start in (0, 1) and end == 0:  # flat already
            return shape
        if not 0 <= start <= end < len(shape):
            raise GraphError(f"node {name!r} flattens dimensions {node.start_dim} to {node.end_dim} of shape {shape}")
        return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])

    def wants(self, node: Any, offered: Shape | None) -> Shape | None:
        return declared_shape(node)


@dataclass(frozen=True)
class Unchanged(Rule):
    """A node that changes no shape; ``parameters`` have one value, or one per neuron (see :func:`per_neuron`)."""

    parameters: tuple[str, ...]

    def gives(self, node: Any, shape: Shape, name: str, before: str) -> Shape:
        return shape

    def wants(self, node: Any, offered: Shape | None) -> Shape | None:
        shape = self._largest(node)
        # One value may stand for any number of neurons.
        return shape if math.prod(shape) > 1 or (shape and (offered is None or math.prod(offered) == 1)) else None

    def alone(self, node: Any) -> Shape | None:
        shape = self._largest(node)
        return shape if math.prod(shape) > 1 else None

    def _largest(self, node: Any) -> Shape:
        return max((np.shape(getattr(node, key)) for key in self.parameters), key=math.prod, default=())


# --- what nodes declare ----------------------------------------------------------------


def is_missing(node: nir.NIRNode) -> bool:
    return _value(node) is None


def _value(node: nir.NIRNode) -> Any:
    return node.output_type.get("output") if isinstance(node, nir.Output) else node.input_type.get("input")


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


def batched(declared: Shape, shape: Shape) -> bool:
    """Whether ``declared`` is ``shape`` behind a batch and a time of one."""
    return leads(declared, shape) and math.prod(declared) == math.prod(shape)


def unfilled(node: nir.NIRNode) -> int:
    """How many dimensions a shape of zeros declares (exporters leave such where they did not know it); else 0."""
    value = np.asarray(_value(node))
    return value.size if value.dtype.kind in "iuf" and value.ndim == 1 and value.size and not value.any() else 0


def dimensions(node: nir.Flatten, shape: Shape) -> tuple[int, int]:
    """The first and last dimension that a Flatten joins, counted in the shape that arrives."""
    declared = declared_shape(node)
    lead = max(unfilled(node) - len(shape), 0)
    if declared is not None and batched(declared, shape):
        lead = len(declared) - len(shape)
    start, end = (dim if dim < 0 else max(dim - lead, 0) for dim in (node.start_dim, node.end_dim))
    return start, end


# --- what windows and parameters take ---------------------------------------------------


def geometry(node: Any, name: str) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """A convolution's stride, padding (before and after) and dilation, along each dimension."""
    kernel = np.shape(node.weight)[2:]
    stride = whole(node.stride, "stride", name, len(kernel))
    dilation = whole(node.dilation, "dilation", name, len(kernel))
    return stride, _padding(node.padding, kernel, stride, dilation, name), dilation


def transposed(node: Any, name: str) -> tuple[list[int], list[tuple[int, int]], list[int]]:
    """A transposed convolution's stride and dilation, and the zeros around the input that it is a convolution of."""
    kernel = np.shape(node.weight)[2:]
    stride, dilation = (whole(getattr(node, key), key, name, 2) for key in ("stride", "dilation"))
    taken = whole(node.padding, "padding", name, 2, least=0)
    more = whole(node.output_padding, "output_padding", name, 2, least=0)
    around = [
        (reach - pad, reach - pad + extra)
        for reach, pad, extra in zip(
            (step * (size - 1) for step, size in zip(dilation, kernel, strict=True)), taken, more, strict=True
        )
    ]
    if min(min(pair) for pair in around) < 0:
        raise GraphError(
            f"node {name!r}: padding {taken} takes more away than a kernel of {kernel} reaches",
            hint="use a smaller padding",
        )
    return stride, around, dilation


def _padding(value: Any, kernel: Shape, stride: list[int], dilation: list[int], name: str) -> list[tuple[int, int]]:
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


def pooling(node: Any, name: str) -> tuple[list[int], list[int], list[int]]:
    """A pooling's kernel, stride and padding (height, width)."""
    kernel = whole(node.kernel_size, "kernel_size", name, 2)
    stride = whole(node.stride, "stride", name, 2)
    padding = whole(node.padding, "padding", name, 2, least=0)
    if any(2 * pad > size for pad, size in zip(padding, kernel, strict=True)):
        raise GraphError(f"node {name!r}: padding {padding} is more than half the kernel {kernel}")
    return kernel, stride, padding


def _windows(size: Shape, kernel: Any, stride: list[int], padding: list[tuple[int, int]], dilation: list[int]) -> Shape:
    """How many windows fit, along each dimension."""
    return tuple(
        (n + sum(pad) - step * (k - 1) - 1) // by + 1
        for n, pad, step, k, by in zip(size, padding, dilation, kernel, stride, strict=True)
    )


def whole(value: Any, key: str, name: str, count: int, least: int = 1) -> list[int]:
    """``count`` whole numbers of at least ``least``, from one number or as many. Raises :class:`GraphError`."""
    array = np.atleast_1d(finite(value, key, name)).ravel()
    if array.size not in (1, count) or (array < least).any() or (array % 1 != 0).any() or (array > 1 << 20).any():
        text = " ".join(f"{array.tolist()}".split())[:60]
        raise GraphError(f"node {name!r}: {key} is {text}, expected {count} whole number(s) from {least} on")
    return [int(item) for item in np.broadcast_to(array, count)]


def per_neuron(value: Any, key: str, name: str, shape: Shape) -> np.ndarray:
    """A parameter as float64 of ``shape``, from one value or one per neuron. Raises :class:`GraphError`."""
    array = finite(value, key, name)
    fitted = _fitted(array.shape, shape)
    if fitted is None:
        raise GraphError(
            f"node {name!r}: {key} has shape {array.shape}, its input has shape {shape}",
            hint="give one value, or one per neuron",
        )
    return np.broadcast_to(array.reshape(fitted), shape).copy()


def _fitted(parameter: Shape, shape: Shape) -> Shape | None:
    """How a parameter is reshaped before it is broadcast over neurons of ``shape``; None if it does not fit."""
    if math.prod(parameter) == 1:
        return ()
    extra = len(parameter) - len(shape)
    trimmed = parameter[extra:] if extra > 0 and all(size == 1 for size in parameter[:extra]) else parameter
    if math.prod(parameter) == math.prod(shape) and (trimmed == shape or len(parameter) == 1):
        return shape
    if len(trimmed) == len(shape) and all(a in (1, b) for a, b in zip(trimmed, shape, strict=True)):
        return trimmed
    return None


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
