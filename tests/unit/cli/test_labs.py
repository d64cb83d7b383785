"""Boards by name on the command line: listed, started, opened, loaded, switched."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.records import boards, claims
from nirdeploy.targets import registry
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel
from tests.labs import Lab, alone
from tests.plugged import Plug, adapter, plug
from tests.unit.backends.fpga.synthesis.test_loader import BITSTREAMS
from tests.unit.cli.conftest import Cli


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return alone(tmp_path, monkeypatch)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Plug:
    return plug(monkeypatch)


def of(port: str, target: str = "fpga", more: str = "") -> str:
    return f'[boards.bench1]\nport = "{port}"\ntarget = "{target}"\n{more}\n'


def test_list_says_what_there_is_and_which_file(cli: Cli, lab: Lab, plugged: Plug) -> None:
    none = cli("board", "list")
    assert none.out == "no board is running or plugged in\nno boards.toml names any: see docs/labs.md\n"
    path = lab(of("auto:D00137", "fpga-ulx3s"))
    plugged(adapter("/dev/ttyUSB7"))
    with boards.announced("/dev/pts/77", "lab7", "fpga", 9600):
        listed = cli("board", "list")
        found = cli("board", "list", "--json").json
    assert f"names are from {path}" in listed.out
    assert found["file"] == str(path)
    real, virtual = found["boards"]
    assert (real["name"], real["kind"], real["device"], real["state"]) == ("bench1", "real", "/dev/ttyUSB7", "free")
    assert (virtual["name"], virtual["kind"], virtual["port"]) == ("lab7", "virtual", "/dev/pts/77")
    elsewhere = path.rename(path.with_name("elsewhere.toml"))
    assert cli("board", "list", "--json").json["file"] is None
    assert cli("board", "list", "--json", "--boards", elsewhere).json["file"] == str(elsewhere)
    assert cli("board", "list", "--json").json["file"] is None  # the option is gone with its command
    assert cli("board", "list", "--boards", "nowhere.toml").code == 2


def test_a_malformed_file_is_one_error(cli: Cli, lab: Lab) -> None:
    lab("[boards.a]\nport = 1\n")
    for command in (("board", "list"), ("info", "-p", "a"), ("board", "start", "b")):
        outcome = cli(*command, "--json")
        assert (outcome.code, outcome.json["error"]["code"]) == (3, "E306")
        assert "boards.a.port" in outcome.err


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a b", "", "\x1b[31m", "virtual", "sim", "fpga", "COM3"])
def test_names_are_never_paths(cli: Cli, lab: Lab, name: str) -> None:
    for command in (("start", name), ("stop", name), ("power", name, "on")):
        outcome = cli("board", *command)
        assert (outcome.code, "a board cannot be called" in outcome.err) == (2, True)
        assert "\x1b" not in outcome.err
    assert list(Path.cwd().parent.iterdir()) == [Path.cwd()]  # nothing was made


def test_real_boards_are_neither_started_nor_stopped(cli: Cli, lab: Lab) -> None:
    lab(of("/dev/ttyUSB7"))
    assert "there is a board 'bench1' already" in cli("board", "start", "bench1").err
    stopped = cli("board", "stop", "bench1")
    assert (stopped.code, "nirdeploy board power bench1 off" in stopped.err) == (6, True)


def test_a_name_is_a_port(cli: Cli, lab: Lab) -> None:
    built = nd.build(networks.two_layers(), "fpga", "build")
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        path = lab(of(served.port))
        flashed = cli("flash", "build", "-p", "bench1")
        assert flashed.code == 0, flashed.err
        assert f"board 'bench1' of {path}: port {served.port}, target fpga" in flashed.err
        info = cli("info", "-p", "bench1", "--json").json
        assert (info["is_target"], info["image"]) == (True, built.image.digest())
        with claims.claim(served.port, "board 'bench1'"):
            busy = cli("flash", "build", "-p", "bench1", "--json")
        assert (busy.code, busy.json["error"]["code"]) == (6, "E602")
    lab(of("/dev/nowhere", "fpga-ulx3s"))
    np.save("x.npy", np.zeros((2, 1, 20), dtype=np.uint8))
    for command in (
        ("flash", "build", "-p", "bench1"),
        ("run", "build", "x.npy", "-p", "bench1", "-o", "r.nird"),
        ("verify", "build", "-x", "x.npy", "-p", "fault:drop=0.1:bench1"),
        ("evaluate", "build", "-x", "x.npy", "--labels", "labels.npy", "-p", "bench1"),
    ):
        np.save("labels.npy", np.zeros(1, dtype=np.int64))
        wrong = cli(*command, "--json")
        assert (wrong.code, wrong.json["error"]["code"]) == (7, "E702"), command
    unknown = cli("flash", "build", "-p", "bench2")
    assert (unknown.code, "did you mean 'bench1'?" in unknown.err) == (6, True)


LOADER = """#!/bin/sh
echo "$@" > {said}
"""


def test_a_board_is_loaded_by_its_name(
    cli: Cli, lab: Lab, plugged: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, programs = tmp_path / "said", tmp_path / "programs"
    programs.mkdir()
    (programs / "openFPGALoader").write_text(LOADER.format(said=said))
    (programs / "openFPGALoader").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    path = lab(of("auto:D00137", "fpga-ulx3s", 'bitstream = "made/board.bit"'))
    absent = cli("flash", "--board", "bench1")
    assert (absent.code, "serial number 'D00137'" in absent.err) == (6, True)
    plugged(adapter("/dev/ttyUSB7"), adapter("/dev/ttyUSB8", serial="D2"))
    missing = cli("flash", "--board", "bench1")
    assert (missing.code, "no such bitstream" in missing.err) == (2, True)
    bitstream = path.parent / "made" / "board.bit"
    bitstream.parent.mkdir()
    bitstream.write_bytes(BITSTREAMS["85k"])
    loaded = cli("flash", "--board", "bench1", "--json")
    assert loaded.code == 0, loaded.err
    assert said.read_text().split() == ["-b", "ulx3s", "--ftdi-serial", "D00137", str(bitstream)]
    assert (loaded.json["board"], loaded.json["name"]) == ("fpga-ulx3s", "bench1")
    by_port = cli("flash", "--board", "fpga-ulx3s", "-p", "bench1")
    assert by_port.code == 0, by_port.err
    other = cli("flash", "--board", "fpga-icebreaker", "-p", "bench1")
    assert (other.code, "is of target 'fpga-ulx3s'" in other.err) == (7, True)
    both = cli("flash", "--board", "bench1", "-p", "auto:X")
    assert (both.code, "leave --port out" in both.err) == (2, True)
    with claims.claim("/dev/ttyUSB7", "board 'bench1'"):
        assert cli("flash", "--board", "bench1").code == 6
    path.write_text(of("/dev/ttyUSB7", "fpga-ulx3s", 'bitstream = "made/board.bit"'))
    assert cli("flash", "--board", "bench1").code == 0  # the adapter's serial number is that of the port
    assert said.read_text().split()[2:4] == ["--ftdi-serial", "D00137"]


def test_power(cli: Cli, lab: Lab) -> None:
    words = json.dumps([sys.executable, "-c", "print('on it')"])
    lab(of("/dev/ttyUSB7", more=f"power.cycle = {words}"))
    outcome = cli("board", "power", "bench1", "cycle")
    assert (outcome.code, outcome.out, outcome.err) == (0, "board 'bench1': power cycled\n", "on it\n")
    assert cli("board", "power", "bench1", "cycle", "--json").json["said"] == ["on it"]
    assert cli("board", "power", "bench1", "off").code == 2
    assert cli("board", "power", "nobody", "off").code == 6
    with claims.claim("/dev/ttyUSB7", "board 'bench1'"):
        assert cli("board", "power", "bench1", "cycle").code == 6


def test_a_board_that_another_has_is_not_stopped(cli: Cli, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _: ended.append(pid))
    monkeypatch.setattr(boards, "is_running", lambda board: board.pid not in ended)
    with (
        ServedModel(DeviceModel(registry.load("fpga"))) as served,
        boards.announced(served.port, "lab7", "fpga", 9600),
    ):
        with claims.claim(os.path.realpath(served.port), "board 'lab7'"):
            busy = cli("board", "stop", "lab7", "--json")
            waited = cli("board", "stop", "lab7", "--wait", "0.1")
        assert (busy.code, busy.json["error"]["code"], ended) == (6, "E602", [])
        assert f"board 'lab7' is held by process {os.getpid()}" in busy.json["error"]["message"]
        assert (waited.code, "waiting for board 'lab7', which is held by" in waited.err) == (6, True)
        stopped = cli("board", "stop", "lab7")
    assert (stopped.code, stopped.out, set(ended)) == (0, "stopped board 'lab7'\n", {os.getpid()})


def test_a_worker_of_no_scheduler(cli: Cli, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("it began"))
    with ServedModel(DeviceModel(registry.load("fpga"))) as served:
        for board in ((), ("-p", served.port)):
            done = cli("worker", "tcp://127.0.0.1:9", *board)
            assert (done.code, "no scheduler answers (in tcp://127.0.0.1:9)" in done.err) == (5, True)
