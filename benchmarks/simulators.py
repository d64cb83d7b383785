"""One network, one stimulus, every simulator: ours against the frameworks' own.

    python benchmarks/simulators.py [--json] [--rounds N]

784-128-10 LIF, 100 steps, input density 0.1, batch 1 and 64, the same .nir for all, each imported by its own
importer. All are set up once; then all take turns, round after round: two runs to warm up, then as many as fill
a third of a second. The median of all rounds counts. A run starts from rest and gives the output spikes. Spyx runs
in an environment of its own (``make test-frameworks`` makes it; its Python in NIRDEPLOY_WITNESS_SPYX) as a process
that takes its turn with the others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
from nirdeploy.sim import integer

SIZES, STEPS, DENSITY, DT = (784, 128, 10), 100, 0.1, 1e-4
BATCHES = (1, 64)
TURN = 0.33  # seconds
HERE = Path(__file__).resolve().parent
Runner = Callable[[], Any]


def graph() -> nir.NIRGraph:
    """LIF of tau = 2 ms whose membrane adds its input, weights so that some 8 % of the neurons fire."""
    rng = np.random.default_rng(0)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([SIZES[0]])})}
    for i in (1, 2):
        size = SIZES[i]
        weight = rng.normal(0.03 * (i - 1), (0.08, 0.3)[i - 1], (size, SIZES[i - 1])).astype(np.float32)
        nodes[f"fc{i}"] = nir.Affine(weight, np.zeros(size, dtype=np.float32))
        whole = {"tau": 2e-3, "r": 20.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
        nodes[f"lif{i}"] = nir.LIF(**{key: np.full(size, value, dtype=np.float32) for key, value in whole.items()})
    nodes["output"] = nir.Output({"output": np.array([SIZES[2]])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


def ours(path: Path, x: np.ndarray) -> Runner:
    network = nd.quantize(check(path), nd.Formats(8, 24, 24, 12))
    return lambda: integer.simulate(network, x, "outputs")


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
            node.tau = node.tau / DT
    net = sinabs.nir.from_nir(read, num_timesteps=STEPS)
    flat = torch.from_numpy(x).float().transpose(0, 1).reshape(-1, SIZES[0])

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


def seconds(run: Runner) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def turn(once: Callable[[], float]) -> list[float]:
    """The seconds of each run of one turn."""
    once(), once()
    taken: list[float] = []
    while sum(taken) < TURN:
        taken.append(once())
    return taken


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds per sample by simulator and batch, and our ratio to the fastest peer."""
    python = os.environ.get("NIRDEPLOY_WITNESS_SPYX", str(HERE.parent / ".venv-spyx" / "bin" / "python"))
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "net.nir"
        nirfile.write(path, graph())
        for batch in BATCHES:
            x = (np.random.default_rng(batch).random((STEPS, batch, SIZES[0])) < DENSITY).astype(np.uint8)
            runners: dict[str, Runner] = {
                "nirdeploy integer": ours(path, x),
                "numpy loop": numpy_loop(path, x),
                "spikingjelly m": spikingjelly(path, x, "m"),
                "spikingjelly s": spikingjelly(path, x, "s"),
                "snntorch": snntorch(path, x),
                "norse": norse(path, x),
                "sinabs": sinabs(path, x),
            }
            other = Spyx(python, path, x) if Path(python).exists() else None
            taken: dict[str, list[float]] = {name: [] for name in runners}
            for _ in range(rounds):
                for name, run in runners.items():
                    taken[name] += turn(partial(seconds, run))
                if other is not None:
                    taken.setdefault("spyx (jit)", []).extend(turn(other.seconds))
            if other is not None:
                other.close()
            for name, runs in taken.items():
                table.setdefault(name, {})[str(batch)] = round(1e3 * statistics.median(runs) / batch, 4)
    own = table["nirdeploy integer"]
    peers = {b: {n: v[b] for n, v in table.items() if n != "nirdeploy integer"} for b in own}
    fastest = {b: min(peers[b], key=lambda name, b=b: peers[b][name]) for b in own}  # type: ignore[misc]
    return {
        "ms_per_sample": table,
        "fastest_peer": fastest,
        "ratio_to_fastest_peer": {b: round(own[b] / peers[b][fastest[b]], 3) for b in own},
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{'ms per sample':22}" + "".join(f"{'batch ' + str(batch):>12}" for batch in BATCHES))
    for name, row in sorted(found["ms_per_sample"].items(), key=lambda item: item[1]["1"]):
        print(f"{name:22}" + "".join(f"{row[str(batch)]:12.3f}" for batch in BATCHES))
    for batch, ratio in found["ratio_to_fastest_peer"].items():
        print(f"batch {batch}: {ratio} of the fastest peer's time ({found['fastest_peer'][batch]})")
    if "spyx (jit)" not in found["ms_per_sample"]:
        print("spyx was not measured: 'make test-frameworks' makes its environment", file=sys.stderr)


if __name__ == "__main__":
    main()
