"""Passes as a placement, which is kept, and back; and whether a placement's passes are what they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nirdeploy.backends.fpga.passes.boxes import Box, Grid
from nirdeploy.backends.fpga.passes.cut import Boxes, Pass, Passes
from nirdeploy.backends.fpga.passes.deep import Deep, deepened
from nirdeploy.backends.fpga.passes.subnetwork import subnetwork, walked
from nirdeploy.backends.fpga.passes.whole import Whole
from nirdeploy.backends.fpga.placement import in_order
from nirdeploy.backends.fpga.plan import planned
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.errors import InternalError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.placement import CoreUse, Placement, validate
from nirdeploy.targets.wiring import joined


def placement_of(passes: Passes, network: IntegerNetwork, target: FpgaTarget) -> Placement:
    """The placement of a network in passes. Each says which boxes of which populations it holds, tile by tile."""
    placed = tuple(
        Placement(
            one.placement.network,
            target.name,
            one.placement.slices,
            one.placement.cores,
            layout={"boxes": {name: _listed(name, one) for name in one.tiles[0]}},
        )
        for one in passes.passes
    )
    deep = {one.population: one.sums for one in passes.deep}
    beside = [one.population for one in passes.deep if one.beside]
    cores = tuple(_fullest([one.cores[at] for one in placed]) for at in range(target.hardware.cores))
    return Placement(
        network.digest(), target.name, (), cores, layout={"sums": _lists(deep), "beside": beside}, passes=placed
    )


def passes_of(placement: Placement, network: IntegerNetwork, target: FpgaTarget) -> Passes:
    """The inverse of :func:`placement_of`."""
    whole = Whole.of(network, target)
    beside = placement.layout["beside"]
    deep = tuple(Deep(name, _tuples(sums), name in beside) for name, sums in placement.layout["sums"].items())
    for one in deep:
        whole, _ = deepened(whole, one)
    _check_boxes(placement.passes, whole.grids)
    return Passes(tuple(_pass_of(one, whole, target) for one in placement.passes), deep)


def check(placement: Placement, network: IntegerNetwork, target: FpgaTarget) -> None:
    """Whether each pass is rightly placed, reads what was there before it, and all neurons are in one pass each.

    Raises:
        InternalError: says which is not.
    """
    validate(placement, network)
    whole = Whole.of(network, target)
    passes = passes_of(placement, network, target)
    for deep in passes.deep:
        whole, _ = deepened(whole, deep)
    times = {name: np.zeros(grid, dtype=np.int64) for name, grid in whole.grids.items() if name in whole.populations}
    there = {name for name, _ in network.inputs}
    for one in passes.passes:
        seen = {subnetwork(whole, boxes).network.digest() for boxes in one.tiles}
        if len(seen) > 1:
            raise InternalError(f"the tiles of the pass of {', '.join(one.tiles[0])} are not all alike")
        for boxes in one.tiles:
            for name, box in boxes.items():
                times[name][tuple(slice(a, a + n) for a, n in zip(box.first, box.shape, strict=True))] += 1
        if missing := {signal for taken in one.wiring.takes for signal in taken.signals} - there:
            raise InternalError(f"{', '.join(sorted(missing))} is read before it is there")
        done = {name for name in one.tiles[0] if (times[name] == 1).all()}
        there |= done - set(whole.adds) | {
            total
            for total in {whole.adds[name] for name in done & set(whole.adds)}
            if all((times[part] == 1).all() for part, to in whole.adds.items() if to == total)
        }
    if odd := sorted(name for name, count in times.items() if (count != 1).any()):
        raise InternalError(f"neurons of {', '.join(odd)} are in no pass, or in several")


def _listed(name: str, one: Pass) -> dict[str, Any]:
    """The boxes of a population, as JSON holds them."""
    return {
        "shape": list(one.tiles[0][name].shape),
        "firsts": [list(boxes[name].first) for boxes in one.tiles],
    }


def _pass_of(placed: Placement, whole: Whole, target: FpgaTarget) -> Pass:
    tiles = _tiles(placed)
    made = [subnetwork(whole, boxes) for boxes in tiles]
    network = walked(made[0].network, whole.spatial)
    wiring = joined([one.wiring for one in made])
    bare = Placement(placed.network, placed.target, placed.slices, placed.cores)
    in_order(bare, network, target)
    return Pass(tiles, network, wiring, bare, planned(network, target, placed.slices))


def _check_boxes(passes: Sequence[Placement], grids: Mapping[str, Grid]) -> None:
    """A pass is of some tiles, and every box within its population's grid, before anything is made of it. Raises
    :class:`InternalError`."""
    for placed in passes:
        boxes = placed.layout["boxes"]
        tiles = {len(own["firsts"]) for own in boxes.values()}
        if len(tiles) != 1 or 0 in tiles:
            raise InternalError("a pass is of no tiles, or does not say where each is")
        for name, own in boxes.items():
            for first in own["firsts"]:
                sides = zip(grids[name], first, own["shape"], strict=True)
                if not all(at >= 0 < size and at + size <= most for most, at, size in sides):
                    raise InternalError(f"a pass of {name!r} is beyond its neurons")


def _tiles(placed: Placement) -> tuple[Boxes, ...]:
    """The boxes of each tile, in the order of the pass's network, which its slices have: JSON keeps none."""
    order, boxes = dict.fromkeys(part.population for part in placed.slices), placed.layout["boxes"]
    if order.keys() != boxes.keys():
        raise InternalError("a pass does not say where it holds which populations")
    count = len(next(iter(boxes.values()))["firsts"])
    return tuple(
        {name: Box(tuple(boxes[name]["firsts"][tile]), tuple(boxes[name]["shape"])) for name in order}
        for tile in range(count)
    )


def _fullest(cores: list[CoreUse]) -> CoreUse:
    used = {name: max(core.used[name] for core in cores) for name in cores[0].used}
    return CoreUse(cores[0].core, used, cores[0].limits)


def _lists(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
