"""The gather cores' memories: how a placed network becomes words, at which addresses.

The encodings are those that the gather core's Verilog (``core.v``) reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nirdeploy.image import Readout, ReadoutPart, Section
from nirdeploy.network import Formats, IntegerNetwork, IntegerPopulation
from nirdeploy.place import Placement, Slice
from nirdeploy.target import Target

CONTROL, JOBS, WEIGHTS, PARAMETERS = range(4)
GLOBAL = 0xFF
JOB_WORDS = 8
INPUT_GROUP = 0

# Flags of a job's word 4
ENDS_ROW, FIRES, SUBTRACT, VALUES, FIRST_ROW, LAST_ROW, LAST_JOB, PREVIOUS = (1 << bit for bit in range(8))
SYNAPTIC = 1 << 12
_SYNAPSE_WORDS = 5  # of a neuron's parameters, of eight addresses


def parameter_words(target: Target) -> int:
    """32-bit words per neuron in the parameter memory."""
    return 8 if target.hardware.synapse else 4


def address(core: int, kind: int, offset: int = 0) -> int:
    """Word address as in docs/link.md."""
    return core << 24 | kind << 20 | offset


def memory_map(target: Target) -> dict[int, int]:
    """Every memory of the device: first word address to number of words."""
    hardware, banks = target.hardware, target.hardware.lanes * target.formats.weight_bits // 32
    sizes = {
        CONTROL: 2,
        JOBS: hardware.jobs * JOB_WORDS,
        WEIGHTS: hardware.weight_rows * banks,
        PARAMETERS: hardware.neurons * parameter_words(target),
    }
    cores = {address(core, kind): size for core in range(hardware.cores) for kind, size in sizes.items()}
    return {address(GLOBAL, CONTROL): 1, **cores}


def absent(target: Target, at: int, count: int) -> np.ndarray:
    """Which of the words from an address on are not there (bool): they read as zero whatever is written.

    A neuron's parameters fill a power of two of addresses, but not all of them with memory.
    """
    if not target.hardware.synapse or at >> 20 & 0xF != PARAMETERS or at >> 24 == GLOBAL:
        return np.zeros(count, dtype=bool)
    return (np.arange(count) + (at & 0xFFFFF)) % parameter_words(target) >= _SYNAPSE_WORDS


@dataclass
class _Job:
    """One source of one row of neurons; fields as in core.v."""

    sources: frozenset[int]
    first_word: int
    words: int
    weight_row: int
    flags: int
    shift: int
    group: int
    neurons: int
    destination: int
    slot: int

    def encode(self, release: frozenset[int]) -> list[int]:
        return [
            _mask(self.sources),
            _mask(release),
            self.first_word | self.words << 16,
            self.weight_row,
            self.flags | self.shift << 8 | self.group << 16,
            self.neurons,
            self.destination,
            self.slot,
        ]


def sections(network: IntegerNetwork, placement: Placement, target: Target) -> list[Section]:
    """Every memory of every core, as far as the network uses it, and the size of the input bitmap."""
    made = [Section("input", address(GLOBAL, CONTROL), np.array([placement.layout["input_words"]], dtype=np.uint32))]
    for core in range(target.hardware.cores):
        made += _Packer(network, placement, target, core).sections()
    return made


class _Packer:
    """Fills the memories of one core."""

    def __init__(self, network: IntegerNetwork, placement: Placement, target: Target, core: int) -> None:
        self.network, self.placement, self.core = network, placement, core
        self.hardware, self.formats, self.words = target.hardware, network.formats, parameter_words(target)
        self.jobs: list[_Job] = []
        self.weights: list[np.ndarray] = []  # blocks of (rows, lanes)
        self.parameters: list[np.ndarray] = []  # blocks of (neurons, words)
        self.weight_rows = self.slots = 0
        for part in placement.slices:
            if part.core == core:
                self._add_slice(part)

    def sections(self) -> list[Section]:
        """An idle core gets one word: no jobs."""
        listen = frozenset[int]().union(*(job.sources for job in self.jobs))
        control = np.array([_mask(listen), len(self.jobs)], dtype=np.uint32)
        sections = [Section(f"core{self.core}.control", address(self.core, CONTROL), control)]
        if self.jobs:
            self.jobs[-1].flags |= LAST_JOB
            # A bitmap that is read in the next step again is released there, by the last job to read it.
            later: dict[bool, set[int]] = {False: set(), True: set()}
            held = frozenset[int]().union(*(job.sources for job in self.jobs if job.flags & PREVIOUS))
            encoded = []
            for job in reversed(self.jobs):
                previous = bool(job.flags & PREVIOUS)
                encoded.append(job.encode(release=job.sources - later[previous] - (frozenset() if previous else held)))
                later[previous] |= job.sources
            jobs = np.array(encoded[::-1], dtype=np.uint32).ravel()
            weights = pack_weights(np.concatenate(self.weights), self.formats.weight_bits)
            parameters = np.concatenate(self.parameters).ravel()
            for name, kind, words in (
                ("jobs", JOBS, jobs),
                ("weights", WEIGHTS, weights),
                ("parameters", PARAMETERS, parameters),
            ):
                sections.append(Section(f"core{self.core}.{name}", address(self.core, kind), words))
        return sections

    def _add_slice(self, part: Slice) -> None:
        population = next(p for p in self.network.populations if p.name == part.population)
        start = self.placement.layout["words"].get(part.population, 0) + part.first // 32
        if not population.spiking:
            start = self.placement.layout["values"][part.population] + part.first
        lanes, stop = self.hardware.lanes, part.first + part.count
        for first in range(part.first, stop, lanes):
            neurons = slice(first, min(first + lanes, stop))
            flags = FIRES if population.spiking else VALUES
            flags |= 0 if population.reset == "zero" else SUBTRACT  # no reset: nothing is subtracted
            flags |= SYNAPTIC if population.synaptic else 0
            flags |= (FIRST_ROW if first == part.first else 0) | (LAST_ROW if neurons.stop == stop else 0)
            self._add_row(population, part, neurons, flags, start)

    def _add_row(
        self, population: IntegerPopulation, part: Slice, neurons: slice, flags: int, destination: int
    ) -> None:
        """One job per source of the row, recurrent ones behind the others; the last one ends it."""
        count = neurons.stop - neurons.start
        incoming = sorted(self.network.into(population.name), key=lambda p: p.delay)
        for projection in incoming:
            size = projection.weight.shape[1]
            block = np.zeros((size, self.hardware.lanes), dtype=np.int64)
            block[:, :count] = projection.weight[neurons].T
            self.weights.append(block)
            self.jobs.append(
                _Job(
                    sources=frozenset(s.group for s in self.placement.of(projection.source))
                    or frozenset({INPUT_GROUP}),
                    first_word=self.placement.layout["words"][projection.source],
                    words=math.ceil(size / 32),
                    weight_row=self.weight_rows,
                    flags=flags
                    | (ENDS_ROW if projection is incoming[-1] else 0)
                    | (PREVIOUS if projection.delay else 0),
                    shift=population.shift,
                    group=part.group,
                    neurons=count,
                    destination=destination,
                    slot=self.slots,
                )
            )
            self.weight_rows += size
        slots = math.ceil(count / self.hardware.update)
        block = np.zeros((slots * self.hardware.update, self.words), dtype=np.uint32)
        block[:count] = pack_parameters(population, neurons, self.formats, self.words)
        self.parameters.append(block)
        self.slots += slots


def pack_weights(rows: np.ndarray, bits: int) -> np.ndarray:
    """Rows of lanes (int) as little-endian words: lane 0 in the lowest bits of a row's first word."""
    per_word = 32 // bits
    fields = (rows.astype(np.int64) & (2**bits - 1)).astype(np.uint64).reshape(-1, per_word)
    shifts = np.arange(per_word, dtype=np.uint64) * np.uint64(bits)
    return np.asarray((fields << shifts).sum(axis=1), dtype=np.uint32)


