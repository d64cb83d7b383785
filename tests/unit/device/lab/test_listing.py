"""Which boards there are, and who has them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.device.lab import listing
from nirdeploy.records import boards, claims
from nirdeploy.targets import registry
from tests.doubles.device import DeviceModel, ServedModel
from tests.plugged import Plug, adapter

Lab = Callable[[str], Path]
FILE = """
[boards.bench1]
port = "auto:D00137"
target = "fpga-ulx3s"
[boards.ci]
port = "fault:drop=0.1:virtual"
target = "fpga"
[boards.rack]
port = "socket://rack:4001"
target = "fpga"
"""
HOST = """
import sys
from nirdeploy.device.ports import SerialPort
port = SerialPort(sys.argv[1], 115200)
print(flush=True)
sys.stdin.read(1)
"""


def test_nothing_is_there(lab: Lab, plugged: Plug) -> None:
    assert listing.listed() == []


def test_real_and_virtual_free_and_absent(lab: Lab, plugged: Plug) -> None:
    lab(FILE)
    bench, ci, rack = listing.listed()
    assert (bench.name, bench.kind, bench.state, bench.device) == ("bench1", "real", "absent", None)
    assert "serial number 'D00137'" in bench.why
    assert (ci.kind, ci.state, ci.port) == ("virtual", "free", "virtual")
    assert (rack.kind, rack.state, rack.device) == ("real", "free", "socket://rack:4001")
    plugged(adapter("/dev/ttyUSB7"), adapter("/dev/ttyUSB8", serial="D2"), adapter("/dev/ttyUSB9", "dead:beef"))
    bench, _, _, other = listing.listed()
    assert (bench.state, bench.device) == ("free", "/dev/ttyUSB7")
    assert (other.name, other.targets, other.why) == (None, ("fpga-ulx3s",), "serial number D2")
    assert other.as_dict()["target"] == "fpga-ulx3s"
    assert bench.row()["port"] == "auto:D00137 (/dev/ttyUSB7)"


def test_what_is_no_port_is_absent_and_an_unknown_target_said(lab: Lab, plugged: Plug, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    entries = {"folder": (str(tmp_path), "fpga"), "file": (str(tmp_path / "file"), "fpga"), "ci": ("virtual", "fpgaa")}
    lab("".join(f'[boards.{name}]\nport = "{port}"\ntarget = "{of}"\n' for name, (port, of) in entries.items()))
    folder, a_file, ci = listing.listed()
    assert (folder.state, a_file.state) == ("absent", "absent")
    assert folder.why.startswith(f"{tmp_path} is no serial port but a folder")
    assert a_file.why.startswith(f"{tmp_path / 'file'} is no serial port but a file")
    assert "fpgaa" in ci.why
    assert "did you mean 'fpga'" in ci.why


@pytest.mark.parametrize("port", ["virtual", "auto:D00137", "/dev/ttyUSB7", "/dev/nowhere"])
@pytest.mark.parametrize(("target", "said"), [("fpgaa", "did you mean 'fpga'"), ("speck2f", "has no board that")])
def test_a_board_that_nobody_can_use_is_not_free(lab: Lab, plugged: Plug, port: str, target: str, said: str) -> None:
    lab(f'[boards.a]\nport = "{port}"\ntarget = "{target}"\n')
    plugged(adapter("/dev/ttyUSB7", "dead:beef"))
    (one,) = listing.listed()
    assert (one.state, said in one.why) == ("wrong", True)
    assert one.device == (port if port == "/dev/ttyUSB7" else None)


def test_who_has_claimed_a_board_has_it(lab: Lab, plugged: Plug) -> None:
    """Not the first who has its port open: that one only looks on."""
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        lab(f'[boards.a]\nport = "{served.port}"\ntarget = "fpga"\n')
        command = processes.command("-c", HOST, served.port)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=processes.environment()
        ) as host:
            assert host.stdout
            assert host.stdout.readline()
            (open_,) = listing.listed()
            with claims.claim(os.path.realpath(served.port), "board 'a'"):
                (claimed,) = listing.listed()
    assert open_.by is not None
    assert claimed.by is not None
    assert (open_.by.pid, open_.claimed) == (host.pid, False)
    assert (claimed.by.pid, claimed.claimed) == (os.getpid(), True)


def test_several_boards_have_the_same_adapter(lab: Lab, plugged: Plug) -> None:
    plugged(adapter("/dev/ttyUSB0", "0403:6010", None), adapter("/dev/ttyUSB1", "0403:6010", None))
    (found,) = listing.listed()
    assert found.device == "/dev/ttyUSB1"  # the second of its ports
    assert {"fpga-icebreaker", "fpga-arty-a7"} <= set(found.targets)
    assert found.as_dict()["target"] is None
    assert "no serial number" in found.why


def test_busy_and_by_whom(lab: Lab, plugged: Plug) -> None:
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        lab(f'[boards.a]\nport = "{served.port}"\ntarget = "fpga"\n')
        with boards.announced(served.port, "lab7", "fpga", 9600):
            command = processes.command("-c", HOST, served.port)
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=processes.environment()
            ) as host:
                assert host.stdout
                assert host.stdout.readline()
                real, virtual = listing.listed()
            free, _ = listing.listed()
    assert (real.state, virtual.state, free.state) == ("busy", "busy", "free")
    assert real.by is not None
    assert virtual.by is not None
    assert real.by.pid == virtual.by.pid == host.pid
    assert "python" in real.by.command
    shown = virtual.as_dict()
    assert (shown["name"], shown["pid"], shown["baud"]) == ("lab7", os.getpid(), 9600)
    assert shown["by"] == virtual.by.as_dict()
    assert f"process {host.pid}" in str(virtual.row()["by"])
