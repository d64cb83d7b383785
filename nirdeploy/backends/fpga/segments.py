"""Segments: the runs of bits that a row of neurons reads, and the weight rows behind them.

A segment is what ``segment_place.v`` reads: a run of bits in a line of a source, that moves from one row of neurons
to the next as the convolution's stride says, and is cut off at the line's ends. All segments of a row follow each
other; each has one weight row per bit, for all lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.backends.fpga import windows
from nirdeploy.backends.fpga.layout import Block, Layout
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Passage

MOST_BITS = 65535  # of a segment, and of a line
_LONGEST = MOST_BITS // 32 * 32


@dataclass(frozen=True)
class Segment:
    """Of one row, the one in the first column of its line.

    ``part``: which slice of the source; ``at``: where the line that it runs in starts, in bits from the slice's start;
    ``row``: first weight row, counted from the start of its kind; ``moves``: the weights are the row's own; ``absent``:
    at how many columns at the line's start and end it is left out.
    """

    part: int
    at: int
    row: int
    bits: int
    first: int
    line_bits: int
    column_step: int
    moves: bool
    absent: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Part:
    """A piece of a source's bitmap: lines of a block that stand together."""

    block: Block
    first_line: int
    lines: int


@dataclass(frozen=True)
class _Axis:
    """Height or width of a kernel behind a pool: how outputs see inputs."""

    inputs: int
    pooled: int
    kernel: int
    stride: int
    dilation: int
    padding: int
    window: int
    window_stride: int
    window_padding: int

    def seen(self, output: int) -> Iterator[tuple[int, int]]:
        """(kernel index, input index) of everything within the input."""
        for k in range(self.kernel):
            at = output * self.stride + k * self.dilation - self.padding
            if 0 <= at < self.pooled:
                for t in range(self.window):
                    inside = at * self.window_stride + t - self.window_padding
                    if 0 <= inside < self.inputs:
                        yield k, inside


def axes(passage: Passage) -> tuple[_Axis, _Axis]:
    """Height and width of a convolution, or of a matrix behind a pool (its kernel is then the whole map)."""
    operator, pool = passage.operator, passage.pool
    shape = pool.as_convolution().out_shape if pool else operator.shape  # type: ignore[union-attr]
    found = []
    for axis in (0, 1):
        if isinstance(operator, Convolution):
            kernel = (
                *(operator.weight.shape[2 + axis], operator.stride[axis], operator.dilation[axis]),
                operator.padding[axis][0],
            )
        else:
            kernel = (shape[1 + axis], 1, 1, 0)
        window = (pool.kernel[axis], pool.stride[axis], pool.padding[axis][0]) if pool else (1, 1, 0)
        inputs = (pool.shape if pool else shape)[1 + axis]
        found.append(_Axis(inputs, shape[1 + axis], *kernel, *window))
    return found[0], found[1]


def expressible(passage: Passage) -> bool:
    """Whether segments can say what a projection between grids sees; else it is written out as a matrix."""
    operator, pool = passage.operator, passage.pool
    if passage.maximum is not None and not (isinstance(operator, Convolution) and windows.known(passage.maximum)):
        return pool is None and isinstance(operator, Dense)
    if isinstance(operator, Elementwise):
        return pool is None
    if pool is None and isinstance(operator, Dense):
        return True
    # Windows that overlap may look over the edge of the map with a foot still in the image.
    overlap = pool is not None and pool.kernel[1] > pool.stride[1]
    return not (overlap and isinstance(operator, Convolution) and any(operator.padding[1]))


