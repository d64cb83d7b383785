"""MNIST on the compiled Verilog: every spike of every population against the integer simulator.

    python benchmarks/mnist_rtl.py [--lanes 32] [--images 2000] [--data mnist10k.npz] [--restart]

The 2,000 images of the test split come first; ``--images 10000`` goes on with those trained on. Counts are kept
in nirdeploy's cache (NIRDEPLOY_CACHE) under the digests of network, Verilog and digits, so a run that was cut off
goes on where it stopped, and one that was finished only prints. Ends with status 1 if a cell differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import nirdeploy as nd
from benchmarks import mnist, mnist_board
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.pipeline import Build
from nirdeploy.proof.verdict import Verdict
from nirdeploy.records import cache, store

CHUNK = 100  # images between two writes of the counts


@dataclass
class Counts:
    """Sums over the images done. A cell is one neuron in one step of one image; by population where a dict."""

    images: int = 0
    equal_images: int = 0
    right: int = 0
    cycles: int = 0
    seconds: float = 0.0
    cells: dict[str, int] = field(default_factory=dict)
    spikes: dict[str, int] = field(default_factory=dict)
    mismatches: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        for found in verdict.populations:
            for sums, value in (
                (self.cells, found.cells),
                (self.spikes, found.spikes_expected),
                (self.mismatches, found.mismatches),
            ):
                sums[found.population] = sums.get(found.population, 0) + value


def stimulus(digits: mnist.Digits) -> tuple[np.ndarray, np.ndarray]:
    """Spikes uint8 (STEPS, 10000, 784) and labels (10000,): the test split, then the training images."""
    x = mnist.encode(torch.cat([digits.test_x, digits.train_x])).numpy().astype(np.uint8)
    return x, torch.cat([digits.test_y, digits.train_y]).numpy()


def state_file(built: Build, x: np.ndarray) -> Path:
    """Where the counts of this network on this hardware and stimulus are kept."""
    parts = built.network.digest(), built.artifacts.digest(), hashlib.sha256(x.tobytes()).hexdigest()
    key = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:24]
    return cache.folder() / "benchmarks" / f"mnist-rtl-{key}.json"


def compare(fabric: rtl.Fabric, built: Build, x: np.ndarray, labels: np.ndarray, counts: Counts) -> None:
    """One chunk (T, B, 784), added to ``counts``."""
    started = time.monotonic()
    measured = fabric.run(built.image, x)
    counts.seconds += time.monotonic() - started
    expected = nd.simulate(built, x)
    counts.add(nd.verify(expected, measured))
    same = np.ones(x.shape[1], dtype=bool)
    for name, spikes in expected.spikes.items():
        axes = tuple(axis for axis in range(spikes.ndim) if axis != 1)
        same &= (spikes == measured.spikes[name]).all(axis=axes)
    counts.images += x.shape[1]
    counts.equal_images += int(same.sum())
    counts.right += round(nd.accuracy(measured, labels) * len(labels))
    counts.cycles += fabric.timing.cycles


def run(built: Build, x: np.ndarray, labels: np.ndarray, path: Path, images: int) -> Counts:
    """All chunks up to ``images`` that ``path`` does not hold yet."""
    counts = Counts(**json.loads(path.read_text())) if path.exists() else Counts()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with rtl.Fabric(built.target, built.artifacts) as fabric, Progress(*columns, console=Console(stderr=True)) as bar:
        fabric.load(built.image)
        task = bar.add_task("images", total=images, completed=counts.images)
        while counts.images < images:
            chunk = slice(counts.images, min(counts.images + CHUNK, images))
            compare(fabric, built, x[:, chunk], labels[chunk], counts)
            store.write_atomic(path, json.dumps(asdict(counts)).encode())
            bar.update(task, completed=counts.images)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", default="32", choices=list(mnist_board.BOARDS))
    parser.add_argument("--images", type=int, default=2000, help="up to 10000 (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=mnist.DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="forget what an earlier run counted")
    options = parser.parse_args()
    digits = mnist.load(options.data)
    built = mnist_board.build(mnist.trained(digits), options.lanes)
    x, labels = stimulus(digits)
    path = state_file(built, x)
    if options.restart:
        path.unlink(missing_ok=True)
    counts = run(built, x, labels, path, min(options.images, len(labels)))
    table = Table(title=f"784-128-10, {options.lanes} lanes: compiled Verilog against the integer simulator")
    for column in ("population", "cells compared", "spikes", "mismatches"):
        table.add_column(column, justify="left" if column == "population" else "right")
    for name in counts.cells:
        table.add_row(name, f"{counts.cells[name]:,}", f"{counts.spikes[name]:,}", f"{counts.mismatches[name]:,}")
    console = Console()
    console.print(table)
    console.print(
        f"{counts.equal_images:,} of {counts.images:,} images spike-identical in every population; "
        f"accuracy {100 * counts.right / counts.images:.2f} %; {counts.cycles / counts.images:,.0f} cycles per image, "
        f"back to back; {counts.cycles / counts.seconds / 1e6:.2f} million cycles per second",
        soft_wrap=True,
    )
    return int(counts.equal_images < counts.images)


if __name__ == "__main__":
    raise SystemExit(main())
