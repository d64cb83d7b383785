"""Claims and holders, between real processes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.errors import PortBusy
from nirdeploy.records import claims, holders

HOLDS = """
import sys
from nirdeploy.records import claims
held = claims.claim(sys.argv[1], "board 'lab'")
print(flush=True)
sys.stdin.read(1)
"""
OPENS = """
import fcntl, os, sys
file = open(sys.argv[1])
if sys.argv[2] == "locks":
    fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read(1)
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path))


@contextmanager
def process(program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One that has said that it is ready, until the end or until it is told to go on."""
    command = processes.command("-c", program, *arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=processes.environment()) as child:
        assert child.stdout
        assert child.stdout.readline()
        yield child


def test_the_second_is_told_by_whom_it_is_held() -> None:
    with process(HOLDS, "auto:FT1") as child:
        with pytest.raises(
            PortBusy, match=rf"^board 'lab' is held by process {child.pid} \(python.*\) of user \w"
        ) as caught:
            claims.claim("auto:FT1", "board 'lab'")
        assert caught.value.exit_code == 6
        assert "--wait" in caught.value.hint
        claims.claim("auto:FT2", "another").release()
    claims.claim("auto:FT1", "board 'lab'").release()
    assert claims.holder("auto:FT1") is None


def test_the_second_waits_and_says_so() -> None:
    said: list[str] = []
    with process(HOLDS, "auto:FT1") as child:

        def told(text: str) -> None:
            said.append(text)
            assert child.stdin
            child.stdin.close()  # the first one goes

        with claims.claim("auto:FT1", "board 'lab'", wait=600, say=told):
            found = claims.holder("auto:FT1")
            assert found is not None
            assert found.pid == os.getpid()
    assert len(said) == 1
    assert f"waiting for board 'lab', which is held by process {child.pid}" in said[0]


def test_a_killed_holder_lets_the_next_one_in() -> None:
    with process(HOLDS, "auto:FT1") as child:
        child.kill()
        child.wait()
        assert claims.holder("auto:FT1") is None
        claims.claim("auto:FT1", "board 'lab'").release()


def test_threads_of_one_process_wait_for_each_other() -> None:
    order: list[str] = []
    first = claims.claim("auto:FT1", "board 'lab'")

    def second() -> None:
        with claims.claim("auto:FT1", "board 'lab'", wait=600, say=lambda _: waits.set()):
            order.append("second")

    waits = threading.Event()
    thread = threading.Thread(target=second)
    thread.start()
    assert waits.wait(600)
    order.append("first")
    first.release()
    first.release()  # harmless
    thread.join()
    assert order == ["first", "second"]


def test_where_nothing_can_be_written_nobody_is_kept_out(tmp_path: Path) -> None:
    (tmp_path / "claims").write_text("in the way")
    with claims.claim("auto:FT1", "board 'lab'"), claims.claim("auto:FT1", "board 'lab'"):
        assert claims.holder("auto:FT1") is None


def test_who_has_a_file_open(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch()
    assert holders.of_file(str(path)) is None
    with process(OPENS, str(path), "opens") as child:
        found = holders.of_file(str(path))
        assert found is not None
        assert (found.pid, found.user) == (child.pid, holders.of_process(os.getpid()).user)
        assert str(path) in found.command
        assert holders.of_file(str(path), without={child.pid}) is None


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="Linux lists locks")
def test_who_has_locked_a_file_is_known_where_its_open_files_are_not(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch()
    with process(OPENS, str(path), "locks") as child:
        assert holders._lockers(str(path)) == [child.pid]
    assert holders._lockers(str(path)) == []
    assert holders._lockers(str(tmp_path / "none")) == []


def test_a_process_that_has_ended() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert str(holders.of_process(child.pid)) == f"process {child.pid}"
    own = holders.of_process(os.getpid())
    assert own.command
    assert own.as_dict() == {"pid": os.getpid(), "command": own.command, "user": own.user}
    assert "..." in str(holders.Holder(1, "x" * 500, "root"))


def test_as_ps_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    by_proc = holders.of_process(os.getpid())
    monkeypatch.setattr(holders, "_PROC", Path("/nowhere"))
    by_ps = holders.of_process(os.getpid())
    assert (by_ps.pid, by_ps.user) == (by_proc.pid, by_proc.user)
    assert by_ps.command.split()[0] == by_proc.command.split()[0]
    assert holders.of_file("/dev/null") is None
