"""Processes that measure: one that dies is started again, and none outlives who started it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nirdeploy import processes
from nirdeploy.errors import CorruptFile, ToolMissing
from nirdeploy.processes import pool
from nirdeploy.processes.pool import local
from nirdeploy.processes.work import Work
from nirdeploy.tuning.trials.trial import Job, outcome
from tests.unit.tuning.trials.test_trial import BITS, _job


class _Fatal:
    """Ends the process that reads it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (7,)


def _work(blob: Any) -> Work:
    return replace(_job().work, blob=blob)


@pytest.fixture(scope="module")
def job() -> Job:
    return _job()


def test_a_process_that_dies_is_started_again(job: Job) -> None:
    worker = pool._Worker(job.work)
    try:
        first = worker.measure(BITS)
        assert worker._process is not None
        dead = worker._process.pid
        worker._process.kill()
        assert worker.measure(BITS) == first == outcome(job, BITS)
        assert worker._process.pid != dead
    finally:
        worker.close()


def test_a_process_that_always_dies_is_told_with_its_trial() -> None:
    worker = pool._Worker(_work(_Fatal()))
    with pytest.raises(ToolMissing, match=r"ended 3 times.*with 7 at last.*lif1=4, lif2=2.*--workers 1"):
        worker.measure(BITS)


def test_errors_are_those_of_the_trial() -> None:
    worker = pool._Worker(_work(b"no job"))
    with pytest.raises(CorruptFile, match="damaged"):
        worker.measure(BITS)
    worker.close()


def test_sums_are_made_by_one_thread() -> None:
    code = "import numpy, threadpoolctl; print({pool['num_threads'] for pool in threadpoolctl.threadpool_info()})"
    many = processes.environment({"OPENBLAS_NUM_THREADS": "2"} | pool.ONE_THREAD)
    done = subprocess.run(processes.command("-c", code), env=many, capture_output=True, text=True, check=True)
    assert done.stdout == "{1}\n"


def test_none_is_left(job: Job) -> None:
    others = _children()  # of other tests
    with local(job.work, 2) as measure:
        for _ in measure([BITS, {}, {"lif1": 2, "lif2": 2}, {"lif1": 4, "lif2": 4}]):
            break
        began = _children() - others
        assert began
    assert not began & _children()
    with local(job.work, 2) as measure:
        assert list(measure([])) == []
        assert not _children() - others


def _children() -> set[int]:
    """Processes of this one that run."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state not in "ZX":
            found.add(int(path.parent.name))
    return found
