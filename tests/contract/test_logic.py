"""What a small configuration of each family takes, by estimate, against synthesis and packing now."""

from __future__ import annotations

from pathlib import Path

import pytest

from nirdeploy.backends.fpga.cost import logic
from nirdeploy.backends.fpga.synthesis import flow, report, tools
from nirdeploy.targets.tables import Target
from tests import hardware

pytestmark = pytest.mark.xdist_group("synthesis")

# What test_bitstream.py synthesizes too.
TARGETS = [
    hardware.small_board("fpga-ulx3s"),
    hardware.overflowing_board(),
    hardware.small_board("fpga-tang-nano-20k"),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_estimate_is_within_15_percent_of_what_nextpnr_packs(target: Target) -> None:
    estimated = {use.name: use for use in logic.chip_use(target)}
    packed = flow.packed(target)
    assert {resource.name for resource in packed} == set(estimated)
    for resource in packed:
        assert estimated[resource.name].used == pytest.approx(resource.used, rel=0.15), resource.name
        assert estimated[resource.name].available == resource.available


def test_the_blocks_of_a_xilinx_chip_are_those_of_synth_xilinx(tmp_path: Path) -> None:
    """As far as memories and products are mapped; its logic cells are not estimated."""
    target = hardware.small_board("fpga-arty-a7", weight_rows=1024, state_bits=24, accumulator_bits=20, decay_bits=16)
    flow.sources(target).save(tmp_path)
    files = " ".join(path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.v")))
    mapped = "synth_xilinx -family xc7 -top board -run begin:map_ffram"
    tools.yosys([f"read_verilog {files}", mapped, "tee -q -o cells.json stat -json"], tmp_path)
    cells = report.netlist_cells((tmp_path / "cells.json").read_text())
    estimated = {use.name: use.used for use in logic.chip_use(target)}
    assert estimated["block RAM (18 kbit)"] == cells["RAMB18E1"] + 2 * cells.get("RAMB36E1", 0)
    assert estimated["multiplier"] == cells["DSP48E1"]
