"""What the hardware takes of a chip, by estimate, against what nextpnr counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nirdeploy.backends.fpga.cost import blocks, logic
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

RECORDED = Path(__file__).parents[5] / "tools" / "logic_measured.json"
HELD = [one for one in json.loads(RECORDED.read_text())["measured"] if one["held"]]
ALL = json.loads(RECORDED.read_text())["measured"]
BOARDS = {"ecp5": "fpga-ulx3s", "ice40": "fpga-icebreaker", "gowin": "fpga-tang-nano-20k"}


def _target(one: dict[str, Any]) -> Target:
    if one["name"] in targets.names():  # a board as it comes
        return targets.load(one["name"])
    data = targets.load(BOARDS[one["family"]]).model_dump(by_alias=True)
    data["hardware"]["external"] = 0  # what was drawn has none
    for key, value in one["parameters"].items():
        data[next(table for table in ("hardware", "formats", "synthesis") if key in data[table])][key] = value
    data["models"] = {name: said for name, said in data["models"].items() if not name.startswith("Cuba")}
    return targets.validate(data, where=one["name"])


def _counts(one: dict[str, Any]) -> dict[str, int]:
    target = _target(one)
    own = target.synthesis.cells if one["name"] in targets.names() and target.synthesis is not None else ()
    return logic.counts(one["family"], target.hardware, target.formats, one["parameters"]["events"], own)


@pytest.mark.parametrize("one", HELD, ids=lambda one: f"{one['family']} {one['name']}")
def test_configurations_that_were_not_fitted_are_met_within_15_percent(one: dict[str, Any]) -> None:
    estimated = _counts(one)
    for name, counted in one["counts"].items():
        assert estimated[name] == pytest.approx(counted, rel=0.15), name


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one['family']} {one['name']}")
def test_blocks_and_multipliers_are_counted_exactly(one: dict[str, Any]) -> None:
    """What was recorded first kept counters where that is cheapest; today they stand in a block, as identity does."""
    estimated = _counts(one)
    if "block RAM (18 kbit)" in estimated and not one["anew"]:  # in distributed RAM, then
        estimated["block RAM (18 kbit)"] -= 1
    for name in ("block RAM (18 kbit)", "block RAM (4 kbit)", "single-port RAM (256 kbit)", "multiplier"):
        assert estimated.get(name) == one["counts"].get(name), name


def test_every_family_and_every_board_was_held_out() -> None:
    held = {one["name"] for one in HELD}
    assert {one["family"] for one in HELD} == set(BOARDS)
    assert held >= {*BOARDS.values(), "fpga-colorlight-i5", "mnist, 8 lanes", "mnist, 32 lanes", "mnist, 128 lanes"}


@pytest.mark.parametrize("name", [*BOARDS.values(), "fpga-colorlight-i5"])
def test_every_board_fits_its_chip(name: str) -> None:
    found = logic.chip_use(targets.load(name))
    assert len(found) >= 3
    assert all(use.available is not None and 0 < use.used <= use.available for use in found)


def test_totals_of_the_chips() -> None:
    """As Lattice and Gowin give them."""
    known = {
        "fpga-ulx3s": {"LUT4": 83640, "block RAM (18 kbit)": 208, "multiplier": 156},
        "fpga-colorlight-i5": {"LUT4": 24288, "block RAM (18 kbit)": 56, "multiplier": 28},
        "fpga-icebreaker": {
            **{"logic cell": 5280, "block RAM (4 kbit)": 30, "single-port RAM (256 kbit)": 4, "multiplier": 8},
        },
        "fpga-tang-nano-20k": {"LUT4": 20736, "block RAM (18 kbit)": 46, "multiplier": 48},
    }
    for name, totals in known.items():
        found = {use.name: use.available for use in logic.chip_use(targets.load(name))}
        assert found.items() >= totals.items()


def test_a_chip_that_is_not_known_has_no_totals() -> None:
    data = targets.load("fpga-ulx3s").model_dump(by_alias=True)
    data["synthesis"]["device"] = "1000k"
    found = logic.chip_use(targets.validate(data, where="large"))
    assert all(use.available is None and use.used > 0 for use in found)
    assert [use.over for use in found] == [0] * len(found)


def test_where_no_bitstream_is_made_nothing_is_said() -> None:
    assert logic.chip_use(targets.load("fpga")) == ()


@pytest.mark.parametrize(
    ("rows", "blocks_18", "over"),
    [
        (2048, 43 + 2 * 37, 17),  # RAMB18E1 and RAMB36E1 of synth_xilinx -family xc7 (pyosys 0.70)
        (1024, 43 + 2 * 21, 0),
    ],
)
def test_blocks_of_a_chip_without_open_tools_are_counted(rows: int, blocks_18: int, over: int) -> None:
    arty = targets.load("fpga-arty-a7").with_hardware(weight_rows=rows, held=0, counters=0)
    found = {use.name: use for use in logic.chip_use(arty)}
    assert set(found) == {"block RAM (18 kbit)", "multiplier"}
    used = found["block RAM (18 kbit)"]
    assert (used.used, used.available, used.over) == (blocks_18, 100, over)
    assert (found["multiplier"].used, found["multiplier"].available) == (36, 90)


def test_the_arty_fits_its_chip() -> None:
    assert not any(use.over for use in logic.chip_use(targets.load("fpga-arty-a7")))


@pytest.mark.parametrize(
    ("family", "memory", "kind", "cells"),
    [
        ("ecp5", blocks.Memory(32, 16), blocks.DISTRIBUTED, 8),
        ("ecp5", blocks.Memory(32, 512), blocks.BLOCK, 1),
        ("ecp5", blocks.Memory(32, 4096, ports=1), blocks.BLOCK, 8),
        ("ecp5", blocks.Memory(8, 2048), blocks.BLOCK, 1),
        ("ecp5", blocks.Memory(1, 4), blocks.REGISTERS, 4),
        ("ice40", blocks.Memory(32, 16384, ports=1), blocks.SINGLE, 2),
        ("ice40", blocks.Memory(32, 16384), blocks.BLOCK, 128),
        ("ice40", blocks.Memory(20, 256), blocks.BLOCK, 2),
        ("gowin", blocks.Memory(36, 512), blocks.BLOCK, 1),
        ("vivado", blocks.Memory(32, 512), blocks.BLOCK, 1),
        ("vivado", blocks.Memory(32, 1024, ports=1), blocks.BLOCK, 2),
        ("vivado", blocks.Memory(96, 512), blocks.BLOCK, 3),
        ("vivado", blocks.Memory(10, 256), blocks.DISTRIBUTED, 16),
        ("vivado", blocks.Memory(191, 16), blocks.DISTRIBUTED, 32),
    ],
)
def test_where_a_memory_goes(family: str, memory: blocks.Memory, kind: str, cells: int) -> None:
    assert blocks.choose(family, memory)[:2] == (kind, cells)


@pytest.mark.parametrize(
    ("family", "operands", "whole"),
    [
        *(("ecp5", (24, 18), 2), ("ecp5", (19, 18), 1), ("gowin", (20, 17), 1)),
        *(("ice40", (16, 18), 2), ("ice40", (24, 18), 3)),
        *(("vivado", (25, 18), 1), ("vivado", (27, 18), 2), ("vivado", (24, 20), 2)),
    ],
)
def test_products_are_cut_to_multipliers(family: str, operands: tuple[int, int], whole: int) -> None:
    assert blocks.MULTIPLIERS[family].pieces(*operands)[0] == whole