class Reading:
    """One projection as a block of its target reads it.

    Args:
        passage: dense, elementwise or convolution, perhaps behind a pool; dense or convolution in front of a maximum.
        source: how the source stands; ``parts``: its pieces, in device order.
        target, block: how the target stands, and the block of it that reads.
    """

    def __init__(self, passage: Passage, source: Layout, parts: tuple[Part, ...], target: Layout, block: Block) -> None:
        self._passage, self._source, self._parts = passage, source, parts
        self._target, self._block = target, block
        self._kind = _kind(passage)

    @property
    def windowed(self) -> bool:
        """Whether it ends in a maximum over windows."""
        return self._passage.maximum is not None

    def segments(self, line: int) -> list[list[Segment]]:
        """Of the rows of one line of the block, for each position of its windows (where there is no maximum, for the
        only one); rows are counted from 0, in the shared or the moving weights."""
        maximum = self._passage.maximum
        if self._kind == "dense":
            each, rows = self._dense(), self._dense_rows()
            return [[replace(s, row=s.row + nth * rows) for s in each] for nth in range(self._positions())]
        if maximum is None:
            return [self._rows(line) if self._kind == "rows" else self._grid(line)]
        height, width = windows.axes(maximum)
        return [
            self._grid(at, beside - width.padding, width.stride, width.absent(beside))
            or [Segment(0, 0, 0, 0, 0, 0, 0, False, width.absent(beside))]
            for at in height.within(line)
            for beside in windows.across(width)
        ]

    def _positions(self) -> int:
        """Of a window."""
        maximum = self._passage.maximum
        return 1 if maximum is None else maximum.kernel[0] * maximum.kernel[1]

    def _dense_rows(self) -> int:
        return sum(part.lines * part.block.line_bits for part in self._parts)

    @property
    def moving(self) -> int:
        """Weight rows that each row of neurons has of its own."""
        if self._kind == "dense":
            return self._positions() * self._dense_rows()
        if self._kind == "rows":
            return self._block.width
        return 0 if isinstance(self._passage.operator, Convolution) else self._kernel_rows()

    @property
    def shared(self) -> int:
        """Weight rows that all rows of neurons have in common."""
        return self._kernel_rows() if isinstance(self._passage.operator, Convolution) else 0

    def shared_weights(self) -> np.ndarray:
        """(shared, width of a row) of a convolution."""
        operator = self._passage.operator
        kernel = np.zeros((self._block.width, *self._source_grid()[:1], *operator.weight.shape[2:]), dtype=np.int64)
        channels = self._target.channels(self._block)
        assert isinstance(operator, Convolution)
        group_in, group_out = self._source_grid()[0] // operator.groups, operator.weight.shape[0] // operator.groups
        for own, channel in enumerate(range(channels.start, channels.stop)):
            first = channel // group_out * group_in
            kernel[own, first : first + group_in] = operator.weight[channel]
        return self._kernel(kernel)

    def moving_weights(self, neurons: np.ndarray) -> np.ndarray:
        """(moving, neurons) of one row of neurons, given by their flat indices."""
        weight = self._passage.operator.weight
        if self._kind == "rows":
            rows = np.zeros((self._block.width, len(neurons)), dtype=np.int64)
            rows[range(len(neurons)), range(len(neurons))] = weight.ravel()[neurons]
            return rows
        if self._kind == "grid":
            shape = (len(neurons), *axes_shape(self._passage))
            return self._kernel(weight[neurons].astype(np.int64).reshape(shape))
        maximum = self._passage.maximum
        rows = np.zeros((self._positions(), self._dense_rows(), len(neurons)), dtype=np.int64)
        for of_position, seen in zip(
            rows, [neurons] if maximum is None else windows.seen(maximum, neurons), strict=True
        ):
            of_position[self._bit_positions()] = weight[np.ix_(seen, self._source.order())].T
        return rows.reshape(self.moving, len(neurons))

    def _bit_positions(self) -> np.ndarray:
        """The bit of every neuron of the source, in device order, all parts one behind the other."""
        positions, start = [], 0
        for part in self._parts:
            block = part.block
            neurons = min(part.lines * block.line_neurons, block.count - part.first_line * block.line_neurons)
            index = np.arange(neurons)
            positions.append(start + index // block.width * block.pitch + index % block.width)
            start += part.lines * block.line_bits
        return np.concatenate(positions)

    def _dense(self) -> list[Segment]:
        found, row = [], 0
        for number, part in enumerate(self._parts):
            bits = part.lines * part.block.line_bits
            for start in range(0, bits, _LONGEST):
                length = min(bits - start, _LONGEST)
                found.append(Segment(number, start, row + start, length, 0, length, 0, True))
            row += bits
        return found

    def _rows(self, line: int) -> list[Segment]:
        """Row for row: the target stands as the source does."""
        own, bit = self._block, 0
        if self._source.grid is None:
            for number, part in enumerate(self._parts):
                inside = line * own.pitch - bit
                if 0 <= inside < part.lines * part.block.line_bits:
                    return [Segment(number, inside, 0, own.width, 0, own.width, 0, True)]
                bit += part.lines * part.block.line_bits
        channels = self._target.channels(own)
        for number, part in enumerate(self._parts):
            first = channels.start - self._source.channels(part.block).start
            if 0 <= first < part.block.width and 0 <= (inside := line - part.first_line) < part.lines:
                bits, pitch = part.block.line_bits, part.block.pitch
                return [Segment(number, inside * bits, 0, own.width, first, bits, pitch, True)]
        raise ValueError("the source does not stand as its target does")

    def _source_grid(self) -> tuple[int, int, int]:
        return self._source.grid or (1, 1, self._source.size)

    def _seen(self) -> list[Block]:
        """The blocks of the source with a channel that the block reads."""
        operator = self._passage.operator
        if not isinstance(operator, Convolution):
            return list(self._source.blocks)
        group_in, group_out = self._source_grid()[0] // operator.groups, operator.weight.shape[0] // operator.groups
        own = self._target.channels(self._block)
        first, end = own.start // group_out * group_in, ((own.stop - 1) // group_out + 1) * group_in
        channels = [(block, self._source.channels(block)) for block in self._source.blocks]
        return [block for block, there in channels if there.start < end and first < there.stop]

    def _kernel_rows(self) -> int:
        height, width = axes(self._passage)
        return sum(height.kernel * width.kernel * width.window * block.pitch for block in self._seen())

    def _kernel(self, kernel: np.ndarray) -> np.ndarray:
        """(neurons, channels in, height, width) to weight rows: source block, line, column, window, channel."""
        height, width = axes(self._passage)
        rows = []
        for block in self._seen():
            of_block = kernel[:, self._source.channels(block)]
            wide = np.zeros((len(kernel), height.kernel, width.kernel, width.window, block.pitch), dtype=np.int64)
            wide[..., : block.width] = of_block.transpose(0, 2, 3, 1)[:, :, :, None, :]
            rows.append(wide.reshape(len(kernel), -1).T)
        return np.concatenate(rows)

    def _grid(self, line: int, column: int = 0, step: int = 1, absent: tuple[int, int] = (0, 0)) -> list[Segment]:
        """What the operator's outputs of one line see: those at ``column``, and ``step`` more for each row."""
        height, width = axes(self._passage)
        moves = not isinstance(self._passage.operator, Convolution)
        found, row = [], 0
        for block in self._seen():
            parts = [(number, part) for number, part in enumerate(self._parts) if part.block.first == block.first]
            per_line = width.kernel * width.window * block.pitch
            for k, inside in height.seen(0 if moves else line):
                number, part = next(p for p in parts if p[1].first_line <= inside < p[1].first_line + p[1].lines)
                for along in _along(width, block, row + k * per_line, column, step):
                    at = (inside - part.first_line) * block.line_bits
                    found.append(replace(along, part=number, at=at, moves=moves, absent=absent))
            row += height.kernel * per_line
        return found


def _along(width: _Axis, block: Block, row: int, column: int, outputs: int) -> list[Segment]:
    """The runs of one line of the source: one if the windows of neighbouring kernel columns touch."""
    pitch = block.pitch
    edge, seen = width.inputs, column * width.stride - width.padding
    if width.window <= width.window_stride:
        edge = min(edge, (width.pooled - 1) * width.window_stride - width.window_padding + width.window)
    step = outputs * width.stride * width.window_stride * pitch
    runs = [(0, width.kernel)] if width.dilation * width.window_stride == width.window else [
        (k, 1) for k in range(width.kernel)
    ]  # fmt: skip
    return [
        Segment(
            part=0,
            at=0,
            row=row + k * width.window * pitch,
            bits=count * width.window * pitch,
            first=((seen + k * width.dilation) * width.window_stride - width.window_padding) * pitch,
            line_bits=edge * pitch,
            column_step=step,
            moves=False,
        )
        for k, count in runs
    ]


def axes_shape(passage: Passage) -> tuple[int, int, int]:
    """(channels, height, width) of what a matrix behind a pool sees."""
    if passage.pool is None:
        raise ValueError("no pool")
    return passage.pool.as_convolution().out_shape


def _kind(passage: Passage) -> str:
    if isinstance(passage.operator, Convolution) or passage.pool is not None:
        return "grid"
    return "rows" if isinstance(passage.operator, Elementwise) else "dense"
