"""A real scheduler with real workers: figures do not depend on how many there are, nor on whether they live."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.errors import ToolMissing, UsageProblem
from nirdeploy.processes import cluster as dask
from tests.unit.processes.clusters import cluster
from tests.unit.tuning.swept import Case, case, files

pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture(scope="module")
def small() -> Case:
    return case()


@pytest.fixture(scope="module")
def expected(small: Case, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of one process of this machine."""
    out = tmp_path_factory.mktemp("local")
    small.sweep(out)
    return files(out)


def test_any_number_of_workers_measures_the_same(small: Case, expected: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "dask").mkdir()
    with cluster(tmp_path / "dask", workers=1) as running:
        for count in (1, 2, 3):
            out = tmp_path / str(count)
            running.wait_for(count)
            small.sweep(out, scheduler=running.address, workers=None)
            assert files(out) == expected
            running.add_worker()


def test_a_worker_that_is_killed_takes_nothing_with_it(small: Case, expected: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "dask").mkdir()
    done: list[int] = []
    with cluster(tmp_path / "dask", workers=2) as running:
        running.wait_for(2)

        def kill(count: int, total: int) -> None:
            done.append(count)
            if count == 1:
                running.workers[0].kill()
            if count == 4:  # the last one that has the job, which is to be sent again
                running.workers[1].kill()
                running.add_worker()

        small.sweep(tmp_path / "out", scheduler=running.address, workers=None, on_trial=kill)
        assert [worker.poll() is None for worker in running.workers] == [False, False, True]
    assert done == sorted(set(done))
    assert files(tmp_path / "out") == expected


def test_schedulers_that_are_not_there_are_said(small: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_SECONDS", 2)
    with pytest.raises(ToolMissing, match=r"no scheduler answers \(in tcp://127.0.0.1:9\).*dask scheduler"):
        small.sweep(tmp_path / "out", scheduler="tcp://127.0.0.1:9", workers=None)
    for address in ("nowhere", "tcp://127.0.0.1:port", "smoke://here"):
        with pytest.raises(UsageProblem, match=f"'{address}' is not the address"):
            small.sweep(tmp_path / "out", scheduler=address, workers=None)
    (tmp_path / "dask").mkdir()
    with (
        cluster(tmp_path / "dask", workers=0) as running,
        pytest.raises(ToolMissing, match=r"the scheduler has no workers.*dask worker"),
    ):
        small.sweep(tmp_path / "out", scheduler=running.address, workers=None)


def test_without_dask_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['distributed'] = sys.modules['dask'] = None\n"
        "import nirdeploy as nd\n"
        "from nirdeploy.errors import ToolMissing\n"
        "from tests.unit.tuning.swept import case\n"
        "small = case(samples=6)\n"
        "assert small.sweep('plain', calibrate=False).uniform[8].accuracy is not None\n"
        "try: small.sweep('out', scheduler='tcp://127.0.0.1:9', workers=None)\n"
        "except ToolMissing as error: print(error)\n"
    )
    done = subprocess.run(
        processes.command("-c", code),
        cwd=tmp_path,
        env=processes.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install 'nirdeploy[scale]'" in done.stdout
