"""doing: who does a piece of work: processes of this machine, or the workers of a Dask scheduler."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from nirdeploy.errors import UsageProblem
from nirdeploy.processes.cluster import cluster
from nirdeploy.processes.pool import local
from nirdeploy.processes.work import Measure, Work


def check_workers(scheduler: str | None, workers: int | None) -> None:
    """Raises :class:`UsageProblem` where both are asked for, or none at all measures."""
    if scheduler is not None and workers is not None:
        raise UsageProblem("a scheduler has workers of its own", hint="name a scheduler or a number of workers")
    if workers is not None and workers < 1:
        raise UsageProblem(f"{workers} workers measure nothing", hint="1 at least")


@contextlib.contextmanager
def measuring(work: Work, scheduler: str | None, workers: int | None) -> Iterator[Measure]:
    """The workers of a scheduler, if there is one; else so many processes, by default one for each processor."""
    with cluster(work, scheduler) if scheduler is not None else local(work, workers or os.cpu_count() or 1) as measure:
        yield measure
