"""nirdeploy flash and bitstream: which options go together, and what a board's loader gets."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.targets import registry
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.backends.fpga.synthesis.test_loader import BITSTREAMS
from tests.unit.cli.conftest import Cli


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    path = tmp_path / "board.bit"
    path.write_bytes(BITSTREAMS["85k"])
    return path


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A loader that notes its arguments in this file."""
    program = tmp_path / "openFPGALoader"
    program.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/called\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "called"


def test_a_board_is_loaded_for_good_and_by_serial_number(cli: Cli, bitstream: Path, called: Path) -> None:
    given = ("flash", "--board", "fpga-ulx3s", "--bitstream", bitstream)
    assert cli(*given).out == f"loaded {bitstream} into ULX3S\n"
    assert called.read_text() == f"-b ulx3s {bitstream}\n"
    assert "into ULX3S (its flash)" in cli(*given, "--persistent", "-p", "auto:D01").out
    assert called.read_text() == f"-b ulx3s --write-flash --ftdi-serial D01 {bitstream}\n"
    assert cli(*given, "--persistent", "--json").json["persistent"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--board", "fpga-ulx3s", "--force"), "--force goes with a build folder"),
        (("--board", "fpga-ulx3s", "--baud", "9600"), "--baud goes with a build folder"),
        (("--board", "fpga-ulx3s", "-t", "fpga"), "--target goes with a build folder"),
        (("--board", "fpga-ulx3s", "-p", "virtual"), "--port virtual does not say which board to load"),
        (("--board", "fpga-ulx3s", "-p", "auto"), "--port auto does not say which board to load"),
        (("--board", "fpga-colorlight-i5", "-p", "auto:07"), "cannot choose its adapter by a serial number"),
        (("build", "--persistent"), "--persistent goes with a --board"),
        (("build", "--bitstream", "board.bit"), "--bitstream goes with a --board"),
        (("--persistent",), "name either a build folder or a --board"),
        (("--board", "fpga-ulx3s", "--bitstream", "nowhere.bit"), "there is no such bitstream"),
    ],
)
def test_options_that_do_not_apply_are_refused(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = cli("flash", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_bitstream_of_another_family_is_refused(cli: Cli, bitstream: Path, called: Path) -> None:
    done = cli("flash", "--board", "fpga-icebreaker", "--bitstream", bitstream)
    assert done.code == 2
    assert "the bitstream is for a Lattice ECP5, iCEBreaker has a Lattice iCE40 (up5k)" in done.err
    assert not called.exists()


def test_a_board_whose_tools_are_not_open_says_what_to_do(cli: Cli) -> None:
    done = cli("flash", "--board", "fpga-arty-a7")
    assert done.code == 5
    assert "nirdeploy does not run Vivado" in done.err
    assert "'nirdeploy bitstream --board fpga-arty-a7' writes a project" in done.err


def test_that_nobody_named_a_port_is_said(cli: Cli, tmp_path: Path) -> None:
    build = tmp_path / "build"
    nd.build(networks.two_layers(), out=build)
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        named = cli("flash", build, "-p", served.port, "--json")
    assert (named.json["port"], named.err) == (served.port, "")
    unnamed = cli("flash", build, "--baud", "4000000")  # more than the virtual board's clock can serve: none is started
    assert unnamed.code == 6
    assert unnamed.err.startswith("no --port is named: this flashes a virtual board, which ends with this command\n")


def test_a_project_at_another_clock(cli: Cli, tmp_path: Path) -> None:
    done = cli("bitstream", "--board", "fpga-arty-a7", "--clock", "80", "-o", tmp_path / "out", "--json")
    assert done.code == 0
    board = (tmp_path / "out" / "board.v").read_text()
    assert ".divider(16'd40)" in board  # 80 MHz / 2 Mbaud
    assert ".CLKFBOUT_MULT_F(8), .DIVCLK_DIVIDE(1), .CLKOUT0_DIVIDE_F(10)" in board


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--board", "fpga-arty-a7", "--seed", "3"), "--seed is nextpnr's"),
        (("--board", "fpga-ulx3s", "--clock", "41.3"), "a clock of 41.3 MHz does not make the board's 2,000,000 baud"),
        (("--board", "fpga-ulx3s", "--clock", "2"), "at least 8"),
        (
            ("--board", "fpga-ulx3s", "--clock", "46"),
            "cannot make 46 MHz of its oscillator's 25 MHz; it makes 40, 45, 50",
        ),
    ],
)
def test_clocks_and_seeds_that_cannot_be(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = cli("bitstream", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_another_clock_and_seed_make_another_bitstream_of_the_same_hardware() -> None:
    from nirdeploy.backends.fpga.synthesis import flow

    target = registry.load("fpga-ulx3s")
    other = flow.variant(target, 50_000_000, 7)
    assert other.signature == target.signature
    assert (other.serial_board.clock_hz, other.synthesis and other.synthesis.seed) == (50_000_000, 7)
    assert flow.variant(target) == target
