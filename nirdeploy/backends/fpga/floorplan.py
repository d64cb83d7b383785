"""Where everything stands that a placement implies: rows, slices, and the words of every bitmap on the bus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nirdeploy.backends.fpga.jobs import INPUT_GROUP
from nirdeploy.backends.fpga.layout import WORD, Block, Layout, grids, input_layout, layout
from nirdeploy.backends.fpga.segments import Part, Reading
from nirdeploy.integers.network import IntegerNetwork, IntegerProjection
from nirdeploy.targets.placement import Slice
from nirdeploy.targets.tables import Target


@dataclass(frozen=True)
class Resident:
    """A piece of a bitmap: its group on the bus, its first word (its first value's, for a read-out), its lines."""

    group: int
    word: int
    part: Part


@dataclass(frozen=True)
class Reader:
    """A projection as one block of its target reads it, and where its source's pieces stand."""

    projection: IntegerProjection
    reading: Reading
    sources: tuple[Resident, ...]
    planes: int
    plane_words: int


class Floorplan:
    """A network on a target, its slices given."""

    def __init__(self, network: IntegerNetwork, target: Target, slices: Sequence[Slice]) -> None:
        hardware = target.hardware
        self.network = network
        found = grids((p.source, p.target, p) for p in network.projections) if hardware.spatial else {}
        self.layouts: dict[str, Layout] = {}
        self.plane_words: dict[str, int] = {}
        self._at: dict[str, tuple[Resident, ...]] = {}
        self._slices = tuple(slices)
        self.planes = network.input_bits
        word = value = 0
        for name, shape in network.inputs:
            made = input_layout(math.prod(shape), found.get(name))
            self.layouts[name] = made
            block = made.blocks[0]
            bits = made.size if made.grid is None else block.lines * block.line_bits
            self.plane_words[name] = math.ceil(bits / WORD)
            self._at[name] = (Resident(INPUT_GROUP, word, Part(block, 0, block.lines)),)
            word += self.planes * self.plane_words[name]
        self.input_words = word
        for population in network.populations:
            made = layout(population.size, found.get(population.name), hardware.lanes, hardware.update)
            self.layouts[population.name], residents = made, []
            for part in self.slices(population.name):
                lines = _lines(made, part)
                if population.spiking:
                    residents.append(Resident(part.group, word, lines))
                    word += math.ceil(lines.lines * lines.block.line_bits / WORD)
                else:
                    residents.append(Resident(part.group, value, lines))
                    value += part.count
            self._at[population.name] = tuple(residents)
        self.spike_words, self.values = word, value

    def residents(self, name: str) -> tuple[Resident, ...]:
        """The pieces of an input or a population, in device order."""
        return self._at[name]

    def slices(self, name: str) -> tuple[Slice, ...]:
        """The slices of a population, one for each of its residents."""
        return tuple(s for s in self._slices if s.population == name)

    def readers(self, name: str, block: Block) -> list[Reader]:
        """What a block of a population reads: numbers first, recurrent connections last."""
        readers = []
        for p in sorted(self.network.into(name), key=lambda p: p.delay):
            sources = self._at[p.source]
            parts = tuple(resident.part for resident in sources)
            reading = Reading(p, self.layouts[p.source], parts, self.layouts[name], block)
            graded = p.source in self.plane_words
            planes = self.planes if graded else 1
            readers.append(Reader(p, reading, sources, planes, self.plane_words.get(p.source, 0)))
        return sorted(readers, key=lambda reader: -reader.planes)


def whole(network: IntegerNetwork, target: Target) -> Floorplan:
    """The plan of a network whose every block is one slice: what it reads does not depend on how it is cut."""
    plan = Floorplan(network, target, ())
    slices = [
        Slice(p.name, 0, 0, block.first, block.count)
        for p in network.populations
        for block in plan.layouts[p.name].blocks
    ]
    return Floorplan(network, target, slices)


def _lines(made: Layout, part: Slice) -> Part:
    block = next(b for b in made.blocks if b.first <= part.first < b.first + b.count)
    return Part(block, (part.first - block.first) // block.line_neurons, math.ceil(part.count / block.line_neurons))
