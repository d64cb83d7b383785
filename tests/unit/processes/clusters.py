"""A Dask scheduler and its workers, each a process of its own, as users start them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import distributed

from nirdeploy import processes


@dataclass
class Cluster:
    """``workers``: to be killed, and added to, while a test runs."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Once the scheduler has written it."""
        path = self.folder / "scheduler.json"
        while not path.is_file() or not path.read_text().strip():
            assert self.processes[0].poll() is None, (self.folder / "scheduler.log").read_text()
            time.sleep(0.05)
        return str(json.loads(path.read_text())["address"])

    def add_worker(self, *options: str, added: Mapping[str, str] | None = None) -> None:
        """One without a nanny: who kills it, kills it for good. Several threads: they are not to change a figure."""
        started = self._start(
            "dask_worker",
            self.address,
            "--no-nanny",
            "--nthreads",
            "2",
            "--local-directory",
            str(self.folder),
            *options,
            "--no-dashboard",
            added=added,
        )
        self.workers.append(started)

    def wait_for(self, workers: int) -> None:
        with distributed.Client(self.address) as client:
            client.wait_for_workers(workers)

    def start_scheduler(self) -> None:
        path = self.folder / "scheduler.json"
        self._start(
            "dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(path), "--no-dashboard"
        )

    def add_ours(self, *options: str) -> None:
        """As ``nirdeploy worker`` starts it: with a nanny, which :meth:`kill` takes with it."""
        self.workers.append(self._start("nirdeploy", "worker", self.address, *options))

    def _start(self, module: str, *options: str, added: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{module}{len(self.processes)}.log").open("wb")
        with log:
            started = subprocess.Popen(
                processes.command("-m", module if module == "nirdeploy" else f"distributed.cli.{module}", *options),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=processes.environment(added),
                start_new_session=True,
            )
        self.processes.append(started)
        return started


def kill(process: subprocess.Popen[bytes]) -> None:
    """A process and those that it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        made.start_scheduler()
        for _ in range(workers):
            made.add_worker()
        yield made
    finally:
        for process in reversed(made.processes):
            kill(process)
