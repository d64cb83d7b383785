"""Where everything stands that a placement implies: rows, slices, and the words of every bitmap on the bus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nirdeploy.backends.fpga import dialects, rows
from nirdeploy.backends.fpga.jobs import INPUT_GROUP
from nirdeploy.backends.fpga.layout import WORD, Block, Layout, grids, input_layout, layout
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.segments import Part, Reading
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.targets.placement import Slice


@dataclass(frozen=True)
class Resident:
    """A piece of a bitmap: its group on the bus, its first word (its first value's, for a read-out), its lines; words
    from one bit plane of it to the next."""

    group: int
    word: int
    part: Part
    plane_words: int


@dataclass(frozen=True)
class Reader:
    """A projection as one block of its target reads it, and where its source's pieces stand; ``late``: those of the
    step before; ``lift``: its lowest bit plane is read with the others' plane of that number."""

    projection: IntegerProjection
    reading: Reading
    sources: tuple[Resident, ...]
    planes: int
    late: bool
    lift: int = 0


class Floorplan:
    """A network on a target, its slices given; without any, every block is one: what it reads does not depend on how
    it is cut."""

    def __init__(self, network: IntegerNetwork, target: FpgaTarget, slices: Sequence[Slice] | None = None) -> None:
        self.network = network
        self.layouts = layouts_of(network, target)
        self._at: dict[str, tuple[Resident, ...]] = {}
        self._slices = tuple(self._blocks() if slices is None else slices)
        self._planes = {p.name: dialects.most_spikes(p.rules).bit_length() for p in network.populations if p.spiking}
        self._planes |= {name: held.bits for name, held in network.takes.items()}
        self._together = {p.name: _together(network, p.name, target) for p in network.populations}
        word = value = 0
        for name, _ in network.inputs:
            made = self.layouts[name]
            block = made.blocks[0]
            bits = made.size if made.grid is None else block.lines * block.line_bits
            words = math.ceil(bits / WORD)
            self._at[name] = (Resident(INPUT_GROUP, word, Part(block, 0, block.lines), words),)
            word += self.planes(name) * words
        self.input_words = word
        for population in network.populations:
            made, residents = self.layouts[population.name], []
            for part in self.slices(population.name):
                lines = _lines(made, part)
                if population.spiking:
                    words = math.ceil(lines.lines * lines.block.line_bits / WORD)
                    residents.append(Resident(part.group, word, lines, words))
                    word += self.planes(population.name) * words
                else:
                    residents.append(Resident(part.group, value, lines, 0))
                    value += part.count
            self._at[population.name] = tuple(residents)
        self.spike_words, self.values = word, value

    def _blocks(self) -> list[Slice]:
        names = [population.name for population in self.network.populations]
        return [Slice(name, 0, 0, b.first, b.count) for name in names for b in self.layouts[name].blocks]

    def planes(self, name: str) -> int:
        """Bit planes of what an input or a spiking population sends."""
        return self._planes[name]

    def together(self, name: str) -> int:
        """How many weight rows of a population stand in the place of one."""
        return self._together[name]

    def residents(self, name: str) -> tuple[Resident, ...]:
        """The pieces of an input or a population, in device order."""
        return self._at[name]

    def slices(self, name: str) -> tuple[Slice, ...]:
        """The slices of a population, one for each of its residents."""
        return tuple(s for s in self._slices if s.population == name)

    def readers(self, name: str, block: Block) -> list[Reader]:
        """What a block of a population reads: those of most bit planes first, recurrent ones last."""
        readers = []
        for p in sorted(self.network.into(name), key=lambda p: p.delay):
            sources = self._at[p.source]
            parts = tuple(resident.part for resident in sources)
            reading = Reading(p, self.layouts[p.source], parts, self.layouts[name], block)
            late = bool(p.delay + dialects.delay(self.network, p.source))
            readers.append(Reader(p, reading, sources, self.planes(p.source), late, p.shift))
        return sorted(readers, key=lambda reader: -reader.planes)


def layouts_of(network: IntegerNetwork, target: FpgaTarget) -> dict[str, Layout]:
    """Of all inputs and populations."""
    hardware = target.hardware
    found = grids((p.source, p.target, p) for p in network.projections) if hardware.spatial else {}
    sent = {name: network.takes[name].sent(shape) for name, shape in network.inputs}
    inputs = {name: input_layout(math.prod(shape), found.get(name)) for name, shape in sent.items()}
    return inputs | {
        p.name: layout(p.size, found.get(p.name), hardware.lanes, hardware.update) for p in network.populations
    }


def _together(network: IntegerNetwork, name: str, target: FpgaTarget) -> int:
    bits = rows.bits_of(p.weight for p in network.into(name))
    return rows.together(bits, network.formats, target.hardware)


def _lines(made: Layout, part: Slice) -> Part:
    block = next(b for b in made.blocks if b.first <= part.first < b.first + b.count)
    return Part(block, (part.first - block.first) // block.line_neurons, math.ceil(part.count / block.line_neurons))
