"""Flashes and runs over lines that damage bytes both ways: how many complete, and in how many times the clean time.

    python benchmarks/faulted_lines.py --rate 1e-3 --lines 200 [--json]

The virtual board at the end of its serial port; clean and faulted in turn, so that both see the same machine. A fault
flips, drops, doubles or inserts a byte, each as likely. What comes back must be what the clean line brought. Ends with
status 1 where a line did not complete, or brought something else.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

import nirdeploy as nd
from benchmarks.virtual_board import Counted
from nirdeploy.backends.fpga.simulated import board
from nirdeploy.device.client import Device
from nirdeploy.device.faults import Faults, FaultyPort
from nirdeploy.device.ports import SerialPort
from nirdeploy.errors import NirdeployError
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.targets import registry as targets


@dataclass(frozen=True)
class Took:
    """Seconds of a flash and of a run, bytes of both, and what came back."""

    flash: float
    run: float
    bytes: int
    record: SpikeRecord


def network() -> nir.NIRGraph:
    """64 inputs, 100 LIF neurons, 3 LI read-outs."""
    rng, ones = np.random.default_rng(0), np.ones(100)
    nodes = {
        "input": nir.Input({"input": np.array([64])}),
        "first": nir.Affine(rng.normal(0.0, 0.5, (100, 64)), rng.normal(0, 0.1, 100)),
        "hidden": nir.LIF(5e-3 * ones, 5 * ones, 0 * ones, ones, 0 * ones),
        "second": nir.Linear(rng.normal(0, 0.5, (3, 100))),
        "out": nir.LI(np.full(3, 1e-2), np.full(3, 10.0), np.zeros(3)),
        "output": nir.Output({"output": np.array([3])}),
    }
    return nir.NIRGraph(nodes, list(itertools.pairwise(nodes)))


def once(built: nd.Build, path: str, baud: int, x: np.ndarray, faults: Faults | None) -> Took:
    """Open, flash all of it, run, close."""
    counted = Counted(SerialPort(path, baud))
    began = time.monotonic()
    with Device(FaultyPort(counted, faults) if faults else counted, name=path, baud=baud) as device:
        nd.flash(built, device, force=True)
        flashed = time.monotonic()
        record = nd.run(device, x)
    return Took(flashed - began, time.monotonic() - flashed, counted.sent + counted.received, record)


def equal(one: SpikeRecord, other: SpikeRecord) -> bool:
    return all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in ((one.spikes, other.spikes), (one.membrane, other.membrane))
    )


def measure(rate: float, lines: int, steps: int, samples: int) -> dict[str, Any]:
    target = targets.load("fpga")
    built = nd.build(network(), target, dt=1e-3)
    x = (np.random.default_rng(0).random((steps, samples, 64)) < 0.2).astype(np.uint8)
    baud, part = target.serial_board.baud, rate / 4
    clean, faulted = [], []
    found: dict[str, Any] = {"lines": lines, "complete": 0, "wrong": 0, "failed": {}}
    board.prepare(target)
    with board.start(target) as running:
        once(built, running.port, baud, x, None)
        for seed in range(lines):
            clean.append(once(built, running.port, baud, x, None))
            faults = Faults(seed, drop=part, flip=part, duplicate=part, insert=part)
            try:
                faulted.append(once(built, running.port, baud, x, faults))
            except NirdeployError as error:
                found["failed"][seed] = str(error)
                clean.pop()
                continue
            found["complete"] += 1
            found["wrong"] += not equal(clean[-1].record, faulted[-1].record)
    ratios = [(a.flash + a.run) / (b.flash + b.run) for a, b in zip(faulted, clean, strict=True)]
    return {
        **found,
        "time_ratio": round(sum(a.flash + a.run for a in faulted) / sum(a.flash + a.run for a in clean), 3),
        "flash_ratio": round(sum(a.flash for a in faulted) / sum(a.flash for a in clean), 3),
        "run_ratio": round(sum(a.run for a in faulted) / sum(a.run for a in clean), 3),
        "median_ratio": round(float(np.median(ratios)), 3),
        "largest_ratio": round(max(ratios), 3),
        "bytes_ratio": round(sum(a.bytes for a in faulted) / sum(a.bytes for a in clean), 3),
        "clean_seconds": round(sum(a.flash + a.run for a in clean) / len(clean), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=1e-3, help="faults per byte")
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    found = measure(options.rate, options.lines, options.steps, options.samples)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:14} {value!s:>9}")
    return int(found["complete"] < options.lines or found["wrong"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
