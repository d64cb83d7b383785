"""A tool ends with whoever started it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.backends.fpga.synthesis import tools
from nirdeploy.records import boards

_STARTER = """
import signal, sys
from pathlib import Path
from nirdeploy.cli import entry
from nirdeploy.backends.fpga.synthesis import tools
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
entry._end_on_sigterm()
tools.call("tests.unit.backends.fpga.synthesis.endless", "run_forever", sys.argv[1:], Path("."))
"""


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_tool_ends_with_who_started_it(tmp_path: Path, by: signal.Signals) -> None:
    said = tmp_path / "number"
    starter = subprocess.Popen(
        processes.command("-c", _STARTER, str(said)), env=processes.environment(), stderr=subprocess.DEVNULL
    )
    try:
        number = int(_wait_for(lambda: said.exists() and said.read_text()))
        assert boards.started(number)
        os.kill(starter.pid, by)
        assert starter.wait(20)
        assert _wait_for(lambda: not boards.started(number))
    finally:
        starter.kill()
        starter.wait()


def test_a_tool_that_ends_says_so(tmp_path: Path) -> None:
    for count in range(3):
        status, log = tools.call(f"{__package__}.endless", "run_at_once", ["x"] * count, tmp_path)
        assert (status, log) == (count, "")


def _wait_for(what: object) -> str:
    assert callable(what)
    for _ in range(600):
        if found := what():
            return str(found)
        time.sleep(0.05)
    raise AssertionError("nothing within half a minute")
