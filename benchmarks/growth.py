"""How cost grows with work: cycles of the virtual board over synaptic events, from 10^4 to 10^9.

    python benchmarks/growth.py [--json] [--target fpga-ulx3s] [--most 1e9]

One convolutional network (2-32-32 channels, 3 x 3, every population at about 10 %) on maps from 6 x 6 to 128 x 128,
for as many steps as the work takes, all of them played in passes. A synaptic event is one spike through one weight.
``cycles`` are those of a play, loading and all, where the board plays the passes from its external memory, else those
in which the cores work; the line is in neither. ``line``: the bytes that go over it, both ways; ``peak_mib``: the
memory of the process that cuts, runs and compares. The line through all points is the one of least relative squares;
``off`` says how far a point lies from it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import nir
import numpy as np
from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from benchmarks.cnn_cycles import operations
from benchmarks.size import played
from nirdeploy.targets import registry as targets

CHANNELS, RATE, ROUNDS = 32, 0.1, 12
#: Side of the map, and steps.
WORK = ((6, 1), (8, 2), (16, 4), (32, 10), (64, 25), (128, 65))


@dataclass(frozen=True)
class Row:
    """One amount of work. ``off``: of the line through all of them, as a part of the cycles measured."""

    side: int
    steps: int
    neurons: int
    events: int
    cycles: int
    passes: int
    line: int
    differ: int
    peak_mib: int
    off: float = 0.0


def network(side: int, thresholds: tuple[float, float] = (1.0, 1.0)) -> nir.NIRGraph:
    """Two layers whose weights are the same for every side."""
    random = np.random.default_rng(0)
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([2, side, side])})}
    edges, before, channels = [], "input", 2
    for number, threshold in enumerate(thresholds):
        weight = random.normal(0.1, 1, (CHANNELS, channels, 3, 3)).astype(np.float32)
        conv = nir.Conv2d((side, side), weight, 1, 1, 1, 1, np.zeros(CHANNELS, np.float32))
        nodes |= {f"conv{number}": conv, f"lif{number}": _neurons((CHANNELS, side, side), threshold)}
        edges += [(before, f"conv{number}"), (f"conv{number}", f"lif{number}")]
        before, channels = f"lif{number}", CHANNELS
    nodes["output"] = nir.Output({"output": np.array([channels, side, side])})
    return nir.NIRGraph(nodes, [*edges, (before, "output")])


def _neurons(shape: tuple[int, ...], threshold: float) -> nir.LIF:
    """Leaky ones, whose rate is soon what it stays; dt is 1e-4."""
    return nir.LIF(np.full(shape, 2e-4), np.ones(shape), np.zeros(shape), np.full(shape, threshold), np.zeros(shape))


def stimulus(side: int, steps: int) -> np.ndarray:
    """uint8 (steps, 1, 2, side, side)."""
    return (np.random.default_rng(1).random((steps, 1, 2, side, side)) < RATE).astype(np.uint8)


def lively() -> tuple[float, float]:
    """Thresholds at which both populations fire at about the rate of the input, found on a map of 16 x 16."""
    found = [1.0, 1.0]
    for layer in range(2):
        low, high = 1e-2, 1e3
        for _ in range(ROUNDS):
            found[layer] = math.sqrt(low * high)
            record = nd.simulate(network(16, (found[0], found[1])), stimulus(16, 20), [f"lif{layer}"])
            fires = record.spikes[f"lif{layer}"].mean() > RATE
            low, high = (found[layer], high) if fires else (low, found[layer])
    return found[0], found[1]


def measure(side: int, steps: int, thresholds: tuple[float, float], target_name: str) -> Row:
    """One amount of work, compared in every population."""
    target = targets.load(target_name)
    built, x = nd.build(network(side, thresholds), target), stimulus(side, steps)
    measured, line, _ = played(
        f"{side} x {side}, {steps} steps", built, target, x, None, target.serial_board.clock_hz // 4
    )
    expected = nd.simulate(built, x)
    sent = {built.network.inputs[0][0]: x, **expected.spikes}
    return Row(
        side,
        steps,
        sum(p.size for p in built.network.populations),
        round(operations(built.network, sent) * steps),
        int(measured.stats["cycles" if "batches" in measured.stats else "busy_cycles"]),
        len(built.image.passes) or 1,
        line,
        nd.verify(expected, measured).mismatches,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def line_through(rows: list[Row]) -> tuple[float, float]:
    """Slope and intercept of cycles over events, of least relative squares."""
    events, cycles = (np.array([getattr(row, name) for row in rows], np.float64) for name in ("events", "cycles"))
    slope, intercept = np.linalg.lstsq(
        np.stack([events, np.ones_like(events)], 1) / cycles[:, None], np.ones(len(rows))
    )[0]
    return float(slope), float(intercept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--target", default="fpga-ulx3s", help="by name or file (default: %(default)s)")
    parser.add_argument("--most", type=float, default=1e9, help="events, about, up to which (default: %(default)g)")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    thresholds, rows = lively(), []
    for side, steps in WORK:
        if side * side * steps * 1e3 <= 1.1 * options.most:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                rows.append(alone.submit(measure, side, steps, thresholds, options.target).result())
    slope, intercept = line_through(rows)
    rows = [replace(row, off=(slope * row.events + intercept) / row.cycles - 1) for row in rows]
    if options.json:
        found = {
            "rows": [asdict(row) for row in rows],
            "slope": slope,
            "intercept": intercept,
            "target": options.target,
        }
        print(json.dumps(found))
        return
    table = Table(title=f"{options.target}: cycles = {slope:.5f} x events + {intercept:,.0f}")
    for column in asdict(rows[0]):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.1%}" if isinstance(value, float) else f"{value:,}" for value in asdict(row).values()))
    Console(width=None if Console().is_terminal else 160).print(table)


if __name__ == "__main__":
    main()
