"""Networks that people publish, of any size, played pass by pass on the virtual board: do all populations agree?

    python benchmarks/size.py --json [--network NAME] [--target fpga] [--samples 8]

SpikingJelly's networks at full width (``size_networks.py``), with weights of 8 bits. Each is cut into passes, played
over the serial port of the board's compiled Verilog, every population probed, and compared with the integer simulator:
``cells`` are all outputs in all steps and samples, ``differ`` those that are not the same, ``silent`` the populations
that never spike. ``bytes`` went over the line, both ways, images included; ``seconds`` are those of the run (wall
clock), ``cycles`` the board's own. ``peak_mib``: of the process that checks, cuts, runs and compares.
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


def measure(name: str, files: tuple[Path, Path], target_name: str, samples: int, store: Path | None) -> dict[str, Any]:
    """One network on one target. ``files``: the graph and its stimulus; ``store``: to go on where a run broke off."""
    target = targets.load(target_name)
    began = time.perf_counter()
    built = nd.build(files[0], target)
    build_seconds = time.perf_counter() - began
    x = np.load(files[1])[:, :samples]
    began = time.perf_counter()
    measured, bytes_moved, cycles = played(name, built, target, x, store)
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
        "build_seconds": round(build_seconds, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "spikes": spikes,
        "silent": [population for population, count in spikes.items() if not count],
    }


def played(name: str, built: nd.Build, target: Target, x: np.ndarray, store: Path | None) -> tuple[Any, int, int]:
    """The device's record, bytes over the line, and the device's cycles."""
    baud = target.serial_board.baud
    with board.start(target) as running, Progress(console=Console(stderr=True)) as bar:
        port = Counted(running.port, baud)
        with Device(port, name=running.port, attempts=_PATIENCE) as device:
            nd.flash(built, device)
            task = bar.add_task(name, total=None)
            record = nd.run(
                device, x, progress=lambda done, total: bar.update(task, completed=done, total=total), store=store
            )
            return record, port.moved, device.status().cycles


def _made(name: str) -> tuple[Path, Path]:
    from benchmarks import size_networks  # PyTorch stays out of the process that is measured

    with redirect_stdout(sys.stderr):
        return size_networks.made(name)


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
    parser.add_argument("--store", type=Path, help="a folder: what passes gave stays there, and is not played again")
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for name in options.network or names:
        store = options.store and options.store / name
        arguments = (name, _alone(_made, name), options.target, options.samples, store)
        found[name] = _alone(measure, *arguments)
    if options.json:
        print(json.dumps(found))
        return
    table = Table(title=f"passes by the host on the virtual board of {options.target}")
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
