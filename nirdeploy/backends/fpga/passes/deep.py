"""Fan-ins deeper than the weight memory: sums over some of the inputs in passes of their own, added up by the host.

Each part is a read-out that keeps nothing from step to step: its value is the sum of the weights that arrive in a step,
exactly. The host adds the parts and sends the total on as a number, bit plane by bit plane, so that the population
itself takes it with weights of one: all but the highest bit as they are, and the highest, the sign, with minus one.
Where a maximum over windows follows, the sums in front of it are sent, number and sign in one projection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.backends.fpga.passes.boxes import Box, Grid
from nirdeploy.backends.fpga.passes.ways import Way, whole_way
from nirdeploy.backends.fpga.passes.whole import Signal, Whole
from nirdeploy.integers.parts import IntegerPopulation, IntegerProjection
from nirdeploy.semantics.neuron import Rules
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise
from nirdeploy.targets.fit import Problem, refuse
from nirdeploy.targets.wiring import Form

#: Inputs of a way: its number among those into the population, the first input (or channel), and how many.
Piece = tuple[int, int, int]
#: Pieces that one part of a sum adds up.
Group = tuple[Piece, ...]

_ADDS = Rules(
    threshold=">",
    reset="none",
    reset_delay=False,
    reset_before=False,
    reset_guard=False,
    synapse_order="new",
    multi=False,
    max_spikes=0,
    spike_delay=False,
    bounded=False,
    starts_reset=False,
)


@dataclass(frozen=True)
class Deep:
    """How the inputs of a population become sums: of each, its groups. A sum in front of a maximum is of one way.

    ``beside``: the last group of a sum that is in front of none is no part of it: the population itself reads it.
    """

    population: str
    sums: tuple[tuple[Group, ...], ...]
    beside: bool = False


def deepened(whole: Whole, deep: Deep) -> tuple[Whole, list[str]]:
    """The network with these sums, and the populations that are their parts, which come before what they add up to.

    Raises:
        DoesNotFit: a part that no membrane of the target holds.
    """
    name, made = deep.population, list[str]()
    populations, ways = dict(whole.populations), dict(whole.ways)
    grids, signals, adds = dict(whole.grids), dict(whole.signals), dict(whole.adds)
    covered = {way for groups in deep.sums for group in groups for way, _, _ in group}
    firsts = [whole.ways[name][groups[0][0][0]].projection for groups in deep.sums]
    # A sum in front of a maximum gives its target a grid, in which what comes neuron by neuron stands, too.
    grids[name] = next((first.maximum.out_shape for first in firsts if first.maximum is not None), grids[name])
    left = [_regridded(way, grids[name]) for number, way in enumerate(whole.ways[name]) if number not in covered]
    for number, (first, groups) in enumerate(zip(firsts, deep.sums, strict=True)):
        if deep.beside and first.maximum is None and len(groups) > 1:
            left += [_piece(whole.ways[name][way], start, count, name) for way, start, count in groups[-1]]
            groups = groups[:-1]
        total, size = f"{name}.sum{number}", 0
        grid = grids[name] if first.maximum is None else first.maximum.shape
        for at, group in enumerate(groups):
            part = f"{total}.part{at}"
            own = [_piece(whole.ways[name][way], start, count, part) for way, start, count in group]
            populations[part] = _adding(part, grid, whole.populations[name])
            ways[part], grids[part], adds[part] = own, grid, total
            most = most_of(whole, own)
            refuse(_beyond(name, most, whole.network.formats.state_max), whole.network.target)
            size += most
            made.append(part)
        bits = max(size.bit_length() + 1, 2)  # with a sign, and one beside it
        forms = (Form.LOW, Form.SIGN) if first.maximum is None else (Form.BOTH,)
        for form in forms:
            held = {Form.LOW: bits - 1, Form.SIGN: 1, Form.BOTH: bits}[form]
            signals[f"{total}.{form}"] = Signal((total,), held, (1 << held) - 1, form, bits)
            left.append(_number(first, total, form, bits, grid))
    ways[name] = left
    return replace(whole, populations=populations, ways=ways, grids=grids, signals=signals, adds=adds), made


def _regridded(way: Way, grid: Grid) -> Way:
    """The way to a population that now stands in ``grid``."""
    return whole_way(way.projection, grid) if isinstance(way.projection.operator, Elementwise) else way


def _beyond(name: str, most: int, top: int) -> list[Problem]:
    if most <= top:
        return []
    found = f"a part of the inputs of {name!r} adds up to {most:,}, which is to be read out"
    return [Problem(name, found, f"membranes hold {top:,} at most", "use a smaller layer, or fewer --bits")]


def most_of(whole: Whole, ways: Sequence[Way]) -> int:
    """The largest sum (of either sign) that these ways can bring to any neuron, in weight units."""
    reached = []
    for way in ways:
        p = way.projection
        sent = np.full(math.prod(way.box.shape), float(whole.signals[p.source].largest))
        reached.append(p.operator.reach(sent if p.pool is None else p.pool.apply(sent)) * 2.0**p.shift)
    return int(np.sum(reached, axis=0).max())


def _piece(way: Way, first: int, count: int, part: str) -> Way:
    """A way from ``count`` of its inputs (or channels) only, without a maximum."""
    p = way.projection
    unit = p.unit if p.maximum is None else p.maximum.in_front(p.unit)
    p = replace(p, target=part, unit=unit, maximum=None)
    if isinstance(p.operator, Elementwise):
        return replace(way, projection=p)
    box = Box((way.box.first[0] + first, *way.box.first[1:]), (count, *way.box.shape[1:]))
    if p.pool is not None:
        p = replace(p, pool=replace(p.pool, shape=(count, *p.pool.shape[1:])))
    if isinstance(p.operator, Convolution):
        weight = _ungrouped(p.operator)[:, first : first + count]
        operator = replace(p.operator, weight=weight, shape=(count, *p.operator.shape[1:]), groups=1)
        return replace(way, projection=replace(p, operator=operator), box=box)
    weight = p.operator.weight.reshape(len(p.operator.weight), way.box.shape[0], -1)[:, first : first + count]
    return replace(way, projection=replace(p, operator=Dense(weight.reshape(len(weight), -1))), box=box)


def _ungrouped(operator: Convolution) -> np.ndarray:
    """The kernels over all channels of the input, zeros where they are of another group."""
    if operator.groups == 1:
        return operator.weight
    out, into = operator.weight.shape[0] // operator.groups, operator.weight.shape[1]
    wide = np.zeros((operator.weight.shape[0], operator.shape[0], *operator.weight.shape[2:]), operator.weight.dtype)
    for channel, kernel in enumerate(operator.weight):
        wide[channel, channel // out * into :][:into] = kernel
    return wide


def _adding(name: str, grid: Grid, of: IntegerPopulation) -> IntegerPopulation:
    """A read-out whose value is what arrives in a step, in weight units."""
    none = np.zeros(math.prod(grid), dtype=np.int64)
    return IntegerPopulation(
        name=name,
        model="Output",
        shape=grid,
        rules=_ADDS,
        threshold=none,
        scale=np.ones(none.size),
        weight_bits=of.weight_bits,
        shift=0,
        decay=none,
        bias=none,
        synapse_decay=none,
        synapse_bias=none,
        reset_value=none,
        spike_size=none,
        initial=none,
    )


def _number(p: IntegerProjection, total: str, form: Form, bits: int, grid: Grid) -> Way:
    """The sum in one of its forms, on its way to the population."""
    sign = -1 if form is Form.SIGN else 1
    seen = grid
    if form is Form.BOTH:
        channels, height, width = grid
        seen = (2 * channels, height, width)
        kernel = np.tile(np.array([1, -1], dtype=np.int32), channels).reshape(channels, 2, 1, 1)
        operator: Convolution | Elementwise = Convolution(kernel, seen, groups=channels)
    elif len(grid) == 3:
        ones = np.full((grid[0], 1, 1, 1), sign, dtype=np.int32)
        operator = Convolution(ones, (grid[0], grid[1], grid[2]), groups=grid[0])
    else:
        operator = Elementwise(np.full(grid[0], sign, dtype=np.int32))
    shift = bits - 1 if form is Form.SIGN else 0
    made = replace(p, source=f"{total}.{form}", operator=operator, pool=None, delay=0, shift=shift)
    return Way(made, seen, Box.whole(seen), (made.source,))
