"""The memories and multipliers of the gather cores, and what of a chip's blocks the synthesizer makes them of.

Memories are listed from the Verilog's parameters. Each goes where Yosys finds it cheapest (its ``memory_libmap``, by
the costs in its libraries ``brams.txt`` and ``lutrams.txt``): block RAM, distributed RAM or registers. Products are cut
into pieces that a multiplier takes (its ``mul2dsp.v``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from nirdeploy.backends.fpga.memory import parameter_fields, segment_marks
from nirdeploy.backends.fpga.schema import Hardware
from nirdeploy.integers.parts import Formats

BLOCK, SINGLE, DISTRIBUTED, REGISTERS = "block RAM", "single-port RAM", "distributed RAM", "registers"

_BODY, _FRAME, _PROBES, _MESSAGES = 512, 1024, 32, 16  # words of the link's memories and queues
_ROW_BITS = 12  # of the addresses of rows of a memory beside the chip, about
_HELD = 3  # the address that is read is a register, which Yosys takes in and has to make transparent


@dataclass(frozen=True)
class Memory:
    """``count`` memories of ``depth`` words of ``width`` bits; ``ports``: 1 where a cycle reads or writes.

    ``emulation``: what Yosys counts for logic that it has to put around, beside one point for a port that only reads.
    """

    width: int
    depth: int
    ports: int = 2
    count: int = 1
    emulation: int = 0


@dataclass(frozen=True)
class Block:
    """One way to use a family's memory cell: ``widths`` to the address bits that are left at each, and Yosys's costs.

    ``byte``: bits that are written at once; ``scales``: the part of the cost that follows the bits that are used;
    ``takes``: cells of the chip's smallest kind.
    """

    kind: str
    widths: dict[int, int]
    cost: int
    byte: int = 1
    ports: int = 2
    scales: int = 0
    takes: int = 1

    def geometry(self, memory: Memory) -> tuple[float, int, int]:
        """Cost, cells, and bits of multiplexers between them, at the cheapest width."""
        found = []
        for width, address_bits in self.widths.items():
            byte = min(self.byte, width)
            ranks = math.ceil(memory.depth / (1 << address_bits))
            cells = math.ceil(ranks * math.ceil(memory.width / byte) * byte / width)
            muxes = (ranks - 1) * memory.width
            cost = (self.cost - self.scales) * cells + self.scales * ranks * memory.width / width
            cost += muxes / 2 + (ranks / 2 if ranks > 1 else 0)
            cost += 2 * (memory.emulation + (0 if self.ports == 1 else 1))
            found.append((int(cost), cells * self.takes, muxes))
        return min(found, key=lambda one: one[0])


def _halving(widths: Iterable[int], address_bits: int) -> dict[int, int]:
    return {width: address_bits - nth for nth, width in enumerate(widths)}


_DP18 = Block(BLOCK, _halving((1, 2, 4, 9, 18), 14), 128, byte=9)
_SDP18 = Block(BLOCK, _halving((9, 18, 36), 11), 128, byte=9)
_LUTS = Block(DISTRIBUTED, {4: 4}, 4, byte=4)

#: The cells of each family, in the order in which Yosys knows them.
BLOCKS: dict[str, tuple[Block, ...]] = {
    "ecp5": (_LUTS, _DP18, _SDP18),
    "gowin": (
        Block(DISTRIBUTED, {4: 4}, 4, byte=4, scales=4),
        Block(BLOCK, _halving((1, 2, 4, 9, 18, 36), 14), 128, byte=9, ports=1),
        _DP18,
        Block(BLOCK, _halving((1, 2, 4, 9, 18, 36), 14), 128, byte=9),
    ),
    "ice40": (
        Block(BLOCK, _halving((2, 4, 8, 16), 11), 64),
        Block(SINGLE, {16: 14}, 2048, byte=4, ports=1),
    ),
    "vivado": (  # as synth_xilinx maps the 7 series; blocks of 36 kbit are two of 18
        Block(DISTRIBUTED, {6: 5, 3: 6}, 8, byte=3, scales=7),
        Block(BLOCK, _halving((1, 2, 4, 9, 18), 14), 129, byte=9),
        Block(BLOCK, _halving((1, 2, 4, 9, 18, 36), 15), 257, byte=9, takes=2),
        Block(BLOCK, {36: 9}, 129, byte=9),
        Block(BLOCK, {72: 9}, 257, byte=9, takes=2),
    ),
}


def memories(hardware: Hardware, formats: Formats) -> Iterator[Memory]:
    """All memories of the device, those of its link included, but for what it says of itself."""
    out_address = (hardware.out_words - 1).bit_length()
    group = (hardware.groups - 1).bit_length()
    yield Memory(8, hardware.window)
    yield Memory(8, _BODY)
    yield Memory(8, _FRAME)
    size = 16 if hardware.counters else min(16, out_address + 3)
    yield Memory(size + (4 if hardware.counters else 1) + out_address + group, _PROBES)
    yield Memory(32, 2 * hardware.out_words)
    if hardware.held:
        yield Memory(32, 2 * hardware.spike_words)
    if hardware.counters:
        yield Memory(32, hardware.counters)
    if hardware.external:
        yield from _external_memories()
    for memory in core_memories(hardware, formats):
        yield Memory(**{**memory.__dict__, "count": hardware.cores * memory.count})


def _external_memories() -> Iterator[Memory]:
    """Of what plays programs out of the memory beside the chip, and of that memory's controller (``rtl/external``)."""
    yield Memory(32, 128)  # play_streams
    yield Memory(32, 32)  # sums
    yield Memory(2, 64)  # memory_share
    yield Memory(13, 16)  # gather_bits
    yield Memory(32, 16, count=3)  # gather_bits, and two word_readers
    yield Memory(_ROW_BITS, 4)  # sdram: the rows that are open


