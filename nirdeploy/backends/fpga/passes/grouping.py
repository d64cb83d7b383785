"""Which inputs of a population with too deep a fan-in are added up together, in passes before its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from nirdeploy.backends.fpga.layout import WORD, target_grid
from nirdeploy.backends.fpga.passes.boxes import Box
from nirdeploy.backends.fpga.passes.deep import Deep, Group, Piece
from nirdeploy.backends.fpga.passes.room import rows_of
from nirdeploy.backends.fpga.passes.ways import Way, extent
from nirdeploy.backends.fpga.passes.whole import Whole
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.semantics.operators import Convolution, Elementwise
from nirdeploy.targets.fit import Problem, refuse

_SMALLER = "make the layer in front of it smaller, or take a target with larger memories"
_SUM_BITS = 2  # more than the accumulator has: a static bound may take one, the sign another


@dataclass(frozen=True)
class _Load:
    """What a row of neurons takes of one way: weight rows and bits of bitmaps; and what it takes in front of a maximum,
    where there is one."""

    number: int
    way: Way
    rows: int
    bits: int
    rows_before: int
    bits_before: int

    def unit(self) -> tuple[int, int, int]:
        """Inputs of the smallest piece (channels, where there are), its rows and its bits."""
        inputs, operator = self.way.box.shape[0], self.way.projection.operator
        if isinstance(operator, Elementwise):
            return inputs, self.rows_before, self.bits_before
        seen = operator.weight.shape[1] if isinstance(operator, Convolution) else inputs
        size = 1 if isinstance(operator, Convolution) or self.way.projection.pool is not None else min(WORD, inputs)
        return size, math.ceil(self.rows_before * size / seen), math.ceil(self.bits_before * size / seen)


def grouped(whole: Whole, name: str, target: FpgaTarget) -> Deep | None:
    """The sums that leave a single row of the population room in a pass, or None where it has room without them.

    The ways that take most become sums, until the others and the sums find room; those without a maximum are one sum.
    """
    loads, width = _loads(whole, name, target), min(whole.grids[name][0], target.hardware.lanes)
    left = _together(loads)
    left.sort(key=lambda own: -sum(load.rows for load in own))
    limits = _limits(whole, name, target)
    bits = width * (target.formats.accumulator_bits + _SUM_BITS)
    sums: list[list[_Load]] = []
    while left and (
        sum(load.rows for own in left for load in own) + sum(_rows_of_sum(whole, own, width) for own in sums)
        > limits[0]
        or sum(load.bits for own in left for load in own) + bits * len(sums) > limits[1]
    ):
        sums.append(left.pop(0))
    return _deep(whole, name, sums, target)


def _rows_of_sum(whole: Whole, own: Sequence[_Load], width: int) -> int:
    """Weight rows that a row of neurons takes of a sum: of each, number and sign."""
    maximum = own[0].way.projection.maximum
    if whole.spatial or maximum is None:
        return 2 * (width if whole.spatial else math.ceil(width / WORD) * WORD)
    positions = math.prod(maximum.kernel)
    return positions * math.ceil(2 * width * positions / WORD) * WORD


def _deep(whole: Whole, name: str, sums: Sequence[Sequence[_Load]], target: FpgaTarget) -> Deep | None:
    """Raises :class:`DoesNotFit` where the target has no numbers that a sum could be sent as, where what cannot be made
    smaller is too large, and for sums in front of maxima in whose windows the population cannot stand."""
    if not sums:
        return None
    limits = _limits(whole, name, target)
    refuse(_without_planes(name, limits, target), target.name)
    refuse(_beyond_pieces(name, [load for own in sums for load in own], limits), target.name)
    refuse(_beyond_shapes(whole, name, sums), target.name)
    return Deep(name, tuple(tuple(_groups(own, limits)) for own in sums))


def _without_planes(name: str, limits: tuple[int, int], target: FpgaTarget) -> Iterator[Problem]:
    if target.hardware.bit_planes == 1:
        found = f"{name!r} reads more than the {min(limits):,} values that a pass holds, and sums of passes are numbers"
        remedy = f"{_SMALLER} (weight_rows and spike_words), or with planes = 2 or more"
        yield Problem(name, found, "the target takes spikes only (planes = 1)", remedy)


def _beyond_pieces(name: str, loads: Sequence[_Load], limits: tuple[int, int]) -> Iterator[Problem]:
    """Pieces that cannot be made smaller: kernels over a single channel."""
    for load in loads:
        _, *needs = load.unit()
        for need, held, what in zip(needs, limits, ("weight rows", "bits of bitmaps"), strict=True):
            if need > held:
                memory = "weight_rows" if what == "weight rows" else "spike_words"
                found = f"a neuron of {name!r} takes {need:,} {what} for one channel of {load.way.projection.source!r}"
                remedy = f"use a smaller kernel or pooling window there, or take a target of larger {memory}"
                yield Problem(name, found, f"a pass holds {held:,}", remedy)


def _beyond_shapes(whole: Whole, name: str, sums: Sequence[Sequence[_Load]]) -> Iterator[Problem]:
    """Maxima of sums give the population their shape, in which all else has to reach it, too."""
    maxima = [load.way.projection.maximum for (load, *_) in sums]
    shapes = [grid for way in whole.ways[name] if (grid := target_grid(way.projection))]
    shapes = list(dict.fromkeys([*(maximum.out_shape for maximum in maxima if maximum is not None), *shapes]))
    if any(maxima) and len(shapes) > 1:
        found = f"{name!r} takes a maximum over sums of more inputs than one pass holds, and its inputs give it "
        remedy = f"let them give it one shape, or {_SMALLER}"
        yield Problem(name, f"{found}the shapes {', '.join(map(str, shapes))}", remedy=remedy)


def from_outside(whole: Whole, name: str, unit: Sequence[str], target: FpgaTarget) -> Deep | None:
    """Sums of all that a population reads of others than those of the unit; None where there is nothing."""
    loads = [load for load in _loads(whole, name, target) if not set(load.way.sources) & set(unit)]
    return _deep(whole, name, _together(loads), target)


def _limits(whole: Whole, name: str, target: FpgaTarget) -> tuple[int, int]:
    """Weight rows and bits of bitmaps that there are for what a row of neurons reads."""
    planes = whole.signals[name].bits if whole.populations[name].spiking else 0
    begun = sum(whole.signals[way.projection.source].bits for way in whole.ways[name])  # words: one of each plane
    together = whole.together(name, target)
    held = together * target.hardware.weight_rows - (together - 1)  # shared and own rows both end within a place
    return held, WORD * (target.hardware.spike_words - planes - begun)


def _together(loads: list[_Load]) -> list[list[_Load]]:
    """What can be one sum: all without a maximum, and each with one by itself."""
    plain = [load for load in loads if load.way.projection.maximum is None]
    return [own for own in (plain, *([load] for load in loads if load not in plain)) if own]


def _loads(whole: Whole, name: str, target: FpgaTarget) -> list[_Load]:
    width, *others = grid = whole.grids[name]
    smallest = Box.middle(grid, (min(width, target.hardware.lanes), *(1 for _ in others)))
    found = []
    for number, way in enumerate(whole.ways[name]):
        taken = list[int]()
        for own in (way, replace(way, projection=replace(way.projection, maximum=None))):
            seen = extent(own, smallest)
            taken.append(rows_of(own, seen, smallest.shape[0], whole.spatial))
            taken.append(math.prod(seen) * whole.signals[way.projection.source].bits)
        found.append(_Load(number, way, *taken))
    return found


def _groups(loads: Iterable[_Load], limits: tuple[int, int]) -> list[Group]:
    """The ways cut into pieces, as many to a group as find room (one at least)."""
    groups: list[Group] = []
    now: list[Piece] = []
    rows, bits = limits
    for load in loads:
        inputs, (size, *each) = load.way.box.shape[0], load.unit()
        at = 0
        while at < inputs:
            count = min(rows // max(each[0], 1), bits // max(each[1], 1), math.ceil((inputs - at) / size))
            if count < 1 and now:
                groups.append(tuple(now))
                now, (rows, bits) = [], limits
                continue
            count = max(count, 1)
            now.append((load.number, at, min(count * size, inputs - at)))
            at, rows, bits = at + count * size, rows - count * each[0], bits - count * each[1]
    return [*groups, tuple(now)] if now else groups
