"""What the gather cores take of a chip, from their parameters alone, without any toolchain.

Block RAMs and multipliers are counted (:mod:`nirdeploy.backends.fpga.cost.blocks`). Logic cells and registers are sums
of terms, each a size of the hardware times what one of it takes: ``logic.toml`` holds the coefficients, fitted to what
synthesis and packing took of other configurations, and what the chips have. ``tools/fit_logic.py`` writes it. Of a
family that it does not measure, blocks and multipliers are all that is said.
"""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from nirdeploy.backends.fpga.cost import blocks
from nirdeploy.backends.fpga.schema import FpgaTarget, Hardware
from nirdeploy.integers.parts import Formats
from nirdeploy.targets.placement import ChipUse

#: What a family's blocks are called where it is reported what a bitstream takes.
_BLOCKS = {
    "ecp5": {blocks.BLOCK: "block RAM (18 kbit)"},
    "ice40": {blocks.BLOCK: "block RAM (4 kbit)", blocks.SINGLE: "single-port RAM (256 kbit)"},
    "gowin": {blocks.BLOCK: "block RAM (18 kbit)", blocks.DISTRIBUTED: "distributed RAM (16 x 4)"},
    "vivado": {blocks.BLOCK: "block RAM (18 kbit)"},
}
_MULTIPLIER = "multiplier"


def chip_use(target: FpgaTarget) -> tuple[ChipUse, ...]:
    """Of the chip that a target's bitstream is for; nothing where there is none."""
    chosen = target.synthesis
    if chosen is None or chosen.family not in _BLOCKS:
        return ()
    family, chips = chosen.family, load()["chips"].get(chosen.family, {})
    totals = chips.get(chosen.device, chips.get(chosen.package, {}))
    used = counts(family, target.hardware, target.formats.of_network(), chosen.events, chosen.cells)
    return tuple(ChipUse(name, number, totals.get(name)) for name, number in used.items())


def counts(
    family: str, hardware: Hardware, formats: Formats, events: bool = True, own: tuple[str, ...] = ()
) -> dict[str, int]:
    """By the name of the resource.

    Args:
        events: with the logic that sends spikes as events.
        own: modules that stand in cells of the family's own (``cells`` in a board's file).
    """
    size = terms(family, hardware, formats, events)
    if "lane_sums" in own:  # of a lane's two registers, the one that adds
        size["lane bits"] /= 2
    kind = "compact" if hardware.compact else "pipelined"
    found = {
        name: round(sum(value * size[term] for term, value in fitted[kind].items()))
        for name, fitted in load()["fitted"].get(family, {}).items()
        if kind in fitted
    }
    cells = blocks.map_memories(family, hardware, formats)
    found |= {name: cells[block] for block, name in _BLOCKS[family].items()}
    looked_up, adding = blocks.map_own(family, hardware, own)
    found[_BLOCKS[family][blocks.BLOCK]] += looked_up
    return {**found, _MULTIPLIER: blocks.map_products(family, hardware, formats)[0] + adding}


def terms(family: str, hardware: Hardware, formats: Formats, events: bool) -> dict[str, float]:
    """The sizes that logic grows with, of all cores together."""
    cores, units = hardware.cores, hardware.cores * hardware.update
    state, sums = formats.state_bits, formats.accumulator_bits
    entering = max(state, sums + formats.shift_max) + 3  # bits of what is added to a membrane
    group, address = (hardware.groups - 1).bit_length(), (hardware.out_words - 1).bit_length()
    depths = (hardware.weight_rows, hardware.spike_words, hardware.segments, hardware.neurons, hardware.parameters)
    cells = blocks.map_memories(family, hardware, formats)
    parts = hardware.number_bits(formats.weight_bits) - hardware.place_bits  # of weight rows: 0, 2 (halves) or 3
    return {
        "device": 1,
        "events": int(events),
        "held": hardware.held,
        "counters": int(hardware.counters > 0),
        "external": int(hardware.external > 0),
        "groups": hardware.groups,
        "core": cores,
        "core message bits": cores * (group + address + 35),
        "core groups": cores * hardware.groups,
        "address bits": cores * sum((size - 1).bit_length() for size in depths),
        "lanes": cores * hardware.lanes,
        "lane bits": cores * hardware.lanes * sums,
        "weight words": cores * hardware.lanes * formats.weight_bits // 32,
        "part bits": cores * parts,
        "part lane bits": cores * parts * hardware.lanes * formats.weight_bits,
        "update": units,
        "update state bits": units * state,
        "update input bits": units * entering,
        "synapse bits": units * hardware.synapse * (state + entering),
        "dialect bits": units * hardware.dialects * state,
        "spike plane bits": units * state * (hardware.spike_planes if hardware.spike_planes > 1 else 0),
        "grid": cores * hardware.spatial,
        "plane bits": units * sums * (hardware.bit_planes > 1),
        "maximum bits": units * sums * hardware.maxima,
        "distributed RAM": cells[blocks.DISTRIBUTED],
        "register bits": cells[blocks.REGISTERS],
        "multiplexer bits": cells.muxes,
        "product bits": blocks.map_products(family, hardware, formats)[1],
    }


@functools.cache
def load() -> dict[str, Any]:
    """What ``logic.toml`` holds: ``chips`` (totals) and ``fitted`` (coefficients), by family."""
    return tomllib.loads(Path(__file__).with_name("logic.toml").read_text(encoding="utf-8"))