def pack_parameters(population: IntegerPopulation, neurons: slice, formats: Formats, words: int) -> np.ndarray:
    """uint32 (neurons, words): decay, bias, threshold, reset, initial, synapse decay and bias, from bit 0 upwards."""
    columns = [population.decay, population.bias, population.threshold, population.reset_value, population.initial]
    if population.synaptic:
        columns += [population.synapse_decay, population.synapse_bias]
    packed = np.zeros((neurons.stop - neurons.start, words), dtype=np.uint32)
    for row, values in enumerate(zip(*(column[neurons] for column in columns), strict=True)):
        word, position = 0, 0
        for value, width in zip(values, parameter_widths(formats), strict=False):
            word |= (int(value) & (2**width - 1)) << position
            position += width
        packed[row] = np.frombuffer(word.to_bytes(4 * words, "little"), dtype="<u4")
    return packed


def parameter_widths(formats: Formats) -> tuple[int, ...]:
    """Bits of a neuron's parameters, in their order."""
    decay, state = formats.decay_bits + 1, formats.state_bits
    return (decay, state, state, state, state, decay, state)


def readout(population: IntegerPopulation, placement: Placement) -> Readout:
    """Where a population's spikes or membrane values come out."""
    spiking = population.spiking
    base = placement.layout["words"][population.name] if spiking else placement.layout["values"][population.name]
    parts = tuple(
        ReadoutPart(part.group, base + (part.first // 32 if spiking else part.first), part.first, part.count)
        for part in placement.of(population.name)
    )
    scale = () if spiking else tuple(float(s) for s in population.scale)
    return Readout(population.name, population.shape, "spikes" if spiking else "membrane", parts, scale)


def _mask(groups: frozenset[int]) -> int:
    return sum(1 << group for group in groups)
