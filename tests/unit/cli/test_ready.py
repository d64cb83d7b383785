"""What is looked at before anything long begins."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.cli import options, ready
from nirdeploy.cli.doctor_.finding import FILE, MISSING, OK, PORT, TOOL, Finding
from nirdeploy.device import ports
from nirdeploy.errors import BoardsFileError, PortError, ToolMissing
from nirdeploy.targets import registry
from tests import networks
from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(("code", "kind"), [(TOOL, ToolMissing), (PORT, PortError), (FILE, BoardsFileError)])
def test_what_is_needed_and_missing_is_an_error_with_its_remedy(code: int, kind: type[Exception]) -> None:
    there = Finding("a", "g++", OK, "12", needed=True)
    unneeded = Finding("a", "iverilog", MISSING, "not found", "install it")
    ready.demand([there, unneeded])
    missing = Finding("a", "loader", MISSING, "not found on PATH", "apt-get install loader", True, code)
    with pytest.raises(kind, match="loader: not found on PATH; apt-get install loader"):
        ready.demand([there, unneeded, missing])


@pytest.fixture
def nothing_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins with what takes long has failed."""

    def begun(*_: object, **__: object) -> None:
        pytest.fail("it began")

    monkeypatch.setattr(flow, "bitstream", begun)


@pytest.mark.usefixtures("nothing_long")
def test_a_loader_that_is_not_there_is_said_before_synthesis(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = cli("flash", "--board", "fpga-ulx3s")
    assert done.code == 5
    assert "openFPGALoader: not found on PATH" in done.err
    assert "nirdeploy bitstream --board fpga-ulx3s" in done.err


@pytest.mark.usefixtures("nothing_long")
def test_so_is_a_board_that_is_not_plugged_in(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "openFPGALoader"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(ports, "matching", lambda *_: [])
    done = cli("flash", "--board", "fpga-ulx3s")
    assert done.code == 6
    assert "no ULX3S is plugged in" in done.err
    assert "--bitstream FILE" in done.err


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a build and a stimulus."""
    folder = tmp_path_factory.mktemp("built")
    nd.build(networks.two_layers(), out=folder / "build")
    np.savez(folder / "x.npz", x=np.zeros((3, 2, 20), dtype=np.uint8), labels=np.zeros(2, dtype=int))
    return folder


@pytest.mark.parametrize("port", ["/dev/nowhere", "fault:seed=1,drop=0.1:/dev/nowhere", "auto:D01", "nobdy"])
@pytest.mark.parametrize("command", ["verify", "evaluate", "run"])
def test_a_port_that_is_not_there_is_said_before_anything_is_simulated(
    cli: Cli, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, port: str
) -> None:
    monkeypatch.setattr(options, "stimulus", lambda _: pytest.fail("it began"))
    x = built / "x.npz"
    given = [x, "-o", tmp_path / "r.nird"] if command == "run" else ["-x", x]
    done = cli(command, built / "build", *given, "-p", port)
    assert (done.code, done.out) == (6, "")


def test_a_worker_looks_at_its_board_first(cli: Cli) -> None:
    done = cli("worker", "tcp://127.0.0.1:1", "-p", "/dev/nowhere")
    assert done.code == 6
    assert "there is no port /dev/nowhere" in done.err


def test_a_board_in_the_background_needs_a_compiler(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", "nowhere++")
    done = cli("board", "start")
    assert done.code == 5
    assert "CXX names 'nowhere++'" in done.err
    assert "unset CXX" in done.err


@pytest.mark.parametrize("command", ["build", "simulate"])
def test_where_the_result_goes_is_looked_at_first(cli: Cli, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("kept")
    inside = tmp_path / "file" / "out"
    done = cli(command, tmp_path / "m.nir", *(["x.npz"] if command == "simulate" else []), "-o", inside)
    assert done.code == 5
    assert f"Not a directory (in {tmp_path / 'file'})" in done.err


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    ready.to_write(tmp_path / "new" / "deep" / "record.nird")
    ready.to_write(tmp_path / "file")
    ready.to_write(tmp_path, folder=True)
    with pytest.raises(ToolMissing, match="Is a directory"):
        ready.to_write(tmp_path)
    with pytest.raises(ToolMissing, match="File exists"):
        ready.to_write(tmp_path / "file", folder=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]  # looked at, not made


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says; an administrator may write everywhere."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(ToolMissing, match=f"Permission denied .*; you may not write there.*chmod u\\+wx {tmp_path}"):
        ready.to_write(tmp_path / "record.nird")


def test_the_port_of_a_target_without_a_board() -> None:
    ready.to_open("sim", registry.load("loihi2"))
    with pytest.raises(nd.errors.UsageProblem, match="no board that nirdeploy talks to"):
        ready.to_open("/dev/null", registry.load("loihi2"))
