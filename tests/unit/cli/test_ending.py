"""A command that is told to end does, whatever its threads do; and a terminal of any encoding is told its errors."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import nir
import pytest

from nirdeploy import processes
from nirdeploy.cli import entry
from nirdeploy.graph import file as nirfile
from tests import networks
from tests.unit.cli.conftest import Cli

STUCK = """
import os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from nirdeploy.cli import entry

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
pool = ThreadPoolExecutor(1)

def command(*_, **__):
    pool.submit(threading.Event().wait)
    sys.stdout.write("told ")
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(60)
    finally:
        sys.stdout.write("undone")

entry.group.main = command
entry.main()
"""


@pytest.mark.parametrize(("number", "code", "said"), [(15, 143, "ended by SIGTERM"), (2, 130, "interrupted")])
def test_no_thread_is_waited_for(number: int, code: int, said: str) -> None:
    command = processes.command("-c", STUCK, str(number))
    done = subprocess.run(command, env=processes.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, "told undone")
    assert said in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_name_that_the_terminal_does_not_have(encoding: str, tmp_path: Path) -> None:
    graph, name = networks.two_layers(), "größe脉冲"
    old = next(key for key, node in graph.nodes.items() if isinstance(node, (nir.LIF, nir.IF, nir.CubaLIF)))
    graph.nodes = {name if key == old else key: node for key, node in graph.nodes.items()}
    graph.edges = [tuple(name if end == old else end for end in edge) for edge in graph.edges]
    nirfile.write(tmp_path / "m.nir", graph)
    command = processes.command("-m", "nirdeploy", "check", str(tmp_path / "m.nir"))
    environment = processes.environment({"PYTHONIOENCODING": encoding})
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ("größe" if encoding != "ascii" else r"gr\xf6\xdfe") in done.stdout.decode(encoding)
    assert ("脉" if encoding == "utf-8" else r"\u8109") in done.stdout.decode(encoding)


def test_memory_that_is_not_enough_is_no_bug(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(entry.group, "main", command)
    done = cli("targets")
    assert (done.code, "there is not memory enough for this" in done.err) == (5, True)


@pytest.mark.parametrize(("arguments", "code", "said"), [("targets", 0, ""), ("board list", 5, "cd FOLDER")])
def test_a_folder_that_was_removed(arguments: str, code: int, said: str, tmp_path: Path) -> None:
    python = shlex.join([sys.executable, "-m", "nirdeploy"])
    command = ["bash", "-c", f"rmdir {shlex.quote(str(tmp_path / 'gone'))}; exec {python} {arguments}"]
    (tmp_path / "gone").mkdir()
    environment = processes.environment()
    done = subprocess.run(command, cwd=tmp_path / "gone", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.count("\n") == (code != 0)
    assert said in done.stderr
