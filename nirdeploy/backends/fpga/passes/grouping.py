"""Which inputs of a population with too deep a fan-in are added up together, in passes before its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nirdeploy.backends.fpga.layout import WORD
from nirdeploy.backends.fpga.passes.boxes import Box
from nirdeploy.backends.fpga.passes.deep import Deep, Group, Piece
from nirdeploy.backends.fpga.passes.room import rows_of
from nirdeploy.backends.fpga.passes.ways import Way, extent
from nirdeploy.backends.fpga.passes.whole import Whole
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise
from nirdeploy.targets.fit import Problem, refuse

_SMALLER = "make the layer in front of it smaller, or take a target with larger memories"
_SUM_BITS = 2  # more than the accumulator has: a static bound may take one, the sign another


@dataclass(frozen=True)
class _Load:
    """What a row of neurons takes of one way: weight rows and bits of bitmaps."""

    number: int
    way: Way
    rows: int
    bits: int

    def unit(self) -> tuple[int, int, int]:
        """Inputs of the smallest piece (channels, where there are), its rows and its bits."""
        inputs, operator = self.way.box.shape[0], self.way.projection.operator
        if isinstance(operator, Elementwise):
            return inputs, self.rows, self.bits
        seen = operator.weight.shape[1] if isinstance(operator, Convolution) else inputs
        size = 1 if isinstance(operator, Convolution) or self.way.projection.pool is not None else min(WORD, inputs)
        return size, math.ceil(self.rows * size / seen), math.ceil(self.bits * size / seen)


def grouped(whole: Whole, name: str, target: FpgaTarget) -> Deep | None:
    """The sums that leave a single row of the population room in a pass, or None where it has room without them.

    The ways that take most become sums, until the others and the sums find room; those without a maximum are one sum.
    """
    loads, width = _loads(whole, name, target), min(whole.grids[name][0], target.hardware.lanes)
    left = _together(loads)
    left.sort(key=lambda own: -sum(load.rows for load in own))
    limits = _limits(whole, name, target)
    of_sum = 2 * width, width * (target.formats.accumulator_bits + _SUM_BITS)
    sums: list[list[_Load]] = []
    while left and (
        sum(load.rows for own in left for load in own) + of_sum[0] * len(sums) > limits[0]
        or sum(load.bits for own in left for load in own) + of_sum[1] * len(sums) > limits[1]
    ):
        sums.append(left.pop(0))
    return _deep(whole, name, sums, target)


def _deep(whole: Whole, name: str, sums: Sequence[Sequence[_Load]], target: FpgaTarget) -> Deep | None:
    """Raises :class:`DoesNotFit` for a sum in front of a maximum in whose windows the population cannot stand."""
    hardware = target.hardware
    if sums and hardware.bit_planes == 1:
        found = f"the inputs of {name!r} are more than one pass can hold"
        refuse([Problem(name, found, "sums of several take bit planes, and there are none", _SMALLER)], target.name)
    grids = {whole.grids[name], *(p.maximum.out_shape for (load, *_) in sums if (p := load.way.projection).maximum)}
    in_row = len(whole.grids[name]) == 1
    others = any(not isinstance(way.projection.operator, Dense) for way in whole.ways[name])
    if len(grids) > (2 if in_row and not others and hardware.spatial else 1):
        found = f"{name!r} takes a maximum over sums of more inputs than one pass can hold"
        refuse([Problem(name, found, remedy=_SMALLER)], target.name)
    limits = _limits(whole, name, target)
    return Deep(name, tuple(tuple(_groups(own, limits)) for own in sums)) if sums else None


def from_outside(whole: Whole, name: str, unit: Sequence[str], target: FpgaTarget) -> Deep | None:
    """Sums of all that a population reads of others than those of the unit; None where there is nothing."""
    loads = [load for load in _loads(whole, name, target) if load.way.projection.source not in unit]
    return _deep(whole, name, _together(loads), target)


def _limits(whole: Whole, name: str, target: FpgaTarget) -> tuple[int, int]:
    """Weight rows and bits of bitmaps that there are for what a row of neurons reads."""
    planes = whole.signals[name].bits if whole.populations[name].spiking else 0
    begun = sum(whole.signals[way.projection.source].bits for way in whole.ways[name])  # words: one of each plane
    return target.hardware.weight_rows, WORD * (target.hardware.spike_words - planes - begun)


def _together(loads: list[_Load]) -> list[list[_Load]]:
    """What can be one sum: all without a maximum, and each with one by itself."""
    plain = [load for load in loads if load.way.projection.maximum is None]
    return [own for own in (plain, *([load] for load in loads if load not in plain)) if own]


def _loads(whole: Whole, name: str, target: FpgaTarget) -> list[_Load]:
    width, *others = whole.grids[name]
    smallest = Box((0,) * (1 + len(others)), (min(width, target.hardware.lanes), *(1 for _ in others)))
    found = []
    for number, way in enumerate(whole.ways[name]):
        seen = extent(way, smallest)
        rows = rows_of(way, seen[0], smallest.shape[0])
        found.append(_Load(number, way, rows, math.prod(seen) * whole.signals[way.projection.source].bits))
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
