"""What a box of a population takes of a pass, at least: quick to tell, so that few boxes have to be placed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from nirdeploy.backends.fpga import rows
from nirdeploy.backends.fpga.layout import WORD
from nirdeploy.backends.fpga.passes.boxes import Box, Grid
from nirdeploy.backends.fpga.passes.ways import Way, extent
from nirdeploy.backends.fpga.passes.whole import Whole
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.segments import axes, expressible
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise


@dataclass(frozen=True)
class Room:
    """``words`` of bitmaps, ``values`` read out, ``lines`` of ``neurons`` each, weight rows that a line takes
    (``moving``) and those that a core with any of it does (``shared``), of which ``together`` stand in the place of
    one. ``taken``: bits that are sent."""

    words: int
    values: int
    lines: int
    neurons: int
    moving: int
    shared: int
    together: int
    taken: int

    def fits(self, target: FpgaTarget) -> bool:
        """Whether a pass may have room; where it says no, there is none for weights of so many bits."""
        hardware = target.hardware
        lines = self.together * (hardware.weight_rows - rows.places(self.shared, self.together))
        lines = lines // self.moving if self.moving else hardware.neurons if lines >= 0 else 0
        lines = min(lines, hardware.neurons // self.neurons) * hardware.cores
        return (
            self.words <= hardware.spike_words
            and self.values <= hardware.out_words - hardware.spike_words
            and self.lines <= lines
        )


def room(whole: Whole, name: str, box: Box, target: FpgaTarget) -> Room:
    """Of one box of a population that reads nothing of the same pass."""
    hardware, population = target.hardware, whole.populations[name]
    shape = box.shape if whole.spatial else (math.prod(box.shape),)
    channels, columns, lines = _stand(shape, hardware.lanes)
    slots = math.ceil(channels / hardware.update) * hardware.update
    blocks = lines if len(shape) == 1 else lines * math.ceil(shape[0] / hardware.lanes)
    own = blocks * math.ceil(columns * slots / WORD) if population.spiking else 0
    taken = moving = shared = 0
    words = own * (whole.signals[name].bits if population.spiking else 1)
    for way in whole.ways[name]:
        seen = extent(way, box)
        bits, signal = math.prod(seen), whole.signals[way.projection.source]
        taken += signal.bits * bits
        words += signal.bits * math.ceil(bits / WORD)
        taking = rows_of(way, seen, channels, whole.spatial)
        if isinstance(way.projection.operator, Convolution) and is_walked(way, whole.spatial):
            shared += taking
        else:
            moving += taking * columns
    values = 0 if population.spiking else math.prod(box.shape)
    together = whole.together(name, target)
    return Room(words, values, blocks, columns * slots, moving, shared, together, taken)


def is_walked(way: Way, spatial: bool) -> bool:
    """Whether cores walk it as it is; else it is written out as a matrix."""
    p = way.projection
    return (isinstance(p.operator, Dense) and p.pool is None) or (spatial and expressible(p))


def rows_of(way: Way, seen: Sequence[int], width: int, spatial: bool) -> int:
    """Weight rows that a row of ``width`` neurons takes of what it sees of a way, in that shape."""
    p = way.projection
    if is_walked(way, spatial):
        if isinstance(p.operator, Elementwise):
            return width
        if isinstance(p.operator, Convolution) or p.pool is not None:
            height, across = axes(p)
            return seen[0] * height.kernel * across.kernel * across.window
    positions = 1 if p.maximum is None else math.prod(p.maximum.kernel)
    return positions * math.ceil(math.prod(seen) / WORD) * WORD


def _stand(shape: Grid, lanes: int) -> tuple[int, int, int]:
    """Neurons of a row, rows of a line, and lines (of one block of channels)."""
    if len(shape) == 1:
        return min(shape[0], lanes), 1, math.ceil(shape[0] / lanes)
    return math.ceil(shape[0] / math.ceil(shape[0] / lanes)), shape[2], shape[1]


@dataclass(frozen=True, order=True)
class Shape:
    """Of boxes, of which there are ``count``: bits ``sent``, there and back, for all of them; one for each neuron."""

    sent: int
    count: int
    shape: tuple[int, ...]


def shapes(whole: Whole, name: str, target: FpgaTarget) -> list[Shape]:
    """The shapes of boxes that a population may be cut into, those first for which least has to be sent."""
    found = []
    for count, shape in boxes_of(whole.grids[name], target):
        needs = room(whole, name, Box.middle(whole.grids[name], shape), target)
        if needs.fits(target):
            found.append(Shape(count * (needs.taken + math.prod(shape)), count, shape))
    return sorted(found)


def boxes_of(grid: Grid, target: FpgaTarget) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Into how many boxes of which shape a grid may be cut."""
    units = (target.hardware.lanes, *(1 for _ in grid[1:]))
    for shape in product(*(_sizes(size, unit) for size, unit in zip(grid, units, strict=True))):
        yield math.prod(math.ceil(size / part) for size, part in zip(grid, shape, strict=True)), shape


def _sizes(size: int, unit: int) -> Sequence[int]:
    """Into how large pieces an axis can be cut: in whole units, or less than one, the largest first."""
    units = math.ceil(size / unit)
    sizes = {min(math.ceil(units / pieces) * unit, size) for pieces in range(1, units + 1)}
    part = min(unit, size)
    while part > 1:
        part = math.ceil(part / 2)
        sizes.add(part)
    return sorted(sizes, reverse=True)
