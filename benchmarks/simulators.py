"""One network, one stimulus, every simulator: ours against the frameworks' own.

    python benchmarks/simulators.py [--network NAME] [--one-thread] [--json] [--rounds N]

*dense*: 784-128-10 LIF, 100 steps, batch 1 and 64. *convolutional*: 2-16-32 channels on 32 x 32, kernels of 3 x 3, LIF,
16 steps, batch 1, 16 and 64. Input density 0.1, the same .nir for all, each imported by its own importer. All are set
up once; then all take turns, round after round: two runs to warm up, then as many as fill a third of a second. The
median of all rounds counts. A run starts from rest and gives the output spikes. Spyx runs (dense) in an environment of
its own (``make test-frameworks`` makes it; its Python in NIRDEPLOY_WITNESS_SPYX) as a process that takes its turn with
the others. ``--one-thread``: processor time of one thread each, which says something on a machine that others use too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.sim import float_, integer
from nirdeploy.sim.engine import cores

DENSITY, DT = 0.1, 1e-4
SIZES, CHANNELS, SIDE = (784, 128, 10), (2, 16, 32), 32
TURN = 0.33  # seconds
HERE = Path(__file__).resolve().parent
OURS = ("nirdeploy integer", "nirdeploy float")
Runner = Callable[[], Any]


@dataclass(frozen=True)
class Network:
    """What is run: its graph, the shape of its input, steps and batches."""

    graph: Callable[[], nir.NIRGraph]
    shape: tuple[int, ...]
    steps: int
    batches: tuple[int, ...]


def lif(*shape: int) -> nir.LIF:
    """LIF of tau = 2 ms whose membrane adds its input."""
    whole = {"tau": 2e-3, "r": 20.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    return nir.LIF(**{key: np.full(shape, value, dtype=np.float32) for key, value in whole.items()})


def dense() -> nir.NIRGraph:
    """Weights so that some 8 % of the neurons fire."""
    rng = np.random.default_rng(0)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([SIZES[0]])})}
    for i in (1, 2):
        size = SIZES[i]
        weight = rng.normal(0.03 * (i - 1), (0.08, 0.3)[i - 1], (size, SIZES[i - 1])).astype(np.float32)
        nodes[f"fc{i}"] = nir.Affine(weight, np.zeros(size, dtype=np.float32))
        nodes[f"lif{i}"] = lif(size)
    nodes["output"] = nir.Output({"output": np.array([SIZES[2]])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


def convolutional() -> nir.NIRGraph:
    """Weights so that some 8 % of the neurons fire in the first layer, 15 % in the second."""
    rng = np.random.default_rng(0)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([CHANNELS[0], SIDE, SIDE])})}
    for i in (1, 2):
        outs, ins = CHANNELS[i], CHANNELS[i - 1]
        weight = rng.normal(0.02 * (i - 1), (0.55, 0.2)[i - 1], (outs, ins, 3, 3)).astype(np.float32)
        nodes[f"conv{i}"] = nir.Conv2d((SIDE, SIDE), weight, 1, 1, 1, 1, np.zeros(outs, dtype=np.float32))
        nodes[f"lif{i}"] = lif(outs, SIDE, SIDE)
    nodes["output"] = nir.Output({"output": np.array([CHANNELS[2], SIDE, SIDE])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


NETWORKS = {
    "dense": Network(dense, (SIZES[0],), 100, (1, 64)),
    "convolutional": Network(convolutional, (CHANNELS[0], SIDE, SIDE), 16, (1, 16, 64)),
}


def ours(path: Path, x: np.ndarray) -> dict[str, Runner]:
    graph = check(path)
    network = nd.quantize(graph, nd.Formats(8, 24, 24, 12))
    return {
        "nirdeploy integer": lambda: integer.simulate(network, x, "outputs"),
        "nirdeploy float": lambda: float_.simulate(graph, x, "outputs"),
    }


def numpy_loop(path: Path, x: np.ndarray) -> Runner:
    nodes = nirfile.read(path).nodes
    weights = [nodes[f"fc{i}"].weight.T.copy() for i in (1, 2)]
    spikes = x.astype(np.float32)

    def run() -> np.ndarray:
        v = [np.zeros((x.shape[1], w.shape[1]), dtype=np.float32) for w in weights]
        out = np.zeros((len(x), x.shape[1], SIZES[2]), dtype=np.float32)
        for t in range(len(x)):
            s = spikes[t]
            for i, w in enumerate(weights):
                v[i] = v[i] + 0.05 * (20.0 * (s @ w) - v[i])
                s = (v[i] > 1).astype(np.float32)
                v[i][s > 0] = 0
            out[t] = s
        return out

    return run


def spikingjelly(path: Path, x: np.ndarray, mode: str) -> Runner:
    from spikingjelly.activation_based import nir_exchange

    net = nir_exchange.import_from_nir(str(path), dt=DT, step_mode=mode)
    spikes = torch.from_numpy(x).float()

    def steps() -> torch.Tensor:
        state, outs = None, []
        for now in spikes:
            out, state = net(now, state)
            outs.append(out)
        return torch.stack(outs)

    return (lambda: net(spikes, None)[0]) if mode == "m" else steps


def snntorch(path: Path, x: np.ndarray) -> Runner:
    from snntorch.import_nir import import_from_nir

    net, spikes = import_from_nir(nir.read(str(path))), torch.from_numpy(x).float()

    def steps() -> torch.Tensor:
        for module in net.modules():
            if hasattr(module, "reset_mem"):
                module.reset_mem()
        state, outs = None, []
        for now in spikes:
            out, state = net(now, state)
            outs.append(out[0] if isinstance(out, tuple) else out)
        return torch.stack(outs)

    return steps


def norse(path: Path, x: np.ndarray) -> Runner:
    import logging

    import norse.torch as nt

    logging.disable(logging.WARNING)  # it warns of r, which does not change how long it takes
    net, spikes = nt.from_nir(nir.read(str(path)), dt=DT), torch.from_numpy(x).float()

    def steps() -> torch.Tensor:
        state, outs = None, []
        for now in spikes:
            out, state = net(now, state)
            outs.append(out)
        return torch.stack(outs)

    return steps


def sinabs(path: Path, x: np.ndarray) -> Runner:
    import sinabs.nir
    from sinabs.layers import StatefulLayer

    read = nir.read(str(path))
    for node in read.nodes.values():
        if isinstance(node, nir.LIF):
            for key in ("tau", "v_leak", "r", "v_threshold"):
                setattr(node, key, torch.from_numpy(getattr(node, key)))
            node.tau, node.v_leak = node.tau / DT, node.v_leak.flatten()  # it asks whether any of a line is not 0
    net = sinabs.nir.from_nir(read, num_timesteps=len(x))
    flat = torch.from_numpy(x).float().transpose(0, 1).flatten(0, 1)

    def run() -> torch.Tensor:
        for module in net.modules():
            if isinstance(module, StatefulLayer):
                module.reset_states()
        out: torch.Tensor = net(flat)[0]
        return out

    return run


class Spyx:
    """A process of Spyx's own environment that runs once for each line it is sent."""

    def __init__(self, python: str, path: Path, x: np.ndarray) -> None:
        stimulus = path.with_name(f"x{x.shape[1]}.npy")
        np.save(stimulus, x)
        self.process = subprocess.Popen(
            [python, str(HERE / "peers" / "spyx_speed.py"), str(path), str(stimulus), str(DT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds()

    def seconds(self) -> float:
        """How long one run took, measured there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()


def seconds(run: Runner, clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start


def turn(once: Callable[[], float]) -> list[float]:
    """The seconds of each run of one turn."""
    once(), once()
    taken: list[float] = []
    while sum(taken) < TURN:
        taken.append(once())
    return taken


def peers(path: Path, x: np.ndarray, name: str) -> dict[str, Runner]:
    """Single steps are for the dense network alone: SpikingJelly's way to many steps is its fastest."""
    found = {
        "spikingjelly m": spikingjelly(path, x, "m"),
        "snntorch": snntorch(path, x),
        "norse": norse(path, x),
        "sinabs": sinabs(path, x),
    }
    if name == "dense":
        found |= {"numpy loop": numpy_loop(path, x), "spikingjelly s": spikingjelly(path, x, "s")}
    return found


def measure(name: str, rounds: int, clock: Callable[[], float]) -> dict[str, Any]:
    """Milliseconds per sample by simulator and batch, and our ratios to the fastest peer."""
    network = NETWORKS[name]
    python = os.environ.get("NIRDEPLOY_WITNESS_SPYX", str(HERE.parent / ".venv-spyx" / "bin" / "python"))
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "net.nir"
        nirfile.write(path, network.graph())
        for batch in network.batches:
            drawn = np.random.default_rng(batch).random((network.steps, batch, *network.shape))
            x = (drawn < DENSITY).astype(np.uint8)
            runners = {**ours(path, x), **peers(path, x, name)}
            other = Spyx(python, path, x) if name == "dense" and Path(python).exists() else None
            taken: dict[str, list[float]] = {runner: [] for runner in runners}
            for _ in range(rounds):
                for runner, run in runners.items():
                    taken[runner] += turn(partial(seconds, run, clock))
                if other is not None:
                    taken.setdefault("spyx (jit)", []).extend(turn(other.seconds))
            if other is not None:
                other.close()
            for runner, runs in taken.items():
                table.setdefault(runner, {})[str(batch)] = round(1e3 * statistics.median(runs) / batch, 4)
    batches = [str(batch) for batch in network.batches]
    fastest = {b: min((row[b], peer) for peer, row in table.items() if peer not in OURS) for b in batches}
    ratios = {
        f"{own.split()[1]}_to_fastest_peer": {b: round(table[own][b] / fastest[b][0], 3) for b in batches}
        for own in OURS
    }
    return {"ms_per_sample": table, "fastest_peer": {b: peer for b, (_, peer) in fastest.items()}, **ratios}


def tell(name: str, found: dict[str, Any]) -> None:
    batches = list(found["fastest_peer"])
    print(f"{name + ', ms per sample':32}" + "".join(f"{'batch ' + batch:>12}" for batch in batches))
    for runner, row in sorted(found["ms_per_sample"].items(), key=lambda item: item[1]["1"]):
        print(f"{runner:32}" + "".join(f"{row[batch]:12.3f}" for batch in batches))
    for own in ("integer", "float"):
        for batch, ratio in found[f"{own}_to_fastest_peer"].items():
            print(f"{own}, batch {batch}: {ratio} of the fastest peer's time ({found['fastest_peer'][batch]})")
    if name == "dense" and "spyx (jit)" not in found["ms_per_sample"]:
        print("spyx was not measured: 'make test-frameworks' makes its environment", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, action="append", help="one of them; all, if not given")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one-thread", action="store_true", help="processor time of one thread each")
    options = parser.parse_args()
    if options.one_thread:
        torch.set_num_threads(1)
        cores.count = lambda: 1
    found: dict[str, Any] = {}
    for name in options.network or NETWORKS:
        with contextlib.redirect_stdout(sys.stderr):  # peers print what they do
            found[name] = measure(name, options.rounds, time.process_time if options.one_thread else time.perf_counter)
        if not options.json:
            tell(name, found[name])
    if options.json:
        print(json.dumps({**found, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
