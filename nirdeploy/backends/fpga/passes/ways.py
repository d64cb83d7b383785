"""Ways: what a box of a population sees of a source by one projection, and the projection from there to the box.

Where a box does not reach from end to end of a map, the padding of a convolution is part of what is sent (zeros), so
that boxes at the border of the map and in its middle are the same network. Behind a pool it stays padding: what the
pool would see there need not be 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.backends.fpga import windows
from nirdeploy.backends.fpga.layout import source_grid
from nirdeploy.backends.fpga.passes.boxes import Box, Grid
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Maximum, Pair, Windows


@dataclass(frozen=True, eq=False)
class Way:
    """A projection from ``box`` of its source, seen in ``grid``; its own shapes are those of the box.

    ``sources``: whose spikes it brings, added up where they are several, which the projection's source stands for.
    """

    projection: IntegerProjection
    grid: Grid
    box: Box
    sources: tuple[str, ...]

    def parts(self) -> list[IntegerProjection]:
        """Projections of the sources one by one."""
        return [replace(self.projection, source=source) for source in self.sources]


@dataclass(frozen=True)
class _Along:
    """One axis of what is seen: ``first`` and ``size`` in the source, ``pooled`` values behind the pool; padding of the
    convolution, of the pool and of the maximum; ``made`` values in front of the maximum."""

    first: int
    size: int
    pooled: int
    padding: Pair
    pool_padding: Pair
    made: int
    most_padding: Pair


def trimmed(p: IntegerProjection) -> IntegerProjection:
    """Without the rows and columns at the edges of kernels that see nothing but padding, wherever they are."""
    operator = p.operator
    if not isinstance(operator, Convolution):
        return p
    kept, padding = [], []
    for axis in (0, 1):
        along, unused = _unused(operator, axis)
        kept.append(slice(along, operator.weight.shape[2 + axis] - unused))
        before, after = operator.padding[axis]
        padding.append((before - along * operator.dilation[axis], after - unused * operator.dilation[axis]))
    weight = operator.weight[:, :, kept[0], kept[1]]
    return replace(p, operator=replace(operator, weight=weight, padding=(padding[0], padding[1])))


def _unused(operator: Convolution, axis: int) -> tuple[int, int]:
    """How many values of a kernel, from its first and from its last on, no output sees the map with."""
    outputs = np.arange(operator.out_shape[1 + axis]) * operator.stride[axis]
    kernel = operator.weight.shape[2 + axis]
    at = outputs[:, None] + np.arange(kernel) * operator.dilation[axis] - operator.padding[axis][0]
    used = np.flatnonzero(((at >= 0) & (at < operator.shape[1 + axis])).any(axis=0))
    if not used.size:
        return 0, 0
    before, after = (pad // operator.dilation[axis] for pad in operator.padding[axis])
    return min(int(used[0]), before), min(kernel - 1 - int(used[-1]), after)


def whole_way(p: IntegerProjection, target: Grid) -> Way:
    """From all of the source, to a population that stands in that grid."""
    seen = source_grid(p)
    grid = target if isinstance(p.operator, Elementwise) else (p.inputs,) if seen is None else seen
    return Way(p, grid, Box.whole(grid), (p.source,))


def narrowed(way: Way, grid: Grid, box: Box) -> Way:
    """The way to a box of the target, which stands in that grid."""
    p, kept = way.projection, box.indices(grid)
    unit = p.unit[kept]
    if isinstance(p.operator, Elementwise):
        made = replace(p, operator=Elementwise(p.operator.weight[kept]), unit=unit)
        return replace(way, projection=made, box=box.within(way.box))
    if isinstance(p.operator, Convolution):
        seen, made = _convolved(p, p.operator, box)
        return replace(way, projection=replace(made, unit=unit), box=seen.within(way.box))
    if p.maximum is None:
        return replace(way, projection=replace(p, operator=Dense(p.operator.weight[kept]), unit=unit))
    rows = np.stack(list(windows.seen(p.maximum, kept)), axis=1)
    window = (1, rows.shape[1])
    maximum = Maximum((len(kept), *window), window, window)
    return replace(
        way, projection=replace(p, operator=Dense(p.operator.weight[rows.ravel()]), maximum=maximum, unit=unit)
    )


def extent(way: Way, box: Box) -> tuple[int, ...]:
    """The shape of what a box of the target sees of the source."""
    operator = way.projection.operator
    if isinstance(operator, Elementwise):
        return box.shape
    if isinstance(operator, Convolution):
        first, last = _channels_seen(operator, box)
        return (last - first, *(along.size for along in _axes(way.projection, operator, box)))
    return way.box.shape


def _convolved(p: IntegerProjection, operator: Convolution, box: Box) -> tuple[Box, IntegerProjection]:
    """What is seen of the source, and the projection from there."""
    first, last = _channels_seen(operator, box)
    rows, columns = _axes(p, operator, box)
    weight, groups = _kernels(operator, box)
    seen = Box((first, rows.first, columns.first), (last - first, rows.size, columns.size))
    convolution = replace(
        operator,
        weight=weight,
        shape=(last - first, rows.pooled, columns.pooled),
        padding=(rows.padding, columns.padding),
        groups=groups,
    )
    pool, maximum = p.pool, p.maximum
    if pool is not None:
        shape = (last - first, rows.size, columns.size)
        pool = replace(pool, shape=shape, padding=(rows.pool_padding, columns.pool_padding))
    if maximum is not None:
        shape = box.shape[0], rows.made, columns.made
        maximum = replace(maximum, shape=shape, padding=(rows.most_padding, columns.most_padding))
    return seen, replace(p, operator=convolution, pool=pool, maximum=maximum)


def _channels_seen(operator: Convolution, box: Box) -> tuple[int, int]:
    """First and last channel (not included) of the source that the box's channels read."""
    out, into = operator.weight.shape[0] // operator.groups, operator.weight.shape[1]
    return box.first[0] // out * into, ((box.first[0] + box.shape[0] - 1) // out + 1) * into


