"""Images per second and latency of two MNIST networks on a board's own hardware, beside what others published.

    python -m benchmarks.throughput [--board fpga-ulx3s] [--images 64] [--data mnist10k.npz] [--json]

12C5-MP2-32C5-MP2-10 (benchmarks/mnist_cnn.py) and 784-128-10 (benchmarks/mnist.py), on the compiled Verilog of the
board's hardware: cycles per image as images follow each other, and from the first input of an image alone to its last
output. What is larger than the chip the board plays in passes from its external memory, loading included. MHz and cells
are nextpnr's of the routed board, accuracy is that of the integers on 2,000 digits, and every image's spikes are
compared with the integer simulator's (in passes: its outputs, and of the first one all populations). No board was
measured; ``line``: images per second that the board's serial line lets through, by the estimate.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from benchmarks import mnist, mnist_cnn
from nirdeploy.backends.fpga.simulated import board, rtl
from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.device.client import Device
from nirdeploy.device.ports import SerialPort
from nirdeploy.graph.check import check
from nirdeploy.pipeline import Build
from nirdeploy.targets import registry as targets

#: (design, accuracy in %, images per second, microseconds of one), as published; None: not said.
PUBLISHED: tuple[tuple[str, float | None, float | None, float | None], ...] = (
    ("DeepFire (FPL 2021), a CNN", 99.14, 40_100.0, None),
    ("SyncNN (FPL 2021), its fastest network", None, 13_086.0, None),
    ("NeuroHLS, a dense network", None, None, 0.8),
    ("Spiker+ (arXiv 2401.01141), 784-128-10", 93.85, None, 780.0),
)

_CLOCKS_PER_BIT = 4  # of a line whose every cycle is simulated
_PATIENCE = 240  # attempts: the machine may do other work


@dataclass(frozen=True)
class Row:
    """``images``: compared on the Verilog; ``cycles`` of an image as they follow each other; ``alone`` of one."""

    network: str
    board: str
    accuracy: float
    images: int
    cells: int
    differ: int
    cycles: float
    alone: int
    mhz: float
    per_second: float
    latency_us: float
    line: float
    resources: dict[str, int]


def measured(built: Build, x: np.ndarray) -> tuple[float, int, int, int]:
    """Cycles of an image among others, and alone; cells compared, and those that differ. ``x``: (T, B, ...)."""
    steps = len(x)
    with rtl.Fabric(built.target, built.artifacts) as fabric:
        fabric.load(built.image)
        verdict = nd.verify(nd.simulate(built, x), fabric.run(built.image, x))
        done = fabric.timing.step_done[steps - 1 :: steps].astype(np.int64)
        first, last = len(done) // 8, len(done) - 1
        fabric.run(built.image, x[:, :1])
        alone = int(fabric.timing.step_done[-1])
    return (int(done[last]) - int(done[first])) / (last - first), alone, verdict.cells, verdict.mismatches


def played(built: Build, x: np.ndarray) -> tuple[float, int, int, int]:
    """The same of a network that the board plays in passes."""
    target = built.target
    baud = target.serial_board.clock_hz // _CLOCKS_PER_BIT
    board.prepare(target)
    with (
        board.start(target, baud=baud) as running,
        Device(SerialPort(running.port, baud), name=running.port, attempts=_PATIENCE) as device,
    ):
        several = nd.run(device, x, "outputs", image=built.image)
        alone = nd.run(device, x[:, :1], "outputs", image=built.image)
        whole = nd.run(device, x[:, :1], image=built.image)
    verdicts = [
        nd.verify(nd.simulate(built, x, "outputs"), several),
        nd.verify(nd.simulate(built, x[:, :1]), whole),
    ]
    cells, differ = (sum(getattr(one, name) for one in verdicts) for name in ("cells", "mismatches"))
    return several.stats["cycles"] / x.shape[1], int(alone.stats["cycles"]), cells, differ


def row(name: str, built: Build, encode: Callable[[torch.Tensor], torch.Tensor], digits: mnist.Digits, n: int) -> Row:
    x, labels = encode(digits.test_x).numpy(), digits.test_y.numpy()
    report = flow.bitstream(built.target).report
    cycles, alone, cells, differ = (played if built.image.passes else measured)(built, x[:, :n])
    step = targets.backend_of(built.target).estimate(built.network, built.placement, built.plan, built.target, 0.13)
    return Row(
        network=name,
        board=built.target.name,
        accuracy=100 * nd.accuracy(nd.simulate(built, x), labels),
        images=n,
        cells=cells,
        differ=differ,
        cycles=round(cycles, 1),
        alone=alone,
        mhz=report.fmax_mhz,
        per_second=round(report.fmax_mhz * 1e6 / cycles),
        latency_us=round(alone / report.fmax_mhz, 2),
        line=round(1e6 / (float(step["link_us"]) * len(x)), 1),
        resources={resource.name: resource.used for resource in report.resources},
    )


def rows(target_name: str, digits: mnist.Digits, images: int) -> list[Row]:
    target = targets.load(target_name)
    held = {"input_bits": mnist_cnn.INPUT_BITS, "input_scale": 1 / mnist_cnn.LEVELS}
    cnn = nd.build(check(mnist_cnn.trained(digits), **held), target)
    dense = nd.build(check(mnist.trained(digits)), target)
    return [
        row("12C5-MP2-32C5-MP2-10", cnn, mnist_cnn.held, digits, images),
        row("784-128-10", dense, mnist.encode, digits, images),
    ]


def shown(found: list[Row]) -> Table:
    table = Table(title="images per second, by cycles and nextpnr's MHz; published ones below")
    for column in ("network", "accuracy, %", "cycles", "alone", "MHz", "images/s", "us of one", "line, images/s"):
        table.add_column(column, justify="right")
    table.add_column("of the chip")
    table.add_column("cells, differ", justify="right")
    for one in found:
        table.add_row(
            *(one.network, f"{one.accuracy:.2f}", f"{one.cycles:,.0f}", f"{one.alone:,}", f"{one.mhz:.1f}"),
            *(f"{one.per_second:,.0f}", f"{one.latency_us:,.1f}", f"{one.line:,.0f}"),
            ", ".join(f"{used:,} {name}" for name, used in one.resources.items()),
            f"{one.cells:,}, {one.differ:,}",
        )
    for design, accuracy, speed, latency in PUBLISHED:
        figures = [f"{value:,g}" if value is not None else "" for value in (accuracy, speed, latency)]
        table.add_row(design, figures[0], "", "", "", figures[1], figures[2], "", "", "")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", default="fpga-ulx3s", help="whose hardware (default: %(default)s)")
    parser.add_argument("--images", type=int, default=64, help="on the Verilog (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=mnist.DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = rows(options.board, mnist.load(options.data), options.images)
    if options.json:
        print(json.dumps({"rows": [asdict(one) for one in found]}))
    else:
        Console(width=None if Console().is_terminal else 200).print(shown(found))


if __name__ == "__main__":
    main()
