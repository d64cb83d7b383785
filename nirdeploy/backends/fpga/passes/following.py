"""Populations that are computed in the pass of the one they follow, box by box.

Where each neuron of a map is in one window of the follower (a spiking pool, or one neuron for another), a box of the
follower sees one box of the map, and these boxes fill it. Then the map need not be sent back to the device; nor to the
host, unless someone else reads it or it is probed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from nirdeploy.backends.fpga.layout import WORD
from nirdeploy.backends.fpga.passes.boxes import Box, Grid
from nirdeploy.backends.fpga.passes.room import Shape, boxes_of, room, shapes
from nirdeploy.backends.fpga.passes.ways import Way, narrowed
from nirdeploy.backends.fpga.passes.whole import Whole
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.semantics.operators import Convolution, Elementwise


def follows(whole: Whole, after: str, name: str) -> bool:
    """Whether each neuron of ``name`` is seen by ``after`` in one window."""
    ways = _ways(whole, after, name)
    return bool(ways) and all(_apart(way, whole.grids[name], whole.grids[after]) for way in ways)


def with_seen(whole: Whole, after: str, name: str, box: Box) -> dict[str, Box]:
    """A box of the follower, behind the box of ``name`` that it sees."""
    return {name: narrowed(_ways(whole, after, name)[0], whole.grids[after], box).box, after: box}


def shapes_together(whole: Whole, after: str, name: str, target: FpgaTarget) -> Iterator[tuple[int, ...]]:
    """The shapes of boxes of the follower for which both may have room in a pass, and less has to be sent than if they
    were apart; those first for which it is least."""
    alone = [shapes(whole, one, target)[:1] for one in (name, after)]
    if not all(alone):
        return
    apart, found = sum(least.sent for (least,) in alone), []
    for count, shape in boxes_of(whole.grids[after], target):
        boxes = with_seen(whole, after, name, Box.middle(whole.grids[after], shape))
        before, behind = (room(whole, one, box, target) for one, box in boxes.items())
        size, times = math.prod(boxes[name].shape), whole.signals[name].bits * len(_ways(whole, after, name))
        sent = count * (before.taken + behind.taken - times * size + size + math.prod(shape))
        words = before.words + behind.words - times * math.ceil(size / WORD)
        if before.fits(target) and behind.fits(target) and words <= target.hardware.spike_words and sent < apart:
            found.append(Shape(sent, count, shape))
    yield from (one.shape for one in sorted(found))


def _ways(whole: Whole, after: str, name: str) -> list[Way]:
    """From the one to the other, by itself where what several bring is added up."""
    ways = [way for way in whole.ways[after] if name in way.sources]
    return [replace(way, projection=replace(way.projection, source=name), sources=(name,)) for way in ways]


def _apart(way: Way, source: Grid, target: Grid) -> bool:
    """Whether windows, of a pool, of kernels or of both, lie side by side, channel by channel, and fill the map."""
    p, operator = way.projection, way.projection.operator
    if p.delay or p.maximum is not None or way.grid != source or len(target) != len(source):
        return False
    if isinstance(operator, Elementwise):
        return p.pool is None and source == target
    if not isinstance(operator, Convolution) or operator.weight.shape[:2] != (operator.groups, 1):
        return False
    steps = [operator.weight.shape[2:], *([] if p.pool is None else [p.pool.kernel])]
    strides = [tuple(operator.stride), *([] if p.pool is None else [tuple(p.pool.stride)])]
    padding = [*operator.padding, *(() if p.pool is None else p.pool.padding)]
    filled = tuple(size * math.prod(along) for size, along in zip(target[1:], zip(*steps, strict=True), strict=True))
    side_by_side = strides == [tuple(step) for step in steps] and tuple(operator.dilation) == (1, 1)
    return side_by_side and not any(map(any, padding)) and (target[0], *filled) == source