def _kernels(operator: Convolution, box: Box) -> tuple[np.ndarray, int]:
    """The kernels of the box's channels, and in how many groups they are."""
    first, count = box.first[0], box.shape[0]
    weight = operator.weight[first : first + count]
    out, into = operator.weight.shape[0] // operator.groups, operator.weight.shape[1]
    groups = (first + count - 1) // out - first // out + 1
    if groups == 1 or (first % out == 0 and count % out == 0):
        return weight, groups
    wide = np.zeros((count, groups * into, *weight.shape[2:]), dtype=weight.dtype)  # parts of groups: written out
    for own in range(count):
        at = ((first + own) // out - first // out) * into
        wide[own, at : at + into] = weight[own]
    return wide, 1


def _axes(p: IntegerProjection, operator: Convolution, box: Box) -> tuple[_Along, _Along]:
    found = [_along(p, operator, axis, box.first[1 + axis], box.shape[1 + axis]) for axis in (0, 1)]
    return found[0], found[1]


def _along(p: IntegerProjection, operator: Convolution, axis: int, first: int, count: int) -> _Along:
    made, most_padding = operator.out_shape[1 + axis], (0, 0)
    if p.maximum is not None:
        first, count, most_padding = _clipped(p.maximum, axis, first, count)
    pooled, padding = operator.shape[1 + axis], operator.padding[axis]
    stride, dilation, kernel = operator.stride[axis], operator.dilation[axis], operator.weight.shape[2 + axis]
    whole = count == made
    start, stop = first * stride - padding[0], (first + count - 1) * stride - padding[0] + dilation * (kernel - 1) + 1
    if whole:
        start, stop = 0, pooled
    elif p.pool is None:
        padding = (0, 0)
    else:
        padding = (max(-start, 0), max(stop - pooled, 0))
        start, stop = max(start, 0), min(stop, pooled)
    if p.pool is None:
        return _Along(start, stop - start, stop - start, padding, (0, 0), count, most_padding)
    if start >= stop:  # padding is all it sees: one value of the pool, of zeros beyond the map
        window = p.pool.kernel[axis]
        seen = (count - 1) * stride + dilation * (kernel - 1) + 1
        return _Along(-window, window, 1, (seen - 1, 0), (0, 0), count, most_padding)
    if (start, stop) == (0, pooled):
        size = p.pool.shape[1 + axis]
        return _Along(0, size, pooled, padding, p.pool.padding[axis], count, most_padding)
    before, apart = p.pool.padding[axis][0], p.pool.stride[axis]
    size = (stop - start - 1) * apart + p.pool.kernel[axis]
    return _Along(start * apart - before, size, stop - start, padding, (0, 0), count, most_padding)


def _clipped(windowed: Windows, axis: int, first: int, count: int) -> tuple[int, int, Pair]:
    """The values in windows ``first`` and on, as far as there are any, and the padding that is left around them."""
    inputs, outputs = windowed.shape[1 + axis], windowed.out_shape[1 + axis]
    if count == outputs:
        return 0, inputs, windowed.padding[axis]
    start = first * windowed.stride[axis] - windowed.padding[axis][0]
    stop = start + (count - 1) * windowed.stride[axis] + windowed.kernel[axis]
    padding = (max(-start, 0), max(stop - inputs, 0))
    return max(start, 0), min(stop, inputs) - max(start, 0), padding
