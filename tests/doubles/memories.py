"""Which words a device has, and which bits of them: docs/link.md's table of memories, for one target."""

from __future__ import annotations

import numpy as np

from nirdeploy.backends.fpga import jobs, memory
from nirdeploy.backends.fpga.schema import FpgaTarget


def memory_map(target: FpgaTarget) -> dict[int, int]:
    """Every memory of the device: first word address to number of words."""
    hardware, banks = target.hardware, target.hardware.lanes * target.formats.weight_bits // 32
    sizes = {
        memory.CONTROL: 1 + hardware.job_lists,
        memory.JOBS: hardware.jobs * jobs.WORDS,
        memory.WEIGHTS: hardware.weight_rows * banks,
        memory.PARAMETERS: hardware.parameters * memory.parameter_words(target),
        memory.SEGMENTS: hardware.segments * memory.segment_words(target),
    }
    cores = {memory.address(core, kind): size for core in range(hardware.cores) for kind, size in sizes.items()}
    return {memory.address(memory.GLOBAL, memory.CONTROL): 1, **cores}


def present(target: FpgaTarget, at: int, count: int) -> np.ndarray:
    """Which bits of the words from an address on are memory (uint32 masks): the others read as zero.

    The input's words are a number as wide as a bus address. A core's control is a bit per group that it listens to,
    then its number of jobs, and of those in the first list where there may be two. A neuron's parameters fill a power
    of two of words, but need fewer bits; a segment's first word holds an address as wide as the bitmaps are long, three
    marks, and more where there are maxima.
    """
    masks = np.full(count, 0xFFFFFFFF, dtype=np.uint32)
    if at >> 24 == memory.GLOBAL:
        return masks & np.uint32((1 << (target.hardware.out_words - 1).bit_length()) - 1)
    words = np.arange(count) + (at & 0xFFFFF)
    if at >> 20 & 0xF == memory.CONTROL:
        jobs_bits = (target.hardware.jobs - 1).bit_length() + 1
        widths = np.array([target.hardware.groups, jobs_bits, jobs_bits], dtype=np.uint64)
        masks = ((1 << widths[words]) - 1).astype(np.uint32)
    elif at >> 20 & 0xF == memory.PARAMETERS:
        needed = sum(memory.parameter_fields(target.formats.of_network(), target.hardware).values())
        left = np.clip(needed - 32 * (words % memory.parameter_words(target)), 0, 32)
        masks = ((1 << left.astype(np.uint64)) - 1).astype(np.uint32)
    elif at >> 20 & 0xF == memory.SEGMENTS:
        marks = 3 + target.hardware.maxima * (8 if target.hardware.spatial else 2)
        address = 32 * target.hardware.spike_words - 1
        masks[words % memory.segment_words(target) == 0] = (1 << 20 + marks) - (1 << 20) | address
    return masks
