"""The memories of the gather cores: their addresses (docs/link.md), and how numbers stand in their words."""

from __future__ import annotations

import numpy as np

from nirdeploy.backends.fpga.schema import FpgaTarget, Hardware
from nirdeploy.integers.parts import Formats, IntegerPopulation
from nirdeploy.integers.rounding import decayed

CONTROL, JOBS, WEIGHTS, PARAMETERS, SEGMENTS = range(5)
GLOBAL = 0xFF


def address(core: int, kind: int, offset: int = 0) -> int:
    """Word address as in docs/link.md."""
    return core << 24 | kind << 20 | offset


def parameter_words(target: FpgaTarget) -> int:
    """32-bit words per neuron in the parameter memory."""
    return 8 if target.hardware.synapse or target.hardware.dialects else 4


def segment_words(target: FpgaTarget) -> int:
    """32-bit words per segment."""
    return 4 if target.hardware.spatial else 2


def segment_marks(hardware: Hardware) -> int:
    """Bits of a segment's first word above its address."""
    return 3 + hardware.maxima * (8 if hardware.spatial else 2)


def pack_weights(rows: np.ndarray, bits: int) -> np.ndarray:
    """Places of lanes (int) as little-endian words: lane 0 in the lowest bits of a place's first word."""
    per_word = 32 // bits
    fields = (rows.astype(np.int64) & (2**bits - 1)).astype(np.uint64).reshape(-1, per_word)
    shifts = np.arange(per_word, dtype=np.uint64) * np.uint64(bits)
    return np.asarray((fields << shifts).sum(axis=1), dtype=np.uint32)


def pack_parameters(
    population: IntegerPopulation, neurons: np.ndarray, formats: Formats, hardware: Hardware, words: int
) -> np.ndarray:
    """uint32 (neurons, words): the fields, one above the other.

    Args:
        neurons: flat indices, in the order in which they stand.
    """
    columns = parameters(population, formats, hardware)
    packed = np.zeros((len(neurons), words), dtype=np.uint64)
    position = 0
    for name, width in parameter_fields(formats, hardware).items():
        value = columns[name][neurons].astype(np.int64).astype(np.uint64) & np.uint64(2**width - 1)
        word, inside = position // 32, position % 32
        packed[:, word] |= value << np.uint64(inside) & np.uint64(0xFFFFFFFF)
        if inside + width > 32:
            packed[:, word + 1] |= value >> np.uint64(32 - inside)
        position += width
    return packed.astype(np.uint32)


def parameters(population: IntegerPopulation, formats: Formats, hardware: Hardware) -> dict[str, np.ndarray]:
    """int64 (size,) of a population, by field. Where the hardware knows dialects, ``initial`` (and the synapse's) is
    what the first step of a sample adds to what enters: what decay left, and of the bias what is there by then."""
    none = np.zeros(population.size, dtype=np.int64)
    synapse = (population.synapse_decay, population.synapse_bias) if population.synaptic else (none, none)
    columns = {
        "decay": population.decay,
        "bias": population.bias,
        "threshold": population.threshold,
        "reset": population.reset_value,
        "initial": population.initial,
        "synapse_decay": synapse[0],
        "synapse_bias": synapse[1],
        "size": population.spike_size,
    }
    if hardware.dialects:
        late = np.sum([none, *(part for step, part in population.late_bias.items() if step > 0)], axis=0)
        left = decayed(population.initial, population.decay, formats.decay_bits) + population.bias
        columns["initial"] = left if population.synaptic else left - late
        columns["synapse_initial"] = synapse[1] - late if population.synaptic else none
    return columns


def parameter_fields(formats: Formats, hardware: Hardware) -> dict[str, int]:
    """Bits of a neuron's parameters, by their names, from bit 0 upwards."""
    decay, state = formats.decay_bits + 1, formats.state_bits
    fields = {"decay": decay, "bias": state, "threshold": state, "reset": state, "initial": state}
    if hardware.synapse:
        fields |= {"synapse_decay": decay, "synapse_bias": state}
    if hardware.synapse and hardware.dialects:
        fields["synapse_initial"] = state
    if hardware.dialects:
        fields["size"] = state
    return fields
