"""What more lanes cost and bring: 784-128-10 on the ULX3S, synthesized, placed and routed, run on MNIST digits.

    python benchmarks/trade.py [--lanes 8 --lanes 32] [--images 200] [--data mnist10k.npz]

Logic and MHz are nextpnr's, cycles the compiled Verilog's. Routing takes minutes per configuration; a bitstream is
made once per hardware and kept in nirdeploy's cache (NIRDEPLOY_CACHE), so a run that was cut off goes on from there.
The bars: fewer LUT4 than Spiker+'s 7,612 logic cells at no more than half its 780 us, and at most a third of its
product of the two.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from benchmarks import mnist, mnist_board
from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.backends.fpga.synthesis.report import Report
from nirdeploy.errors import DoesNotFit

SPIKER_LOGIC, SPIKER_BRAM, SPIKER_US = 7612, 18, 780.0  # published: arXiv:2401.01141
CARRY_LUTS = 2  # of a CCU2C


@dataclass(frozen=True)
class Point:
    """One configuration: its routed design, its cycles, and the accuracy of its integers (0 to 1)."""

    lanes: str
    report: Report
    cycles: mnist_board.Cycles
    accuracy: float

    @property
    def luts(self) -> int:
        return self.used("LUT4")

    @property
    def latency_us(self) -> float:
        """Of an image alone, at the clock that nextpnr reports."""
        return self.cycles.mean / self.report.fmax_mhz

    @property
    def product(self) -> float:
        """LUT4 x latency, of Spiker+'s."""
        return self.luts * self.latency_us / (SPIKER_LOGIC * SPIKER_US)

    def used(self, name: str) -> int:
        return next((r.used for r in self.report.resources if r.name == name), 0)


def measure(network: Path, lanes: str, digits: mnist.Digits, images: int, console: Console) -> Point:
    """Raises :class:`DoesNotFit` if the chip is too small or timing is not met."""
    built = mnist_board.build(network, lanes)
    made = flow.bitstream(built.target, lambda what: console.print(f"{lanes} lanes: {what}"))
    x = digits.stimulus()
    accuracy = nd.accuracy(nd.simulate(built, x, "outputs"), digits.test_y.numpy())
    return Point(lanes, made.report, mnist_board.cycles(built, x[:, :images]), accuracy)


def row(point: Point) -> list[str]:
    carry = CARRY_LUTS * point.report.cells.get("CCU2C", 0)
    found = point.cycles
    return [
        *(point.lanes, f"{100 * point.accuracy:.2f} %", f"{point.luts:,}", f"{carry:,}"),
        *(f"{point.used('register'):,}", str(point.used("block RAM (18 kbit)")), str(point.used("multiplier"))),
        *(f"{point.report.fmax_mhz:.1f}", f"{found.mean:,.0f}", f"{found.most:,}", f"{found.sustained:,.0f}"),
        *(f"{point.latency_us:.1f}", f"{found.sustained / point.report.fmax_mhz:.1f}", f"{point.product:.3f}"),
    ]


COLUMNS = (
    *("lanes", "accuracy", "LUT4", "of them carry", "registers", "BRAM", "DSP", "MHz"),
    *("cycles per image", "most", "sustained", "us", "us sustained", "LUT4 x us, of Spiker+'s"),
)


def verdict(points: list[Point]) -> list[str]:
    """Which configurations meet the two bars."""
    small = [p.lanes for p in points if p.luts < SPIKER_LOGIC and p.latency_us <= SPIKER_US / 2]
    third = [p.lanes for p in points if p.product <= 1 / 3]
    return [
        f"fewer LUT4 than {SPIKER_LOGIC:,} and at most {SPIKER_US / 2:g} us: {', '.join(small) or 'none'} lanes",
        f"at most a third of {SPIKER_LOGIC:,} x {SPIKER_US:g} us: {', '.join(third) or 'none'} lanes",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", action="append", choices=list(mnist_board.BOARDS), help="by default all")
    parser.add_argument("--images", type=int, default=200, help="whose cycles are counted (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=mnist.DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    options = parser.parse_args()
    digits = mnist.load(options.data)
    network = mnist.trained(digits)
    stderr, console = Console(stderr=True), Console(width=None if Console().is_terminal else 200)
    points, failed = [], []
    for lanes in options.lanes or mnist_board.BOARDS:
        try:
            points.append(measure(network, lanes, digits, options.images, stderr))
        except DoesNotFit as error:
            failed.append(f"{lanes} lanes: {error}")
    table = Table(title=f"784-128-10 on the ULX3S, {mnist.STEPS} steps, {options.images} images")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for point in points:
        table.add_row(*row(point))
    console.print(table)
    for line in [*verdict(points), *failed]:
        console.print(line, soft_wrap=True)


if __name__ == "__main__":
    main()
