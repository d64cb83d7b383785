"""Records of boards that run, left by real processes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.records import boards
from nirdeploy.records.boards import BoardRecord

BOARD = """
import sys
from nirdeploy.records import boards
with boards.announced("/dev/pts/" + sys.argv[1], sys.argv[1], "fpga", 9600):
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path))


@contextmanager
def a_board(name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is a board until the end, or until it is killed."""
    command = processes.command("-c", BOARD, name)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=processes.environment()) as board:
        assert board.stdout
        assert board.stdout.readline()
        yield board


def left() -> list[Path]:
    return sorted(boards.folder().iterdir())


def test_none_runs() -> None:
    assert boards.running() == []


def test_a_board_is_found_while_it_runs() -> None:
    with a_board("lab") as board:
        [record] = boards.running()
        assert record == BoardRecord(board.pid, boards.started(board.pid), "/dev/pts/lab", "lab", "fpga", 9600)
        shown = {"pid": board.pid, "port": "/dev/pts/lab", "name": "lab", "target": "fpga", "baud": 9600}
        assert record.shown() == shown
        assert len(left()) == 1
    assert left() == []


def test_two_boards_have_a_record_each() -> None:
    with a_board("one") as one:
        with a_board("two") as two:
            assert {record.pid for record in boards.running()} == {one.pid, two.pid}
        assert [record.name for record in boards.running()] == ["one"]


def test_a_killed_board_is_forgotten_before_its_parent_has_noticed() -> None:
    with a_board("lab") as board:
        [record] = boards.running()
        board.kill()
        os.waitid(os.P_PID, board.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not yet cleared away
        assert len(left()) == 1
        assert not boards.is_running(record)
        assert boards.running() == []
        assert left() == []


def test_a_number_that_is_another_process_now_is_no_board() -> None:
    with a_board("lab"):
        [record] = boards.running()
        [path] = left()
        for started in (record.started - 1, 0):
            stale = boards.folder() / f"{record.pid}-{started}.json"
            stale.write_text(json.dumps(replace(record, started=started).__dict__))
        assert boards.running() == [record]
        assert left() == [path]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "lab", "pid": 1, "port": "p", "target": "t", "baud": 1}'])
def test_what_is_no_record_goes(text: str) -> None:
    boards.folder().mkdir()
    (boards.folder() / "lab.json").write_text(text)
    assert boards.running() == []
    assert left() == []


def test_when_a_process_started() -> None:
    before = boards.started(os.getpid())
    with a_board("later") as later:
        assert 0 < before < boards.started(later.pid)
    assert boards.started(later.pid) == 0
    assert not boards.is_running(BoardRecord(later.pid, 0, "/dev/pts/later", "later", "fpga", 9600))


def test_a_board_without_a_place_for_its_record_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "boards").write_text("in the way")
    with a_board("lab") as board:
        assert board.poll() is None
        assert boards.running() == []
    assert board.returncode == 0


ENDS_BY_THREADS = """
import ctypes, os, sys, threading
threading.Thread(target=sys.stdin.read).start()
print(flush=True)
ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)  # exit: the first thread ends, and no other
"""


def test_a_board_has_ended_when_its_last_thread_has() -> None:
    command = processes.command("-c", ENDS_BY_THREADS)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=processes.environment()) as board:
        assert board.stdout
        assert board.stdin
        started = boards.started(board.pid)
        assert board.stdout.readline()
        while Path(f"/proc/{board.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            continue
        assert boards.started(board.pid) == started > 0
        board.kill()
        os.waitid(os.P_PID, board.pid, os.WEXITED | os.WNOWAIT)
        assert boards.started(board.pid) == 0


def test_where_there_is_no_proc_ps_tells_when_a_process_started() -> None:
    """In seconds. The same of a process however often it is asked, and nothing of one that has ended."""
    with a_board("lab") as board:
        first = boards.started_by_ps(board.pid)
        assert abs(first - time.time()) < 600
        assert boards.started_by_ps(board.pid) == first
        board.kill()
        os.waitid(os.P_PID, board.pid, os.WEXITED | os.WNOWAIT)
        assert boards.started_by_ps(board.pid) == 0
    assert boards.started_by_ps(board.pid) == 0
