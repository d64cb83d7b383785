"""Networks that people publish, of any size, played pass by pass on the virtual board: do all populations agree?

    python benchmarks/size.py --json [--network NAME] [--target fpga] [--samples 8] [--small]

On a target with external memory (``--target fpga-ulx3s``) the board plays the passes itself, where it holds them.

SpikingJelly's networks at full width (``size_networks.py``), with weights of 8 bits. Each is cut into passes, played
over the serial port of the board's compiled Verilog, every population probed, and compared with the integer simulator:
``cells`` are all outputs in all steps and samples, ``differ`` those that are not the same, ``silent`` the populations
that never spike. ``bytes`` went over the line, both ways, images included; ``seconds`` are those of the run (wall
clock), ``cycles`` the board's own, ``play_cycles`` those of a play from external memory, where there was one. The line
is as fast as the clock allows (``--baud``), for each of its cycles is simulated. ``peak_mib``: of the process that
checks, cuts, runs and compares.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import board
from nirdeploy.device.client import Device
from nirdeploy.device.ports import SerialPort
from nirdeploy.semantics.operators import Elementwise
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

_CLOCKS_PER_BIT = 4  # at least
_PATIENCE = 60  # attempts: a simulated device is as slow as the machine is busy


class Counted(SerialPort):
    """A port that counts what goes over it."""

    moved = 0

    def write(self, data: bytes) -> None:
        self.moved += len(data)
        super().write(data)

    def read(self, timeout: float) -> bytes:
        data = super().read(timeout)
        self.moved += len(data)
        return data


def measure(
    name: str, files: tuple[Path, Path], target_name: str, samples: int, store: Path | None, baud: int | None
) -> dict[str, Any]:
    """One network on one target. ``files``: the graph and its stimulus; ``store``: to go on where a run broke off."""
    target = targets.load(target_name)
    baud = baud or target.serial_board.clock_hz // _CLOCKS_PER_BIT
    began = time.perf_counter()
    built = nd.build(files[0], target)
    build_seconds = time.perf_counter() - began
    x = np.load(files[1])[:, :samples]
    began = time.perf_counter()
    measured, bytes_moved, cycles = _played(name, built, target, x, store, baud)
    seconds = time.perf_counter() - began
    expected = nd.simulate(built, x)
    verdict = nd.verify(expected, measured)
    spikes = {population: int(values.sum()) for population, values in expected.spikes.items()}
    projections = [p for p in built.graph.projections if not isinstance(p.operator, Elementwise)]
    return {
        "neurons": sum(p.size for p in built.network.populations),
        "weights": sum(p.operator.weight.size for p in projections),
        "passes": len(built.image.passes) or 1,
        "samples": x.shape[1],
        "cells": verdict.cells,
        "differ": verdict.mismatches,
        "bytes": bytes_moved,
        "seconds": round(seconds, 1),
        "steps": x.shape[0],
        "target": target.name,
        "cycles": cycles,
        "play_cycles": int(measured.stats["cycles"]) if "batches" in measured.stats else 0,
        "build_seconds": round(build_seconds, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "spikes": spikes,
        "silent": [population for population, count in spikes.items() if not count],
    }


def _played(
    name: str, built: nd.Build, target: Target, x: np.ndarray, store: Path | None, baud: int
) -> tuple[Any, int, int]:
    """The device's record, bytes over the line, and the device's cycles."""
    with board.start(target, baud=baud) as running, Progress(console=Console(stderr=True)) as bar:
        port = Counted(running.port, baud)
        with Device(port, name=running.port, attempts=_PATIENCE) as device:
            task = bar.add_task(name, total=None)
            if not built.image.passes:
                nd.flash(built, device)
            record = nd.run(
                *(device, x),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                image=built.image,
                store=store,
                say=bar.console.print,
            )
            return record, port.moved, device.status().cycles


def _made(name: str, small: bool) -> tuple[Path, Path]:
    from benchmarks import size_networks  # PyTorch stays out of the process that is measured

    with redirect_stdout(sys.stderr):
        return size_networks.made(name, small)


def _alone(call: Any, *arguments: Any) -> Any:
    """The call in a process of its own, whose memory is nobody else's."""
    warnings.filterwarnings("ignore")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def main() -> None:
    names = ("MNISTNet", "NMNISTNet", "DVSGestureNet", "spiking_vgg11_bn", "sew_resnet18")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--network", choices=names, action="append")
    parser.add_argument("--target", default="fpga", help="by name or file (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=8, help="at most (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help="at the width that they have in zoo.py")
    parser.add_argument("--baud", type=int, help="of the line (default: what the board's clock allows)")
    parser.add_argument("--store", type=Path, help="a folder: what passes gave stays there, and is not played again")
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for name in options.network or names:
        store = options.store and options.store / name
        files = _alone(_made, name, options.small)
        arguments = (name, files, options.target, options.samples, store, options.baud)
        found[name] = _alone(measure, *arguments)
    if options.json:
        print(json.dumps(found))
        return
    table = Table(title=f"passes on the virtual board of {options.target}")
    columns = [key for key in next(iter(found.values())) if key not in ("spikes", "target", "silent")]
    for column in ("network", *columns):
        table.add_column(column, justify="right")
    for name, row in found.items():
        table.add_row(name, *(f"{row[key]:,}" for key in columns))
    Console().print(table)
    for name, row in found.items():
        print(f"{name}: spikes by population {row['spikes']}")


if __name__ == "__main__":
    main()
