"""cut: a network in passes, each placed on the target's cores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nirdeploy.backends.fpga.passes.boxes import Box, tiles
from nirdeploy.backends.fpga.passes.deep import Deep, deepened
from nirdeploy.backends.fpga.passes.following import follows, shapes_together, with_seen
from nirdeploy.backends.fpga.passes.grouping import from_outside, grouped
from nirdeploy.backends.fpga.passes.room import room, shapes
from nirdeploy.backends.fpga.passes.subnetwork import SubNetwork, subnetwork, walked
from nirdeploy.backends.fpga.passes.whole import Whole
from nirdeploy.backends.fpga.placement import arranged, beyond_bits
from nirdeploy.backends.fpga.plan import Plan
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.errors import DoesNotFit
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.brief import Brief
from nirdeploy.targets.fit import Problem, refusal, refuse
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.wiring import Wiring, joined

Boxes = Mapping[str, Box]
_OF_A_SUM = 32  # bits that are read out of each neuron


@dataclass(frozen=True, eq=False, repr=False)
class Pass(Brief):
    """A network that several tiles have in common: boxes of populations that stand elsewhere. ``wiring``: of all."""

    tiles: tuple[Boxes, ...]
    network: IntegerNetwork
    wiring: Wiring
    placement: Placement
    plan: Plan


@dataclass(frozen=True, eq=False, repr=False)
class Passes(Brief):
    """In the order in which they are played; ``deep``: the fan-ins that became sums."""

    passes: tuple[Pass, ...]
    deep: tuple[Deep, ...]


def cut(network: IntegerNetwork, target: FpgaTarget) -> Passes:
    """The network in passes.

    Raises:
        DoesNotFit: populations on a cycle that do not fit a pass together; a single row that none holds. All at once.
    """
    refuse(beyond_bits(network, target.hardware.planes), target.name)
    cutting = _Cutting(Whole.of(network, target), target)
    problems: list[Problem] = []
    units = list(cutting.whole.units())
    for unit, after in zip(units, [*units[1:], ()], strict=True):
        try:
            cutting.add(unit, after)
        except DoesNotFit as error:
            problems += error.problems
    refuse(problems, target.name)
    cutting.close()
    return Passes(tuple(cutting.done), tuple(cutting.deep))


class _Cutting:
    """Whole populations go together as long as they fit a pass; one that fits none alone is cut into boxes, where that
    saves bytes together with one that follows it."""

    def __init__(self, whole: Whole, target: FpgaTarget) -> None:
        self.whole, self._target = whole, target
        self.done: list[Pass] = []
        self.deep: list[Deep] = []
        self._open: dict[str, Box] = {}
        self._fitting: Pass | None = None  # all that is open
        self._followed = ""  # by what is in its passes already

    def add(self, unit: Sequence[str], after: Sequence[str]) -> None:
        """``after``: what will be added next."""
        if self._followed:
            self._followed = ""
            return
        boxes = {name: Box.whole(self.whole.grids[name]) for name in unit}
        returns = self.whole.returns(unit)
        if returns or room(self.whole, unit[0], boxes[unit[0]], self._target).fits(self._target):
            if self._fits({**self._open, **boxes}):
                return
            self.close()
            if self._fits(boxes):
                return
        self.close()
        if returns:
            self._add_cycle(unit)
        else:
            self._add_cut(unit[0], after)

    def close(self) -> None:
        """What is open becomes a pass."""
        if self._fitting is not None:
            self.done.append(self._fitting)
        self._open, self._fitting = {}, None

    def _fits(self, boxes: Boxes) -> bool:
        """Whether these boxes fit a pass; then they are what is open."""
        order = [name for name in self.whole.populations if name in boxes]
        found = self._placed([{name: boxes[name] for name in order}])
        if isinstance(found, Pass):
            self._open, self._fitting = dict(boxes), found
        return isinstance(found, Pass)

    def _add_cycle(self, unit: Sequence[str]) -> None:
        """Populations whose spikes come back, for which there was no room: with sums of what comes from outside."""
        before = self.whole
        deep, parts = list[Deep](), list[str]()
        try:
            for name in unit:
                if (outside := from_outside(self.whole, name, unit, self._target)) is not None:
                    self.whole, own = deepened(self.whole, outside)
                    deep, parts = [*deep, outside], [*parts, *own]
            found = self._placed([{name: Box.whole(self.whole.grids[name]) for name in unit}])
            if isinstance(found, DoesNotFit):
                raise found
        except DoesNotFit as refused:
            self.whole = before
            raise refusal(_too_large(unit, refused), self._target.name) from None
        self.deep += deep
        for part in parts:
            self._add_boxes(part)
        self.done.append(found)

    def _add_cut(self, name: str, after: Sequence[str]) -> None:
        if deep := grouped(self.whole, name, self._target):
            for part in self._deepen(deep):
                self._add_boxes(part)
        if not self._add_together(name, after):
            self._add_boxes(name)

    def _deepen(self, deep: Deep) -> list[str]:
        """The parts of the sums that a population gets. What is left for the last of them stays with the population,
        where that finds room and saves bytes: a part is read out neuron by neuron."""
        before, costs = self.whole, list[int]()
        for one in (deep, replace(deep, beside=True)):
            self.whole, parts = deepened(before, one)
            found = [shapes(self.whole, each, self._target)[:1] for each in (*parts, deep.population)]
            sums = sum(math.prod(self.whole.grids[part]) for part in parts)
            costs.append(sum(least.sent for (least,) in found) + _OF_A_SUM * sums if all(found) else -1)
        if costs[1] < 0 or 0 <= costs[0] <= costs[1] or self._fitting_shape(deep.population) is None:
            one, (self.whole, parts) = deep, deepened(before, deep)
        self.deep.append(one)
        return parts

    def _add_together(self, name: str, after: Sequence[str]) -> bool:
        """A population in boxes, each in a pass with what follows it, if that is of use."""
        if len(after) != 1 or self.whole.returns(after) or not follows(self.whole, after[0], name):
            return False
        grid, seen = self.whole.grids[after[0]], partial(with_seen, self.whole, after[0], name)
        for shape in shapes_together(self.whole, after[0], name, self._target):
            if isinstance(self._placed([seen(Box.middle(grid, shape))]), Pass):
                self._add_boxes(after[0], shape, seen)
                self._followed = after[0]
                return True
        return False

    def _add_boxes(
        self, name: str, shape: tuple[int, ...] | None = None, seen: Callable[[Box], Boxes] | None = None
    ) -> None:
        """A population in boxes, of about that shape, each with what else stands in its pass: those that are the same
        network are tiles of one pass."""
        grid = self.whole.grids[name]
        units = (self._target.hardware.lanes, *(1 for _ in grid[1:]))
        made: dict[str, tuple[Pass, list[Boxes], list[Wiring]]] = {}
        waiting = list(tiles(grid, shape or self._shape(name), units))
        while waiting:
            box = waiting.pop(0)
            boxes = seen(box) if seen else {name: box}
            sub = subnetwork(self.whole, boxes)
            key = sub.network.digest()
            if key in made:
                made[key][1].append(boxes)
                made[key][2].append(sub.wiring)
                continue
            found = self._placed([boxes], sub)
            if isinstance(found, Pass):
                made[key] = found, [boxes], [sub.wiring]
                continue
            halves = box.halves(units) or box.halves((1,) * len(grid))
            if halves is None:
                raise found
            waiting[:0] = halves
        for one, tiled, wirings in made.values():
            self.done.append(replace(one, tiles=tuple(tiled), wiring=joined(wirings)))

    def _shape(self, name: str) -> tuple[int, ...]:
        """Of the boxes into which a population is cut: the first that fits, where the first box is typical."""
        if found := self._fitting_shape(name):
            return found
        least = shapes(self.whole, name, self._target)[-1:]
        return least[0].shape if least else tuple(1 for _ in self.whole.grids[name])

    def _fitting_shape(self, name: str) -> tuple[int, ...] | None:
        for one in shapes(self.whole, name, self._target):
            if isinstance(self._placed([{name: Box.middle(self.whole.grids[name], one.shape)}]), Pass):
                return one.shape
        return None

    def _placed(self, tiles: list[Boxes], sub: SubNetwork | None = None) -> Pass | DoesNotFit:
        hardware, sub = self._target.hardware, sub or subnetwork(self.whole, tiles[0])
        try:
            network = walked(sub.network, self.whole.spatial)
            placement, plan = arranged(network, self._target, 32 if hardware.bit_planes > 1 else 1, sparing=True)
        except DoesNotFit as error:
            return error
        return Pass(tuple(tiles), network, sub.wiring, placement, plan)


def _too_large(unit: Sequence[str], refused: DoesNotFit) -> Iterator[Problem]:
    who = " and ".join(filter(None, [", ".join(map(repr, unit[:-1])), repr(unit[-1])]))
    found = f"the spikes of {who} come back to where they came from, so that this part has to fit one pass"
    for problem in refused.problems:
        yield replace(problem, node=problem.node or unit[0], found=f"{found}: {problem.found}")
