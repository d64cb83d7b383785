"""Synaptic operations per cycle of the NIR paper's convolutional network (N-MNIST), on the compiled Verilog.

    python benchmarks/cnn_cycles.py [--activity 0.1 --activity 0.01] [--lanes 16] [--data nir_paper/cnn_sinabs.nir]

A synaptic operation is one spike through one weight; lanes x cores could do one each per cycle. Inputs are drawn at
the activity named. "As trained" the populations fire as they will; "set" means that thresholds were scaled, layer by
layer, until every population fires about as often as the inputs. Cycles per step are sustained ones, read off the bus
of the simulated Verilog; "predicted" is what ``nirdeploy estimate`` says for that activity.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
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


def board(cores: int, lanes: int) -> Target:
    """Memories of one size in all, shared out among the cores."""
    return targets.load("fpga").with_hardware(
        **{"cores": cores, "lanes": lanes, "update": 4, "accumulator_bits": 20},
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
    total = 0.0
    for projection in network.projections:
        ones = replace(projection.operator, weight=np.ones_like(projection.weight))
        spikes = signals[projection.source].reshape(STEPS, -1).astype(np.float64)
        total += float(replace(projection, operator=ones).apply(spikes).sum())
    return total / STEPS


@dataclass(frozen=True)
class Run:
    """One network on one hardware. ``rates``: of every population; ``operations`` and ``cycles`` per step."""

    rates: list[float]
    operations: float
    cycles: float
    predicted: float
    mismatches: int


def measure(built: Build, x: np.ndarray, activity: float) -> Run:
    with rtl.Fabric(built.target, built.artifacts) as fabric:
        fabric.load(built.image)
        measured = fabric.run(built.image, x)
        cycles = fabric.timing.sustained()
    expected = nd.simulate(built, x)
    backend = registry.backend_of(built.target)
    predicted = backend.estimate(built.network, built.placement, built.plan, built.target, activity)
    return Run(
        [float(expected.spikes[p.name].mean()) for p in built.network.populations],
        operations(built.network, {built.network.inputs[0][0]: x, **expected.spikes}),
        cycles,
        float(predicted["cycles"]),
        nd.verify(expected, measured).mismatches,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--activity", type=float, action="append", help="of the inputs, by default 0.1 and 0.01")
    parser.add_argument("--lanes", type=int, default=16, help="per core (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="cnn_sinabs.nir (default: %(default)s)")
    options = parser.parse_args()
    trained = nirfile.read(options.data)
    table = Table(title=f"cnn_sinabs.nir, {options.lanes} lanes per core, {STEPS} steps")
    for column in ("input", "populations", "rates, %", "cores", "operations per step", "cycles per step", "predicted"):
        table.add_column(column, justify="right")
    table.add_column("operations per cycle and lane", justify="right")
    table.add_column("mismatches", justify="right")
    for activity in options.activity or (0.1, 0.01):
        for name, graph in (("as trained", trained), ("set", set_to(trained, activity))):
            for cores in CORES:
                built = nd.build(graph, board(cores, options.lanes), dialect=DIALECT)
                run = measure(built, stimulus(trained, activity), activity)
                table.add_row(
                    *(f"{100 * activity:g} %", name, " ".join(f"{100 * rate:.1f}" for rate in run.rates), str(cores)),
                    *(f"{run.operations:,.0f}", f"{run.cycles:,.0f}", f"{run.predicted:,.0f}" if name == "set" else ""),
                    *(f"{run.operations / run.cycles / options.lanes / cores:.3f}", str(run.mismatches)),
                )
    Console(width=None if Console().is_terminal else 160).print(table)


if __name__ == "__main__":
    main()
