"""One small configuration per family, from Verilog to a bitstream, and what is said when it does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nirdeploy.backends.fpga.synthesis import families, flow
from nirdeploy.cli.entry import group
from nirdeploy.errors import DoesNotFit, TargetFileError
from nirdeploy.targets import registry as targets
from tests import hardware

pytestmark = pytest.mark.xdist_group("synthesis")

BOARDS = [name for name in targets.names() if targets.load(name).synthesis is not None]


@pytest.mark.parametrize("name", ["fpga-ulx3s", "fpga-tang-nano-20k"])
def test_a_small_configuration_becomes_a_bitstream_once(name: str) -> None:
    target = hardware.small_board(name)
    said: list[str] = []
    made = flow.bitstream(target, said.append)
    assert made.cached or any("routing" in line for line in said)
    assert len(made.data) > 100_000
    assert made.report.fmax_mhz >= made.report.clock_mhz
    assert made.report.signature == target.signature.hex()
    assert all(0 <= resource.used <= resource.available for resource in made.report.resources)
    assert "Device utilisation" in made.logs["routing.log"].decode()
    assert "Executing SYNTH_" in made.logs["synthesis.log"].decode()
    slowest = sum(hop.cell_ns + hop.wire_ns for hop in made.report.path)
    assert slowest == pytest.approx(1000 / made.report.fmax_mhz, rel=0.02)
    again = flow.bitstream(target)
    assert again.cached
    assert (again.data, again.report, again.logs) == (made.data, made.report, made.logs)


def test_the_icebreaker_holds_eight_lanes_in_fewer_cells_than_any_other() -> None:
    """All of its own hardware. SYNtzulu, the smallest published there, takes 3,473 logic cells at 24 MHz."""
    target = targets.load("fpga-icebreaker")
    assert target.hardware.lanes == 8
    report = flow.bitstream(target).report
    assert next(resource.used for resource in report.resources if resource.name == "logic cell") <= 2970
    assert report.fmax_mhz >= report.clock_mhz == 24


def test_what_overflows_is_said_with_its_number() -> None:
    with pytest.raises(DoesNotFit, match=r"\d+ of 4 single-port RAM \(256 kbit\)s, \d+ too many") as caught:
        flow.bitstream(hardware.overflowing_board())
    kept = Path(caught.value.hint.rpartition("the tools' logs are in ")[2])
    assert "ICESTORM_SPRAM" in (kept / "routing.log").read_text()


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_renders(name: str) -> None:
    """Sources, constraints with every pin, and the divider that makes the board's baud rate within 1 %."""
    target = targets.load(name)
    files, board = flow.sources(target), target.serial_board
    assert target.synthesis is not None
    (pins,) = [files[file].decode() for file in files if file.rpartition(".")[2] in ("lpf", "pcf", "cst", "xdc")]
    assert all(pin in pins for pin in target.synthesis.pins.values())
    divider = round(board.clock_hz / board.baud)
    assert f".divider(16'd{divider})" in files["board.v"].decode()
    assert abs(board.clock_hz / divider / board.baud - 1) < 0.01


@pytest.mark.parametrize("name", BOARDS)
def test_the_pll_makes_the_clock(name: str) -> None:
    """The families' equations: Lattice TN1263 (ECP5), TN1251 (iCE40), Xilinx UG472 (MMCM)."""
    target = targets.load(name)
    assert target.synthesis is not None
    pll, source, clock = target.synthesis.pll, target.synthesis.oscillator_hz, target.serial_board.clock_hz
    if not pll:
        made = float(source)
    elif target.synthesis.family == "ecp5":
        assert source / pll["CLKI_DIV"] >= 10e6
        inside = source / pll["CLKI_DIV"] * pll["CLKFB_DIV"] * pll["CLKOP_DIV"]
        assert 400e6 <= inside <= 800e6
        made = inside / pll["CLKOS_DIV"]
    elif target.synthesis.family == "ice40":
        inside = source * (pll["DIVF"] + 1) / (pll["DIVR"] + 1)
        assert 533e6 <= inside <= 1066e6
        made = inside / 2 ** pll["DIVQ"]
    else:
        inside = source * pll["CLKFBOUT_MULT_F"] / pll["DIVCLK_DIVIDE"]
        assert 600e6 <= inside <= 1200e6
        made = inside / pll["CLKOUT0_DIVIDE_F"]
    assert made == clock


def test_where_the_tools_are_not_open_a_project_is_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(group, ["bitstream", "--board", "fpga-arty-a7", "-o", str(tmp_path), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["script"] == str(tmp_path / "board.tcl")
    script = (tmp_path / "board.tcl").read_text()
    assert "create_project -in_memory -part xc7a35ticsg324-1L" in script
    assert (tmp_path / "rtl" / "device.v").is_file()


def test_a_target_without_a_board_is_refused() -> None:
    with pytest.raises(TargetFileError, match="no board that a bitstream is made for"):
        families.synthesis(targets.load("fpga"))
