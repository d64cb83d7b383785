"""passages: whether what a file says of a passage between two populations is one that can be gone.

Compiled loops go by the sizes of operators and look at nothing again: what is read of a file is held to them here.
"""

from __future__ import annotations

import math

from nirdeploy.records.entries import MOST, odd, shape, whole
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum, Operator, Pair, Passage, Windows

MOST_WEIGHTS = (1 << 30) - 1  # of an operator: what indices of 32 bits reach where rows of four are made of each
#: Of a position and a tap, of each channel and of all: a simulator has tables of them.
_MOST_PAIRS, _MOST_IN_ALL = 1 << 28, 1 << 33


def check(passage: Passage, source: int, target: int) -> None:
    """Whether a passage takes signals of a size to those of another, by sizes and steps that there are.

    Raises ValueError that says what does not fit.
    """
    size, operator = source, passage.operator
    if passage.pool is not None:
        size = _fits("the pool", passage.pool.shape, size)
        size = math.prod(_windows(passage.pool, "the pool"))
    reached = _operator(operator)
    if operator.inputs != size:
        raise ValueError(f"its operator takes {operator.inputs:,} values, {size:,} come")
    if isinstance(operator, Convolution) and passage.pool is not None and passage.pool.shape[0] != operator.shape[0]:
        raise ValueError(f"its pool has {passage.pool.shape[0]:,} channels, its operator {operator.shape[0]:,}")
    if passage.maximum is not None:
        _fits("the maximum", passage.maximum.shape, reached)
        reached = math.prod(_windows(passage.maximum, "the maximum"))
    if reached != target:
        raise ValueError(f"it brings {reached:,} values, its target has {target:,}")


def _fits(what: str, taken: object, size: int) -> int:
    if math.prod(_image(taken, what)) != size:
        raise ValueError(f"{what} takes values of the shape {taken}, {size:,} come")
    return size


def _operator(operator: Operator) -> int:
    """How many values leave it."""
    weight = operator.weight
    dimensions = {Dense: 2, Elementwise: 1, Convolution: 4}[type(operator)]
    if weight.ndim != dimensions or not 0 < weight.size <= MOST_WEIGHTS:
        raise ValueError(f"its weights are of the shape {weight.shape}, expected one of {dimensions} dimensions")
    if not isinstance(operator, Convolution):
        return operator.outputs
    channels, groups = _image(operator.shape, "the convolution")[0], whole(operator.groups, "the number of groups", 1)
    if channels % groups or weight.shape[0] % groups or weight.shape[1] * groups != channels:
        raise ValueError(f"its weights are of the shape {weight.shape}, for {channels:,} channels in {groups:,} groups")
    space = _space(
        operator.shape,
        _pair(weight.shape[2:], "the kernel", 1),
        _pair(operator.stride, "the stride", 1),
        operator.padding,
        dilation=_pair(operator.dilation, "the dilation", 1),
        spread=_pair(operator.spread, "the spread", 1),
        groups=groups,
    )
    return int(weight.shape[0]) * math.prod(space)


def _windows(windows: Windows, what: str) -> tuple[int, int, int]:
    """The shape of what leaves them."""
    kernel, stride = (
        _pair(windows.kernel, f"the kernel of {what}", 1),
        _pair(windows.stride, f"the stride of {what}", 1),
    )
    channels = windows.shape[0]
    space = _space(windows.shape, kernel, stride, windows.padding, groups=channels)
    if isinstance(windows, Maximum):
        for size, sides in zip(kernel, windows.padding, strict=True):
            if max(sides) >= size:
                raise ValueError(f"{what} has windows of {size} that see nothing but a padding of {max(sides)}")
    return channels, *space


def _space(
    image: tuple[int, int, int],
    kernel: Pair,
    stride: Pair,
    padding: object,
    *,
    dilation: Pair = (1, 1),
    spread: Pair = (1, 1),
    groups: int = 1,
) -> Pair:
    """Rows and columns of what leaves windows."""
    if not isinstance(padding, tuple) or len(padding) != 2:
        raise odd(padding, "the padding", "two pairs of numbers")
    around = [_pair(sides, "the padding", 0) for sides in padding]
    wide = [(size - 1) * apart + 1 + sum(pad) for size, apart, pad in zip(image[1:], spread, around, strict=True)]
    reach = [step * (size - 1) + 1 for size, step in zip(kernel, dilation, strict=True)]
    if image[0] * math.prod(wide) > MOST:
        raise ValueError(f"with what is put around and between them, {image[0]:,} x {wide} values are too many")
    if any(own > size for own, size in zip(reach, wide, strict=True)):
        raise ValueError(f"a kernel that reaches over {reach} values does not fit into {wide}")
    pairs = math.prod(image[1:]) * math.prod(kernel)
    if pairs > _MOST_PAIRS or groups * pairs > _MOST_IN_ALL:
        raise ValueError(f"kernels of {list(kernel)} over {list(image)} values are more than is simulated")
    rows, columns = ((size - own) // step + 1 for size, own, step in zip(wide, reach, stride, strict=True))
    return rows, columns


def _image(given: object, what: str) -> tuple[int, int, int]:
    """Channels, height and width."""
    found = shape(given, f"the shape of {what}")
    if len(found) != 3:
        raise odd(given, f"the shape of {what}", "channels, height and width")
    return found[0], found[1], found[2]


def _pair(given: object, what: str, least: int) -> Pair:
    if not isinstance(given, tuple) or len(given) != 2:
        raise odd(given, what, "two numbers")
    return whole(given[0], what, least), whole(given[1], what, least)
