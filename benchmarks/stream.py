"""How fast a stream is: steps per second and latency on the virtual board, and computed for each real board.

    python benchmarks/stream.py [--json] [--steps 100000] [--target fpga]

64-96-10 LIF, inputs at 10 %, the outputs read, state kept over all steps; every cell is held to the integer model's.
In blocks of 64 steps under way frames grow with the backlog; alone, each step waits for its spikes before the next.
Seconds are of this machine, and its load is said beside them. Boards are computed from their
clock, their line and the cost model's cycles; what adapter and host add there is not in it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import nir
import numpy as np
from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import board
from nirdeploy.device.opened import OpenDevice
from nirdeploy.errors import NirdeployError
from nirdeploy.pipeline import Build
from nirdeploy.targets import registry

SIZES = (64, 96, 10)
ACTIVITY = 0.1
DT = 1e-3
DEPTH = 64
ALONE = 2_000  # steps that wait for their spikes, at most
BAR_STEPS_PER_S = 1_000


def graph() -> nir.NIRGraph:
    """64-96-10 LIF, so weighted that both layers spike."""
    rng, (inputs, hidden, outputs) = np.random.default_rng(0), SIZES

    def lif(size: int) -> nir.LIF:
        return nir.LIF(tau=np.full(size, 0.01), r=np.ones(size), v_leak=np.zeros(size), v_threshold=np.full(size, 0.1))

    nodes = {
        "input": nir.Input({"input": np.array([inputs])}),
        "fc1": nir.Linear(rng.normal(0.05, 0.25, (hidden, inputs))),
        "lif1": lif(hidden),
        "fc2": nir.Linear(rng.normal(0.02, 0.25, (outputs, hidden))),
        "lif2": lif(outputs),
        "output": nir.Output({"output": np.array([outputs])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)))


@dataclass(frozen=True)
class Measured:
    """Of one way to stream. ``cycles_per_step``: of the board's clock, idle ones too; ``load``: of this machine."""

    way: str
    steps: int
    differing_cells: int
    cells: int
    spikes: int
    steps_per_s: float
    latency_median_ms: float
    latency_99_ms: float
    cycles_per_step: float
    load: tuple[float, float]


def measured(device: OpenDevice, x: np.ndarray, wanted: np.ndarray, alone: bool) -> Measured:
    """``wanted``: the outputs' spikes, (T, neurons)."""
    load, before = os.getloadavg()[0], device.status().cycles
    with device.stream(depth=DEPTH) as s:
        began = time.perf_counter()
        found = np.stack([s.step(one)["output"] for one in x]) if alone else s.steps(x)["output"][:, 0]
        seconds, stats = time.perf_counter() - began, s.stats
    cycles = device.status().cycles - before
    return Measured(
        "a step alone" if alone else f"{DEPTH} steps under way",
        len(x),
        int((found != wanted).sum()),
        wanted.size,
        int(found.sum()),
        len(x) / seconds,
        stats["latency_median_ms"],
        stats["latency_99_ms"],
        cycles / len(x),
        (load, os.getloadavg()[0]),
    )


def computed() -> list[dict[str, Any]]:
    """Each board that holds the network, by figures alone; those that do not, with the reason."""
    found = []
    for name in registry.names():
        target = registry.load(name)
        if target.board is None:
            continue
        try:
            built = nd.build(graph(), target, dt=DT)
        except NirdeployError as error:
            found.append({"target": name, "computed": True, "reason": str(error)})
            continue
        costs = built.costs(ACTIVITY)
        if "stream_latency_us" not in costs:
            found.append({"target": name, "computed": True, "reason": "it takes passes, or there are no figures"})
            continue
        step, full, cores = (float(costs[key]) for key in ("stream_step_us", "link_us", "step_us"))
        found.append(
            {
                "target": name,
                "computed": True,
                "clock_hz": target.serial_board.clock_hz,
                "baud": target.serial_board.baud,
                "cycles_per_step": costs["cycles"],
                "latency_us": costs["stream_latency_us"],
                "steps_per_s_one_step_a_frame": 1e6 / max(step, cores),
                "steps_per_s_full_frames": 1e6 / max(full, cores),
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--target", default="fpga")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args()
    built: Build = nd.build(graph(), options.target, dt=DT)
    x = (np.random.default_rng(1).random((options.steps, SIZES[0])) < ACTIVITY).astype(np.uint8)
    wanted = nd.simulate(built, x[:, None], "outputs")["output"][:, 0]
    board.prepare(built.target)
    with nd.open_device("virtual", built.target) as device:
        nd.flash(built, device)
        few = min(ALONE, options.steps)
        ways = [measured(device, x, wanted, False), measured(device, x[:few], wanted[:few], True)]
    boards = computed()
    if options.json:
        said = {"network": "-".join(map(str, SIZES)), "activity": ACTIVITY, "bar_steps_per_s": BAR_STEPS_PER_S}
        json.dump({**said, "virtual": [asdict(way) for way in ways], "boards": boards}, sys.stdout)
        sys.stdout.write("\n")
        return
    console = Console(width=None if Console().is_terminal else 140)
    table = Table(title=f"64-96-10 streamed on the virtual board of {options.target}, measured")
    for column in ("", "steps", "cells that differ", "steps per s", "median ms", "99 % ms", "cycles per step", "load"):
        table.add_column(column, justify="left" if not column else "right")
    for way in ways:
        table.add_row(
            *(way.way, f"{way.steps:,}", f"{way.differing_cells:,} of {way.cells:,}", f"{way.steps_per_s:,.0f}"),
            *(f"{way.latency_median_ms:.2f}", f"{way.latency_99_ms:.2f}", f"{way.cycles_per_step:,.0f}"),
            f"{way.load[0]:.1f} to {way.load[1]:.1f}",
        )
    console.print(table)
    shown = Table(title="the same on boards, computed")
    for column in (
        "",
        "MHz",
        "baud",
        "us from a step to its outputs",
        "steps per s, one a frame",
        "steps per s, full frames",
    ):
        shown.add_column(column, justify="left" if not column else "right")
    for one in boards:
        if "reason" in one:
            shown.add_row(one["target"], one["reason"])
        else:
            shown.add_row(
                *(one["target"], f"{one['clock_hz'] / 1e6:g}", f"{one['baud']:,}", f"{one['latency_us']:,.0f}"),
                f"{one['steps_per_s_one_step_a_frame']:,.0f}",
                f"{one['steps_per_s_full_frames']:,.0f}",
            )
    console.print(shown)


if __name__ == "__main__":
    main()
