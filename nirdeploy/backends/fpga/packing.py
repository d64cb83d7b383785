"""A placed network as the words of the gather cores' memories, and where its spikes come out."""

from __future__ import annotations

import numpy as np

from nirdeploy.backends.fpga import memory
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.jobs import encode, mask
from nirdeploy.backends.fpga.program import Program
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.image import InputSlot, Readout, ReadoutPart, Section
from nirdeploy.targets.placement import Placement
from nirdeploy.targets.tables import Target


def sections(network: IntegerNetwork, placement: Placement, target: Target) -> list[Section]:
    """Every memory of every core, as far as the network uses it, and the size of the input bitmap."""
    plan = Floorplan(network, target, placement.slices)
    size = np.array([plan.input_words], dtype=np.uint32)
    made = [Section("input", memory.address(memory.GLOBAL, memory.CONTROL), size)]
    for core in range(target.hardware.cores):
        program = Program(plan, target, [s for s in placement.slices if s.core == core])
        made += _of_core(program, target, core)
    return made


def _of_core(program: Program, target: Target, core: int) -> list[Section]:
    """An idle core gets one word: no jobs."""
    listen = frozenset[int]().union(*(job.wait | job.wait_before for job in program.jobs))
    control = np.array([mask(listen), len(program.jobs)], dtype=np.uint32)
    made = [Section(f"core{core}.control", memory.address(core, memory.CONTROL), control)]
    if not program.jobs:
        return made
    segment_words = memory.segment_words(target)
    segments = [word for segment in program.segments for word in segment.encode(segment_words)]
    memories = [
        ("jobs", memory.JOBS, np.asarray(encode(program.jobs))),
        ("segments", memory.SEGMENTS, np.asarray(segments)),
        ("weights", memory.WEIGHTS, memory.pack_weights(program.weights(), target.formats.weight_bits)),
        ("parameters", memory.PARAMETERS, program.parameter_words().ravel()),
    ]
    return made + [
        Section(f"core{core}.{name}", memory.address(core, kind), words.astype(np.uint32))
        for name, kind, words in memories
        if words.size
    ]


def inputs(network: IntegerNetwork, placement: Placement, target: Target) -> tuple[tuple[InputSlot, ...], int]:
    """Where the inputs' bits stand, and how many words they are together."""
    plan = Floorplan(network, target, placement.slices)
    slots = []
    for name, shape in network.inputs:
        (resident,) = plan.residents(name)
        grid = plan.layouts[name].grid
        slots.append(InputSlot(name, shape, 32 * resident.word, grid or (), plan.planes, 32 * plan.plane_words[name]))
    return tuple(slots), plan.input_words


def readouts(network: IntegerNetwork, placement: Placement, target: Target) -> tuple[Readout, ...]:
    """Where every population's spikes or membrane values come out."""
    plan = Floorplan(network, target, placement.slices)
    made = []
    for population in network.populations:
        layout = plan.layouts[population.name]
        values = 0 if population.spiking else target.hardware.spike_words
        parts = tuple(
            ReadoutPart(
                *(resident.group, resident.word + values, part.first, part.count),
                *(resident.part.block.width, resident.part.block.pitch),
            )
            for resident, part in zip(plan.residents(population.name), placement.of(population.name), strict=True)
        )
        scale = () if population.spiking else tuple(float(s) for s in population.scale)
        widths = tuple(block.width for block in layout.blocks)
        kind = "spikes" if population.spiking else "membrane"
        made.append(Readout(population.name, population.shape, kind, parts, scale, layout.grid or (), widths))
    return tuple(made)
