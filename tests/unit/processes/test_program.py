"""Another's program ends with all that it started: a compiler's driver with the compiler, too."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.processes import program

#: Starts another that goes on, and waits for it, as a compiler's driver does.
DRIVER = "#!/bin/sh\nsleep 600 &\necho $! >{pid}\nwait\n"


class Ended(BaseException):
    """As SIGTERM is one to a command."""


@contextlib.contextmanager
def ended_once_there_is(path: Path) -> Iterator[None]:
    def look(*_: object) -> None:
        if path.exists() and path.read_text().endswith("\n"):
            raise Ended

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(Ended):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def runs(pid: int) -> bool:
    """Whether it does a moment later: who is killed may not have been waited for yet."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return True


def directly(driver: Path, _: pytest.MonkeyPatch) -> None:
    program.run([str(driver)], driver.parent)


def as_compiler(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(driver))
    verilate._build_runtime(driver.parent / "made.o")


@pytest.mark.parametrize("start", [directly, as_compiler])
def test_nobody_waits_for_it(
    start: Callable[[Path, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, pid = tmp_path / "driver", tmp_path / "pid"
    driver.write_text(DRIVER.format(pid=pid))
    driver.chmod(0o755)
    with ended_once_there_is(pid):
        start(driver, monkeypatch)
    started = int(pid.read_text())
    try:
        assert not runs(started)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(started, signal.SIGKILL)


def test_what_it_said_and_how_it_ended(tmp_path: Path) -> None:
    done = program.run(["sh", "-c", r"cat; echo $WHO; printf '\377' >&2; exit 3"], tmp_path, environment={"WHO": "me"})
    assert (done.returncode, done.stdout, done.stderr) == (3, "me\n", "\ufffd")


def test_it_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        program.run(["sh", "-c", "sleep 600 & sleep 600"], tmp_path, seconds=0.1)
