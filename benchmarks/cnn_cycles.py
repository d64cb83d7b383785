"""Synaptic operations per cycle of the NIR paper's convolutional network (N-MNIST), on the compiled Verilog.

    python benchmarks/cnn_cycles.py [--json] [--activity 0.1 --activity 0.01] [--lanes 16] [--update 16]
                                    [--data nir_paper/cnn_sinabs.nir]

A synaptic operation is one spike through one weight; lanes x cores could do one each per cycle. Inputs are drawn at
the activity named. "As trained" the populations fire as they will; "set" means that thresholds were scaled, layer by
layer, until every population fires about as often as the inputs. Cycles per step are sustained ones, read off the bus
of the simulated Verilog; "predicted" is what ``nirdeploy estimate`` says for that activity. A row of neurons leaves its
lanes, ``update`` of them a cycle: at 1 % most rows sum up fewer spikes than that takes.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import nir
import numpy as np
from rich.console import Console
from rich.table import Table

import nirdeploy as nd
from benchmarks import mnist
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.pipeline import Build
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

CORES = (1, 2, 4)
STEPS = 60
ROUNDS = 12  # of bisection
DIALECT = "nir,dt=1"  # as the paper ran it
DEFAULT_DATA = mnist.DEFAULT_DATA.parent / "nir_paper" / "cnn_sinabs.nir"


def board(cores: int, lanes: int, update: int = 16) -> Target:
    """Memories of one size in all, shared out among the cores."""
    return targets.load("fpga").with_hardware(
        **{"cores": cores, "lanes": lanes, "update": update, "accumulator_bits": 20, "queue": 32},
        **{"weight_rows": 32768 * 16 // lanes // cores, "neurons": 16384 // cores, "parameters": 4096},
        **{"segments": 1024, "jobs": 128, "spike_words": 1024, "out_words": 4096},
    )


def stimulus(graph: nir.NIRGraph, activity: float) -> np.ndarray:
    """uint8 (STEPS, 1, *input shape)."""
    shape = tuple(int(n) for n in next(n for n in graph.nodes.values() if isinstance(n, nir.Input)).input_type["input"])
    return (np.random.default_rng(0).random((STEPS, 1, *shape)) < activity).astype(np.uint8)


def set_to(graph: nir.NIRGraph, activity: float) -> nir.NIRGraph:
    """The graph with every population's thresholds scaled until it fires at ``activity``, from the input on."""
    x, nodes = stimulus(graph, activity), dict(graph.nodes)
    firing = [p.name for p in check(graph, dialect=DIALECT).populations if isinstance(nodes[p.name], nir.IF)]
    for name in firing:
        trained, low, high = nodes[name], 1e-3, 1e3
        for _ in range(ROUNDS):
            middle = math.sqrt(low * high)
            nodes[name] = replace(trained, v_threshold=trained.v_threshold * middle)
            record = nd.simulate(nir.NIRGraph(nodes, graph.edges, type_check=False), x, [name], dialect=DIALECT)
            low, high = (middle, high) if record.spikes[name].mean() > activity else (low, middle)
    return nir.NIRGraph(nodes, graph.edges, type_check=False)


def operations(network: IntegerNetwork, signals: dict[str, np.ndarray]) -> float:
    """Per step: spikes of every source times the weights that each meets. ``signals``: (T, 1, ...) by source."""
    total, steps = 0.0, len(next(iter(signals.values())))
    for projection in network.projections:
        ones = replace(projection.operator, weight=np.ones_like(projection.weight))
        spikes = signals[projection.source].reshape(steps, -1).astype(np.float64)
        total += float(replace(projection, operator=ones).apply(spikes).sum())
    return total / steps


@dataclass(frozen=True)
class Run:
    """One network on one hardware. ``populations``: "as trained" or "set"; ``rates``: of each of them; ``operations``
    and ``cycles`` per step."""

    input: float
    populations: str
    cores: int
    per_cycle_and_lane: float
    rates: list[float]
    operations: float
    cycles: float
    predicted: float
    mismatches: int


def measure(built: Build, x: np.ndarray, activity: float, populations: str) -> Run:
    with rtl.Fabric(built.target, built.artifacts) as fabric:
        fabric.load(built.image)
        measured = fabric.run(built.image, x)
        cycles = fabric.timing.sustained()
    expected = nd.simulate(built, x)
    backend = registry.backend_of(built.target)
    predicted = backend.estimate(built.network, built.placement, built.plan, built.target, activity)
    work = operations(built.network, {built.network.inputs[0][0]: x, **expected.spikes})
    hardware = built.target.hardware
    return Run(
        activity,
        populations,
        hardware.cores,
        work / cycles / hardware.lanes / hardware.cores,
        [float(expected.spikes[p.name].mean()) for p in built.network.populations],
        work,
        cycles,
        float(predicted["cycles"]),
        nd.verify(expected, measured).mismatches,
    )


def runs(trained: nir.NIRGraph, activities: Sequence[float], lanes: int, update: int) -> Iterator[Run]:
    for activity in activities:
        for name, graph in (("as trained", trained), ("set", set_to(trained, activity))):
            for cores in CORES:
                built = nd.build(graph, board(cores, lanes, update), dialect=DIALECT)
                yield measure(built, stimulus(trained, activity), activity, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one object, and nothing else")
    parser.add_argument("--activity", type=float, action="append", help="of the inputs, by default 0.1 and 0.01")
    parser.add_argument("--lanes", type=int, default=16, help="per core (default: %(default)s)")
    parser.add_argument("--update", type=int, default=16, help="neurons updated per cycle (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="cnn_sinabs.nir (default: %(default)s)")
    options = parser.parse_args()
    found = runs(nirfile.read(options.data), options.activity or (0.1, 0.01), options.lanes, options.update)
    if options.json:
        print(json.dumps({"lanes": options.lanes, "update": options.update, "rows": [asdict(run) for run in found]}))
        return
    table = Table(title=f"cnn_sinabs.nir, {options.lanes} lanes per core, {STEPS} steps")
    for column in ("input", "populations", "rates, %", "cores", "operations per step", "cycles per step", "predicted"):
        table.add_column(column, justify="right")
    table.add_column("operations per cycle and lane", justify="right")
    table.add_column("mismatches", justify="right")
    for run in found:
        predicted = f"{run.predicted:,.0f}" if run.populations == "set" else ""
        table.add_row(
            *(f"{100 * run.input:g} %", run.populations, " ".join(f"{100 * rate:.1f}" for rate in run.rates)),
            *(str(run.cores), f"{run.operations:,.0f}", f"{run.cycles:,.0f}", predicted),
            *(f"{run.per_cycle_and_lane:.3f}", str(run.mismatches)),
        )
    Console(width=None if Console().is_terminal else 160).print(table)


if __name__ == "__main__":
    main()
