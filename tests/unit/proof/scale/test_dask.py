"""A real scheduler, real workers, virtual boards: what is lost with one of them is done by another, and is the same."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import board
from nirdeploy.errors import PortError, ToolMissing
from nirdeploy.processes import cluster as dask
from nirdeploy.processes.work import Work
from nirdeploy.proof.scale.boards import PORT
from nirdeploy.records.boards import BoardRecord, is_running
from nirdeploy.targets import registry
from tests.unit.processes.clusters import Cluster, cluster, kill
from tests.unit.proof.scale.scaled import Case, case

pytestmark = pytest.mark.xdist_group("dask")

SAMPLES = 40
BOARD = ("--nthreads", "1", "--resources", "board=1")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(tmp_path_factory.mktemp("small"), SAMPLES)


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BoardRecord]]:
    """Three, in the background."""
    names = [f"scale-{os.getpid()}-{name}" for name in "abc"]
    target = registry.load("fpga")
    started = []
    try:
        for name in names:
            started.append(board.start_background(name, target))
        yield started
    finally:
        for one in started:
            if is_running(one):
                board.stop(str(one.name))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "dask").mkdir()
    with cluster(tmp_path / "dask", workers=0) as made:
        yield made


def _boards_there(address: str) -> int:
    with distributed.Client(address) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        return sum(int(worker["resources"].get("board", 0)) for worker in workers)


def test_what_is_killed_is_done_by_others(
    small: Case, boards: list[BoardRecord], running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers with a board each: a board is killed, then a worker, and in the end the last board."""
    for one in boards[:2]:
        running.add_worker(*BOARD, added={PORT: one.port})
    running.add_ours("-p", boards[2].port)
    running.wait_for(3)
    assert _boards_there(running.address) == 3
    done: list[int] = []

    def disturb(count: int, total: int) -> None:
        done.append(count)
        if count == 2:
            os.kill(boards[0].pid, signal.SIGKILL)
        if count == 4:
            kill(running.workers[1])

    built = nd.pipeline.Build.load(small.build)
    found = nd.verify(built, small.data, scheduler=running.address, chunk=2, on_chunk=disturb)
    assert done == list(range(1, SAMPLES // 2 + 1))
    assert not is_running(boards[0])
    assert _boards_there(running.address) == 1  # the one whose board is lost has none now
    assert found.equal

    alone = small.said("verify", "-p", boards[2].port)  # which the worker has let go
    assert small.said("verify", "--scheduler", running.address) == alone
    assert json.loads(json.dumps(found.as_dict())) == json.loads(alone)["verdicts"][0]

    os.kill(boards[2].pid, signal.SIGKILL)
    with pytest.raises(PortError, match=r"samples \d+ to \d+"):  # nobody is left to try
        nd.verify(built, small.data, scheduler=running.address)
    assert _boards_there(running.address) == 0
    monkeypatch.setattr(dask, "_SECONDS", 2)
    with pytest.raises(ToolMissing, match=r"no worker of the scheduler has a board.*nirdeploy worker tcp://.* -p PORT"):
        nd.verify(built, small.data, scheduler=running.address)
    assert not nd.verify(built, small.data, scheduler=running.address, port="sim")  # which needs none


class Slow:
    """Work that would go on for a minute. ``said``: how it came to its end."""

    began = threading.Event()
    said = ""

    @classmethod
    def answer(cls, blob: bytes, item: str) -> str:
        if item == "slow":
            cls.began.set()
            try:
                for _ in range(6000):
                    time.sleep(0.01)
                cls.said = "by itself"
            except BaseException as error:
                cls.said = type(error).__name__
                raise
        return item


def test_what_nobody_waits_for_any_more_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what another client asks for does not wait behind it."""
    monkeypatch.setattr(dask, "_LOOK_S", 0.1)
    work = Work(Slow.answer, b"", "an item", str)
    local = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "protocol": "tcp://"}
    with distributed.LocalCluster(**local, dashboard_address=None) as there:
        with dask.cluster(work, there.scheduler_address) as measure:
            coming = measure(["first", "slow", "never"])
            assert next(coming) == "first"
            assert Slow.began.wait(60)
            coming.close()  # type: ignore[attr-defined]
        with dask.cluster(work, there.scheduler_address) as measure:
            assert sorted(measure(["other", "another"])) == ["another", "other"]
        assert Slow.said == "_Unwanted"
