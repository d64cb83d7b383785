"""The whole network as it is cut: the populations, the ways between them, and what travels from pass to pass."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nirdeploy.backends.fpga import dialects, layout, rows
from nirdeploy.backends.fpga.passes.boxes import Grid
from nirdeploy.backends.fpga.passes.ways import Way, trimmed, whole_way
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerPopulation, IntegerProjection
from nirdeploy.semantics.operators import to_meta
from nirdeploy.targets.wiring import Form


@dataclass(frozen=True)
class Signal:
    """What passes read: the sum of ``names`` in its ``form``, numbers of so many bits, at most ``largest``."""

    names: tuple[str, ...]
    bits: int
    largest: int
    form: Form = Form.AS_IT_IS
    of_sum: int = 0


@dataclass(frozen=True, eq=False)
class Whole:
    """A network to be cut.

    ``ways``: into each population. ``grids``: in which populations stand. ``signals``: by the name that ways have for
    their source. ``adds``: populations that are parts of a sum, and the sum's name. ``spatial``: whether the cores walk
    convolutions and pools; else what a box sees is written out as a matrix.
    """

    network: IntegerNetwork
    populations: Mapping[str, IntegerPopulation]
    ways: Mapping[str, Sequence[Way]]
    grids: Mapping[str, Grid]
    signals: Mapping[str, Signal]
    adds: Mapping[str, str]
    spatial: bool

    @classmethod
    def of(cls, network: IntegerNetwork, target: FpgaTarget) -> Whole:
        populations = {p.name: network.neurons(p.name) for p in network.populations}
        sizes = {name: math.prod(network.takes[name].sent(shape)) for name, shape in network.inputs}
        sizes |= {name: p.size for name, p in populations.items()}
        grids: dict[str, Grid] = {name: (size,) for name, size in sizes.items()}
        grids |= layout.grids((p.source, p.target, p) for p in network.projections)
        signals = {name: Signal((name,), held.bits, held.top) for name, held in network.takes.items()}
        for name, p in populations.items():
            if p.spiking:
                most = dialects.most_spikes(p.rules)
                signals[name] = Signal((name,), most.bit_length(), most)
        ways: dict[str, Sequence[Way]] = {}
        for name in populations:
            ways[name] = [whole_way(trimmed(p), grids[name]) for p in network.into(name)]
            if target.hardware.bit_planes > 1:
                ways[name] = together(ways[name], signals)
        return cls(network, populations, ways, grids, signals, {}, bool(target.hardware.spatial))

    def together(self, name: str, target: FpgaTarget) -> int:
        """How many weight rows of a population stand in the place of one, at least: there may be a box of it whose
        weights have fewer bits."""
        return rows.together(self._bits[name], self.network.formats, target.hardware)

    @cached_property
    def _bits(self) -> dict[str, int]:
        return {name: rows.bits_of(way.projection.operator.weight for way in ways) for name, ways in self.ways.items()}

    def sources(self, name: str) -> list[str]:
        """The populations that one reads, each once."""
        read = {source for way in self.ways[name] for source in way.sources}
        return [source for source in self.populations if source in read]

    def units(self) -> Iterator[tuple[str, ...]]:
        """Populations that are on cycles with each other, mostly one on none; each behind all that it reads."""
        place = {name: number for number, name in enumerate(self.populations)}
        done: set[str] = set()
        low: dict[str, int] = {}
        index: dict[str, int] = {}
        open_: list[str] = []
        for start in self.populations:
            walk = [] if start in index else [(start, iter(self.sources(start)))]
            while walk:  # Tarjan's way, without recursion: sources first
                name, left = walk[-1]
                if name not in index:
                    index[name] = low[name] = len(index)
                    open_.append(name)
                step = next((s for s in left if s not in done), None)
                if step is None:
                    walk.pop()
                    if walk:
                        low[walk[-1][0]] = min(low[walk[-1][0]], low[name])
                    if low[name] == index[name]:
                        unit = open_[open_.index(name) :]
                        del open_[open_.index(name) :]
                        done.update(unit)
                        yield tuple(sorted(unit, key=place.__getitem__))
                elif step in index:
                    low[name] = min(low[name], index[step])
                else:
                    walk.append((step, iter(self.sources(step))))

    def returns(self, unit: Sequence[str]) -> bool:
        """Whether spikes come back to where they came from."""
        return len(unit) > 1 or unit[0] in self.sources(unit[0])


def together(ways: Sequence[Way], signals: dict[str, Signal]) -> list[Way]:
    """Ways of the same weights as one, of the sum of what they bring, which is added to ``signals``."""
    found: list[list[Way]] = []
    for way in ways:
        like = next((own for own in found if _alike(own[0].projection, way.projection)), None)
        if like is None:
            found.append([way])
        else:
            like.append(way)
    return [own[0] if len(own) == 1 else _added(own, signals) for own in found]


def _added(ways: Sequence[Way], signals: dict[str, Signal]) -> Way:
    sources = tuple(way.projection.source for way in ways)
    name, most = " + ".join(sources), sum(signals[source].largest for source in sources)
    signals[name] = Signal(sources, most.bit_length(), most)
    return replace(ways[0], projection=replace(ways[0].projection, source=name), sources=sources)


def _alike(a: IntegerProjection, b: IntegerProjection) -> bool:
    """Whether two projections do the same to what they bring, at once and in sums."""
    return (
        a.delay == b.delay == 0
        and a.maximum is None
        and b.maximum is None
        and (a.shift, a.pool, type(a.operator)) == (b.shift, b.pool, type(b.operator))
        and to_meta(a.operator) == to_meta(b.operator)
        and np.array_equal(a.weight, b.weight)
        and np.array_equal(a.unit, b.unit)
    )
