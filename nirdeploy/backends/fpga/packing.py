"""A placed network as the words of the gather cores' memories, and where its spikes come out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nirdeploy.backends.fpga import memory
from nirdeploy.backends.fpga.cost import work
from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.jobs import encode, mask
from nirdeploy.backends.fpga.plan import Plan
from nirdeploy.backends.fpga.program import Program
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.targets.slots import InputSlot, Readout, ReadoutPart, Section


def sections(plan: Plan, target: FpgaTarget, number: int = 0) -> list[Section]:
    """Every memory of every core, as far as the network uses it, and the size of the input bitmap.

    ``number``: of the pass, if it is one of several. Where the board plays passes from external memory, every other one
    stands at the end of the memories, so that it can be loaded while the one before it runs.
    """
    size = np.array([plan.floorplan.input_words], dtype=np.uint32)
    made = [Section("input", memory.address(memory.GLOBAL, memory.CONTROL), size)]
    splits = work.splits([program.jobs for program in plan.programs.values()], target.hardware)
    for (core, program), split in zip(plan.programs.items(), splits, strict=True):
        made += _of_core(program, target, core, split, bool(target.hardware.external and number % 2))
    return made


def _of_core(program: Program, target: FpgaTarget, core: int, split: int, at_end: bool) -> list[Section]:
    """An idle core gets no more than its control. ``split``: jobs in the first list, where there are two; ``at_end``:
    of all memories but that of the jobs."""
    listen = frozenset[int]().union(*(job.wait | job.wait_before for job in program.jobs))
    lists = [split] if target.hardware.job_lists > 1 else []
    control = np.array([mask(listen), len(program.jobs), *lists], dtype=np.uint32)
    made = [Section(f"core{core}.control", memory.address(core, memory.CONTROL), control)]
    if not program.jobs:
        return made
    rows = target.hardware.weight_rows - program.weight_rows if at_end else 0
    slots = target.hardware.parameters // target.hardware.update - program.parameter_slots if at_end else 0
    first = target.hardware.segments - len(program.segments) if at_end else 0
    jobs = [
        replace(job, first_segment=job.first_segment + first, parameter_slot=job.parameter_slot + slots)
        for job in program.jobs
    ]
    segment_words, parameter_words = memory.segment_words(target), memory.parameter_words(target)
    segments = [word for one in program.segments for word in one.moved(rows).encode(segment_words)]
    row_words = target.hardware.lanes * target.formats.weight_bits // 32
    weights = memory.pack_weights(program.weights(), target.formats.weight_bits)
    neuron = slots * target.hardware.update
    memories = [
        ("jobs", memory.JOBS, 0, np.asarray(encode(jobs, split))),
        ("segments", memory.SEGMENTS, first * segment_words, np.asarray(segments)),
        ("weights", memory.WEIGHTS, rows * row_words, weights),
        ("parameters", memory.PARAMETERS, neuron * parameter_words, program.parameter_words().ravel()),
    ]
    return made + [
        Section(f"core{core}.{name}", memory.address(core, kind, offset), words.astype(np.uint32))
        for name, kind, offset, words in memories
        if words.size
    ]


def inputs(floorplan: Floorplan) -> tuple[tuple[InputSlot, ...], int]:
    """Where the inputs' bits stand, and how many words they are together."""
    slots, takes = [], floorplan.network.takes
    for name, shape in floorplan.network.inputs:
        (resident,) = floorplan.residents(name)
        grid, planes = floorplan.layouts[name].grid, floorplan.planes(name)
        numbers = (planes, 32 * resident.plane_words, takes[name].scale, takes[name].zero, takes[name].border)
        slots.append(InputSlot(name, shape, 32 * resident.word, grid or (), *numbers))
    return tuple(slots), floorplan.input_words


def readouts(floorplan: Floorplan, target: FpgaTarget) -> tuple[Readout, ...]:
    """Where every population's spikes or membrane values come out."""
    made = []
    for population in floorplan.network.populations:
        name, layout = population.name, floorplan.layouts[population.name]
        values = 0 if population.spiking else target.hardware.spike_words
        parts = tuple(
            ReadoutPart(
                *(resident.group, resident.word + values, part.first, part.count),
                *(resident.part.block.width, resident.part.block.pitch),
                *((floorplan.planes(name), 32 * resident.plane_words) if population.spiking else ()),
            )
            for resident, part in zip(floorplan.residents(name), floorplan.slices(name), strict=True)
        )
        scale = () if population.spiking else tuple(float(s) for s in population.scale)
        widths = tuple(block.width for block in layout.blocks)
        kind = "spikes" if population.spiking else "membrane"
        late = int(population.rules.spike_delay)
        made.append(Readout(name, population.shape, kind, parts, scale, layout.grid or (), widths, late))
    return tuple(made)
