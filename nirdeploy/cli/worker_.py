"""nirdeploy worker: a worker of a Dask scheduler, beside a board or without one."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from nirdeploy.cli import completing, options, ready
from nirdeploy.cli.watch import WATCH
from nirdeploy.errors import UsageProblem


@click.command("worker")
@click.argument("scheduler", metavar="tcp://HOST:PORT")
@click.option(
    "-p",
    "--port",
    shell_complete=completing.ports,
    help="The board that this worker holds, as of other commands; without one it simulates.",
)
@click.option("--processes", type=click.IntRange(min=1), help="Of one without a board; by default one per processor.")
def command(scheduler: str, port: str | None, processes: int | None) -> NoReturn:
    """Work for the Dask scheduler at tcp://HOST:PORT, until Ctrl-C.

    \b
    dask scheduler                                     on one machine; it says its address
    nirdeploy worker tcp://HOST:8786 -p /dev/ttyUSB1   beside each board
    nirdeploy verify BUILD -x DATA --scheduler tcp://HOST:8786

    A worker with a board has the resource 'board=1' and does one chunk at a time. One whose board is lost gets no more
    chunks that need one: start it again. It is Dask's own: 'dask worker --nthreads 1 --resources board=1',
    with the port in the variable NIRDEPLOY_PORT, is the same.
    """
    from nirdeploy import processes as starting
    from nirdeploy.processes import cluster
    from nirdeploy.processes.pool import ONE_THREAD
    from nirdeploy.proof.scale import boards, chunk

    if port is not None and processes is not None:
        raise UsageProblem("a board is held by one process", hint="start a worker for each board, and one without")
    cluster.installed()
    cluster.check_address(scheduler)
    arguments, added = ["--nworkers", str(processes or os.cpu_count() or 1)], dict(ONE_THREAD)
    if port is not None:
        if port == options.SIM:
            raise UsageProblem("'sim' is no board", hint="leave out --port: a worker without a board simulates")
        arguments, added[boards.PORT] = ["--resources", f"{chunk.BOARD}=1"], port
        ready.to_open(port, None)
    cluster.check_scheduler(scheduler)
    line = starting.command("-m", "distributed.cli.dask_worker", scheduler, "--nthreads", "1", "--no-dashboard")
    WATCH.quiet()
    os.execve(sys.executable, [*line, *arguments], starting.environment(added))
