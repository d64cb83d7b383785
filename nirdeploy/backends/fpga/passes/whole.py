"""The whole network as it is cut: the populations, the ways between them, and what travels from pass to pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nirdeploy.backends.fpga import dialects
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.passes.boxes import Grid
from nirdeploy.backends.fpga.passes.ways import Way, whole_way
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.integers.network import IntegerNetwork, IntegerPopulation
from nirdeploy.targets.wiring import Form


@dataclass(frozen=True)
class Signal:
    """What passes read: ``name`` in its ``form``, numbers of so many bits, at most ``largest``."""

    name: str
    bits: int
    largest: int
    form: Form = Form.AS_IT_IS
    of_sum: int = 0


@dataclass(frozen=True, eq=False)
class Whole:
    """A network to be cut.

    ``ways``: into each population. ``grids``: in which populations stand. ``signals``: by the name that ways have for
    their source. ``adds``: populations that are parts of a sum, and the sum's name.
    """

    network: IntegerNetwork
    populations: Mapping[str, IntegerPopulation]
    ways: Mapping[str, Sequence[Way]]
    grids: Mapping[str, Grid]
    signals: Mapping[str, Signal]
    adds: Mapping[str, str]

    @classmethod
    def of(cls, network: IntegerNetwork, target: FpgaTarget) -> Whole:
        plan = Floorplan(network, target)
        populations = {p.name: network.neurons(p.name) for p in network.populations}
        grids: dict[str, Grid] = {}
        for name, layout in plan.layouts.items():
            grids[name] = layout.grid or (layout.size,)
        ways = {name: [whole_way(p, grids[name]) for p in network.into(name)] for name in populations}
        largest = {name: held.top for name, held in network.takes.items()}
        largest |= {name: dialects.most_spikes(p.rules) for name, p in populations.items() if p.spiking}
        signals = {name: Signal(name, plan.planes(name), most) for name, most in largest.items()}
        return cls(network, populations, ways, grids, signals, {})

    def sources(self, name: str) -> list[str]:
        """The populations that one reads, each once."""
        read = {way.projection.source for way in self.ways[name]}
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
