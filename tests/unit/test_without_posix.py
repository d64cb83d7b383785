"""nirdeploy where Python has no POSIX modules, as on Windows: what a user does there, in a process of its own.

pyserial is loaded first: there it brings a port of its own, which needs none of them.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy import processes
from tests import networks

_BLOCKED = ("fcntl", "termios", "pty", "tty", "resource", "pwd", "grp")
_PROGRAM = f"""
import runpy, sys
import serial, serial.tools.list_ports
for name in {_BLOCKED!r}:
    sys.modules[name] = None
"""
_IMPORTS = """
import importlib, pkgutil
import nirdeploy.cli, nirdeploy.device, nirdeploy.records, nirdeploy.targets, nirdeploy.backends.fpga
for package in (nirdeploy.cli, nirdeploy.device, nirdeploy.records, nirdeploy.targets, nirdeploy.backends.fpga):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".demo_" not in module.name:
            importlib.import_module(module.name)
            print(module.name)
"""
_COMMAND = """
from nirdeploy import cli
cli.main(sys.argv[1:])
"""


def _python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = processes.command("-c", _PROGRAM + program, *arguments)
    return subprocess.run(command, env=processes.environment(), capture_output=True, text=True, check=False)


def test_every_module_on_the_way_to_a_port_is_imported() -> None:
    done = _python(_IMPORTS)
    assert done.returncode == 0, done.stderr
    assert {"nirdeploy.device.client", "nirdeploy.cli.flash_", "nirdeploy.backends.fpga.simulated.board"} <= set(
        done.stdout.split()
    )


@pytest.mark.parametrize("arguments", [("--help",), ("targets", "--json"), ("flash", "--help"), ("board", "list")])
def test_commands_that_need_no_port(arguments: tuple[str, ...]) -> None:
    done = _python(_COMMAND, *arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_port_that_answers_nothing_is_silent_and_no_bug() -> None:
    done = _python(_COMMAND, "info", "-p", "loop://", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "E701"
    assert done.returncode == 7


def test_flashing_over_such_a_port_is_no_bug_either(tmp_path: Path) -> None:
    nd.build(networks.two_layers(), out=tmp_path / "build")
    done = _python(_COMMAND, "flash", str(tmp_path / "build"), "-p", "loop://", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "E701", done.stderr


def test_a_port_that_is_not_there_is_said_so() -> None:
    done = _python(_COMMAND, "info", "-p", "socket://127.0.0.1:1", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "E601"


@pytest.mark.parametrize("arguments", [("info", "-p", "virtual"), ("board", "start", "lab")])
def test_the_virtual_board_says_what_it_needs(arguments: tuple[str, ...]) -> None:
    done = _python(_COMMAND, *arguments, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (5, "E501")
    assert error["message"].startswith("the virtual board needs pseudo-terminals, which this system (")
    assert "--port sim" in error["hint"]
