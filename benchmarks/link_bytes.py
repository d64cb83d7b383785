"""What an image costs on the serial line of the virtual board, and how long its cores wait for the line.

    python benchmarks/link_bytes.py [--bits 1] [--case digits] [--target fpga] [--images 500] [--json]

784-128-10 on MNIST's test digits. Each is held for 16 steps; what comes back is how often every output spiked. With
``--bits 1`` a pixel is a spike or none, with more its brightness as a number. ``--case random`` runs pixels without any
order, of which nothing can be left out: the worst that can come. ``--case steps`` brings back every step. Bytes are
counted at the host's end, both ways, with the frames, the start of the run and its end; cycles by the device. Ends with
status 1 if a count differs from the integer simulator's.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from benchmarks import mnist
from benchmarks.virtual_board import running
from nirdeploy.backends.fpga.simulated import board

STEPS = 16
CASES = ("digits", "random", "steps")


@dataclass(frozen=True)
class Cost:
    """Of an image. ``waiting``: the part of all cycles in which no core worked; ``differ``: counts, of all images."""

    bytes_per_image: float
    cycles_per_image: float
    waiting: float
    differ: int


def images(digits: mnist.Digits, count: int, bits: int, case: str) -> np.ndarray:
    """Pixels (B, 784), whole numbers of ``bits`` bits."""
    flat = digits.test_x[:count].reshape(count, -1).numpy()
    if case == "random":
        return np.random.default_rng(0).integers(0, 1 << bits, flat.shape, dtype=np.uint8)
    if bits == 1:
        return (flat > mnist.DARK).astype(np.uint8)
    return np.rint(flat * ((1 << bits) - 1)).astype(np.uint8)


def measure(built: nd.Build, x: np.ndarray, case: str) -> Cost:
    """Of one run of all images ``x`` (T, B, 784)."""
    counts = nd.Tally.of(nd.simulate(built, x, "outputs"), ["count"]).values["count"]
    board.prepare(built.target)
    with running(built) as (_, port, device):
        before = port.sent + port.received
        found = nd.Tally.of(nd.run(device, x, "outputs"), ["count"]) if case == "steps" else nd.tally(device, x)
        moved = port.sent + port.received - before
    differ = sum(int((found.values["count"][name] != expected).sum()) for name, expected in counts.items())
    many, cycles = x.shape[1], found.stats["cycles"]
    return Cost(
        round(moved / many, 2), round(cycles / many, 1), round(1 - found.stats["busy_cycles"] / cycles, 4), differ
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, choices=range(1, 9), default=1, help="of a pixel (default: %(default)s)")
    parser.add_argument("--case", choices=CASES, default="digits")
    parser.add_argument("--target", default="fpga")
    parser.add_argument("--images", type=int, default=500, help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=mnist.DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    digits = mnist.load(options.data)
    held = {} if options.bits == 1 else {"input_bits": options.bits, "input_scale": 1 / ((1 << options.bits) - 1)}
    built = nd.build(mnist.trained(digits), options.target, **held)
    x = np.repeat(images(digits, options.images, options.bits, options.case)[None], STEPS, axis=0)
    cost = measure(built, x if options.bits == 1 else x / ((1 << options.bits) - 1), options.case)
    if options.json:
        said = {"bytes_per_image": cost.bytes_per_image, "cycles_per_image": cost.cycles_per_image}
        print(json.dumps({**said, "waiting": cost.waiting}))
        return int(cost.differ > 0)
    title = f"{options.case}: {options.images} images of {options.bits} bits a pixel, {STEPS} steps, {options.target}"
    table = Table(title=title)
    for column in ("bytes per image", "cycles per image", "cores wait", "counts that differ"):
        table.add_column(column, justify="right")
    table.add_row(
        *(f"{cost.bytes_per_image:,.1f}", f"{cost.cycles_per_image:,.0f}", f"{100 * cost.waiting:.0f} %"),
        str(cost.differ),
    )
    Console(width=None if Console().is_terminal else 120).print(table)
    return int(cost.differ > 0)


if __name__ == "__main__":
    raise SystemExit(main())