def core_memories(hardware: Hardware, formats: Formats) -> Iterator[Memory]:
    """The memories of one core."""
    out_address = (hardware.out_words - 1).bit_length()
    group, row = (hardware.groups - 1).bit_length(), hardware.number_bits(formats.weight_bits)
    slots = hardware.update
    yield Memory(32, 2 * hardware.spike_words)
    yield Memory(32, 16 * hardware.jobs)
    ports = 2 if hardware.external else 1  # the next pass's weights come while this one's are read
    yield Memory(32, hardware.weight_rows, ports=ports, count=hardware.lanes * formats.weight_bits // 32)
    yield Memory((32 * hardware.spike_words - 1).bit_length() + segment_marks(hardware), hardware.segments)
    yield Memory(32, hardware.segments, count=3 if hardware.spatial else 1)
    yield Memory(slots * formats.state_bits * (2 if hardware.synapse else 1), hardware.neurons // slots)
    bits = sum(parameter_fields(formats, hardware).values())
    for first in range(0, bits, 32):
        yield Memory(min(32, bits - first), hardware.parameters // slots, count=slots)
    if not hardware.compact:
        yield Memory(slots * formats.accumulator_bits, math.ceil(hardware.lanes / slots))  # the lanes' sums before
        for width, cycles in _delays(hardware, formats):
            yield Memory(width, cycles - 1, count=slots)
    if hardware.looks_ahead:
        yield Memory(4, hardware.spike_words // 2, count=8)  # for two to look: four banks each
    if sums := (hardware.bit_planes > 1) + 2 * hardware.maxima:
        yield Memory(slots * formats.accumulator_bits, math.ceil(hardware.lanes / slots), count=sums)
    if not hardware.compact:
        yield Memory(row + 37 + 2 * hardware.maxima, hardware.queue)
        planes = hardware.spike_planes
        several = out_address + 3 if planes > 1 else 0  # how many planes, and how far apart
        yield Memory(group + out_address + 3 + 32 * planes + several, _MESSAGES)
        slot, parameter = ((words // slots - 1).bit_length() for words in (hardware.neurons, hardware.parameters))
        lane = (hardware.lanes - 1).bit_length()
        yield Memory(
            12
            + hardware.synapse
            + 4 * hardware.dialects
            + group
            + lane
            + slot
            + parameter
            + out_address
            + several
            + (planes if planes > 1 else 0),
            2,
            emulation=_HELD,
        )
        yield Memory(2 * hardware.groups, 2, emulation=_HELD)


def _delays(hardware: Hardware, formats: Formats) -> Iterator[tuple[int, int]]:
    """Bits and cycles of what a neuron takes along, where long enough for a memory (``rtl/pipelined/stage.v``)."""
    state, spikes = formats.state_bits, hardware.spike_planes
    found = [(2 * state, 5)]  # threshold and reset
    if hardware.dialects:
        found += [(state, 5), (state, spikes + 3 if spikes > 1 else 1)]  # the size of a spike, twice
        if spikes > 1:
            found += [(state, spikes + 1), (state + 1, spikes + 2)]  # reset, and membrane
        if hardware.synapse:
            found.append((state, spikes + 4 if spikes > 1 else 2))
    return ((width, cycles) for width, cycles in found if cycles >= 5)


@dataclass(frozen=True)
class Blocks:
    """``cells``: how many of each kind, registers in bits; ``muxes``: bits of multiplexers between the cells."""

    cells: Counter[str]
    muxes: int

    def __getitem__(self, kind: str) -> int:
        return self.cells[kind]


def choose(family: str, memory: Memory) -> tuple[str, int, int]:
    """Where one memory goes: kind, cells (or bits, of registers) and bits of multiplexers."""
    bits = memory.width * memory.depth
    cost, chosen = float(bits), (REGISTERS, bits, 0)
    for block in BLOCKS[family]:
        if block.ports >= memory.ports:
            price, cells, muxes = block.geometry(memory)
            if price < cost:
                cost, chosen = price, (block.kind, cells, muxes)
    return chosen


def map_memories(family: str, hardware: Hardware, formats: Formats) -> Blocks:
    """Where all memories go, and what the device says of itself, which is told to be one block (counters.v)."""
    total, between = Counter({BLOCK: 1}), 0
    for memory in memories(hardware, formats):
        kind, cells, muxes = choose(family, memory)
        total[kind] += cells * memory.count
        between += muxes * memory.count
    return Blocks(total, between)


@dataclass(frozen=True)
class Multiplier:
    """A family's multiplier: operands of up to ``bits``, of at least ``least`` (the wider one first), the least bits of
    a product, and bits of the wider operand where it may be wider."""

    bits: int
    least: tuple[int, int]
    least_product: int = 0
    wider: int = 0

    def pieces(self, one: int, other: int, kept: int = 64) -> tuple[int, int]:
        """How many a product takes, and the bits of partial products that are left to logic cells.

        Args:
            one, other: bits of the operands.
            kept: bits of the product that are looked at.
        """
        whole = left = 0
        for a in self._cut(min(kept, max(one, other)), self.wider or self.bits):
            for b in self._cut(min(kept, one, other), self.bits):
                if a >= self.least[0] and b >= self.least[1] and min(a + b, kept) >= self.least_product:
                    whole += 1
                else:
                    left += a * b
        return whole, left

    def _cut(self, bits: int, most: int) -> list[int]:
        whole = max(0, math.ceil((bits - most) / self.bits))
        return [self.bits] * whole + [bits - whole * self.bits]


MULTIPLIERS = {
    "ecp5": Multiplier(18, (2, 2)),
    "gowin": Multiplier(18, (10, 4)),
    "ice40": Multiplier(16, (2, 2), 11),
    "vivado": Multiplier(18, (2, 2), 9, wider=25),
}


def products(hardware: Hardware, formats: Formats) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """All products of the device: how many, bits of their operands (signed ones), and bits that are looked at."""
    each = hardware.cores * hardware.update
    decays = each * (2 if hardware.synapse else 1)
    for count, bits, by in (
        (decays, formats.state_bits, formats.decay_bits + 2),
        (each, formats.accumulator_bits, formats.shift_max + 2),
    ):
        yield from ((count, (part, by, 64)) for part in ([bits] if hardware.compact else _halves(bits)))
    if hardware.spike_planes > 1:
        yield from ((each, (part, hardware.spike_planes + 1, 64)) for part in _halves(formats.state_bits))
    if hardware.spatial:
        yield hardware.cores, (12, 16, 64)
        yield hardware.cores, (12, 16, (32 * hardware.spike_words - 1).bit_length())  # of an address


def _halves(bits: int) -> list[int]:
    """Bits of a value as rtl/pipelined/product.v and rtl/spike_count.v cut it, a multiplier for each part."""
    return [18, bits - 17] if bits > 18 else [bits]


def map_products(family: str, hardware: Hardware, formats: Formats) -> tuple[int, int]:
    """Multipliers that all products take, and the bits of partial products that are left to logic cells."""
    found = [(count, MULTIPLIERS[family].pieces(*bits)) for count, bits in products(hardware, formats)]
    return sum(count * whole for count, (whole, _) in found), sum(count * left for count, (_, left) in found)


def map_own(family: str, hardware: Hardware, own: Collection[str]) -> tuple[int, int]:
    """Block RAMs and multipliers of the modules that stand in cells of the family's own: each core looks up masks of a
    word in two memories, two lanes add up in a multiplier, and a neuron is held against its threshold in one."""
    looked_up = 0
    if "run_mask" in own:
        block = next(block for block in BLOCKS[family] if block.kind == BLOCK)
        looked_up = hardware.cores * sum(block.geometry(Memory(32, depth))[1] for depth in (64, 32))
    adding = (hardware.lanes // 2 if "lane_sums" in own else 0) + (hardware.update if "fired" in own else 0)
    return looked_up, hardware.cores * adding
