"""Loaders: the command for every board, what they do not do, and whose bitstream a file is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nirdeploy.backends.fpga.synthesis import identify, loader
from nirdeploy.backends.fpga.synthesis.identify import Chip
from nirdeploy.errors import ToolMissing, TransferError, UsageProblem
from nirdeploy.targets import registry
from tests.unit.backends.fpga.synthesis import tiny

#: How files of each kind begin: comments, then what the chip looks for.
ECP5 = b"\xff\x00Part: LFE5U-%bF-6CABGA381\x00\xff\xff\xff\xbd\xb3\xff\xff\xff\xff\x3b\x00\x00\x00\xe2\x00\x00\x00"
BITSTREAMS = {
    "25k": ECP5 % b"25" + bytes.fromhex("41111043") + bytes(100),
    "85k": ECP5 % b"85" + bytes.fromhex("41113043") + bytes(100),
    "ice40": b"\xff\x00\x00\xff\x7e\xaa\x99\x7e\x51\x00\x01\x05" + bytes(100),
    "gowin": b"//Part: GW2A\n" + b"1" * 64 + b"\n" + f"{0x06 << 56 | 0x81B:064b}\n".encode() + b"0" * 16,
    "gowin, another": b"1" * 64 + b"\n" + f"{0x06 << 56 | 0x1100581B:064b}\n".encode(),
    "vivado": bytes.fromhex("00090ff00ff00ff00ff0000001") + bytes(60) + b"\xff\xff\xff\xff\xaa\x99\x55\x66",
    "none": b"hello",
    "empty": b"",
}
OWN = {
    "fpga-ulx3s": "85k",
    "fpga-colorlight-i5": "25k",
    "fpga-icebreaker": "ice40",
    "fpga-tang-nano-20k": "gowin",
    "fpga-arty-a7": "vivado",
}


@pytest.mark.parametrize("name", OWN)
def test_a_board_takes_its_own_bitstream_and_no_other(name: str, tmp_path: Path) -> None:
    target, file = registry.load(name), tmp_path / "file"
    for kind, data in BITSTREAMS.items():
        file.write_bytes(data)
        if kind == OWN[name]:
            identify.check(target, file)
            continue
        with pytest.raises(UsageProblem, match=r"is for another chip|is for a |no bitstream that nirdeploy knows"):
            identify.check(target, file)


def test_what_is_wrong_with_a_bitstream_is_said(tmp_path: Path) -> None:
    file = tmp_path / "board.bit"
    file.write_bytes(BITSTREAMS["ice40"])
    with pytest.raises(UsageProblem, match=r"for a Lattice iCE40, ULX3S has a Lattice ECP5 \(85k\)"):
        identify.check(registry.load("fpga-ulx3s"), file)
    file.write_bytes(BITSTREAMS["25k"])
    with pytest.raises(UsageProblem, match=r"for another chip \(25k\), ULX3S has a Lattice ECP5 \(85k\)"):
        identify.check(registry.load("fpga-ulx3s"), file)


@pytest.mark.parametrize("name", ["fpga-colorlight-i5", "fpga-icebreaker", "fpga-tang-nano-20k"])
def test_what_the_packers_write_is_known(name: str, tmp_path: Path) -> None:
    """Routed and packed by the real tools, which also take the boards' files of pins as they are."""
    target = registry.load(name)
    _, log = tiny.routed(name, tmp_path)
    assert "unsupported" not in log.lower()
    registers = log.count("IOLOGIC component")  # in pins: the memory's clock, command, bank, address and data
    assert registers == (1 + 3 + 2 + 11 + 32 if target.hardware.external and name != "fpga-tang-nano-20k" else 0)
    (file,) = [path for path in tmp_path.iterdir() if path.suffix in (".bit", ".bin", ".fs")]
    identify.check(target, file)
    assert identify.chip_of(file.read_bytes()) == {
        "fpga-colorlight-i5": Chip("ecp5", 0x41111043),
        "fpga-icebreaker": Chip("ice40"),
        "fpga-tang-nano-20k": Chip("gowin", 0x81B),
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_the_command_of_every_board(name: str) -> None:
    target, file = registry.load(name), Path("board.bit")
    plain = loader.command(target, file)
    assert (plain[0], plain[-1]) == ("openFPGALoader", "board.bit")
    assert ("--write-flash" in plain) == (name == "fpga-icebreaker")
    assert loader.command(target, file, persistent=True).count("--write-flash") == 1
    if name == "fpga-colorlight-i5":
        with pytest.raises(UsageProblem, match="cannot choose its adapter by a serial number"):
            loader.command(target, file, serial="ib01")
    else:
        assert loader.command(target, file, serial="ib01")[-3:] == ["--ftdi-serial", "ib01", "board.bit"]


def test_a_loader_that_writes_no_flash_says_so() -> None:
    data = registry.load("fpga-ulx3s").model_dump(by_alias=True)
    data["synthesis"]["loader_persistent"] = None
    with pytest.raises(UsageProblem, match="the loader of ULX3S does not write its flash"):
        loader.command(registry.validate(data, where="mine"), Path("board.bit"), persistent=True)


def test_the_loader_gets_the_command_and_its_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, file = registry.load("fpga-ulx3s"), tmp_path / "board.bit"
    file.write_bytes(BITSTREAMS["85k"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ToolMissing, match="openFPGALoader is not installed; install it and run: openFPGALoader -b ulx3s"
    ):
        loader.load(target, file)
    program = tmp_path / "openFPGALoader"
    program.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/called\nexit $(($# > 5))\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    loader.load(target, file, serial="D01")
    assert (tmp_path / "called").read_text() == f"-b ulx3s --ftdi-serial D01 {file}\n"
    with pytest.raises(TransferError, match="failed with status 1"):
        loader.load(target, file, serial="D01", persistent=True)
    file.write_bytes(BITSTREAMS["gowin"])
    (tmp_path / "called").unlink()
    with pytest.raises(UsageProblem):
        loader.load(target, file)
    assert not (tmp_path / "called").exists()
