"""Runs inside lava's environment: ``random FOLDER SEEDS``.

lava knows no NIR: the graph and lava's processes are two descriptions of one network, made side by side.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.frameworks.witnesses import dataclass_patch  # noqa: F401 - before lava

# isort: split
import nir
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF

from tests.frameworks.witnesses.plumbing import TIME, stimulus, weights

DT = 1e-3


def network(seed: int) -> tuple[nir.NIRGraph, list[dict[str, Any]]]:
    """The graph, and per layer: weights (out, in), recurrent weights or None, and the options of lava's LIF.

    Every third network has biases: they start at once, where the signal takes a step through every Dense.
    """
    rng = np.random.default_rng(seed)
    biased, recurrent = seed % 3 == 2, seed % 4 == 1
    sizes = [int(size) for size in rng.integers(3, 14, int(rng.integers(2, 4)) + 1)]
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array(sizes[:1])})}
    edges: list[tuple[str, str]] = []
    layers: list[dict[str, Any]] = []
    before = "input"
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        w, dv, du = weights(rng, outputs, inputs), float(rng.choice([0.0, 0.1, 0.37, 1.0])), 1.0
        inner = weights(rng, outputs, outputs, scale=0.7) if recurrent else None
        if rng.random() < 0.5:
            du, dv = float(rng.uniform(0.2, 0.9)), max(dv, 0.05)
        options: dict[str, Any] = {"shape": (outputs,), "du": du, "dv": dv, "vth": float(rng.choice([1.0, 0.7]))}
        if biased and dv:
            options["bias_mant"] = rng.normal(0.1, 0.1, outputs)
        full = np.ones(outputs)
        common = {"v_threshold": options["vth"] * full, "v_reset": 0 * full}
        leak = {"v_leak": options.get("bias_mant", 0 * full) / (dv or 1.0)}
        if du < 1:
            taus = {"tau_syn": DT / du * full, "tau_mem": DT / dv * full, "w_in": full, "r": full}
            neuron: nir.NIRNode = nir.CubaLIF(**taus, **leak, **common)
        elif dv:
            neuron = nir.LIF(tau=DT / dv * full, r=full, **leak, **common)
        else:
            neuron = nir.IF(r=full, **common)
        chain = [before, f"dense{index}", f"lif{index}"]
        nodes |= {chain[1]: nir.Linear(w), chain[2]: neuron}
        edges += pairwise(chain)
        before = chain[-1]
        if inner is not None:
            nodes[f"back{index}"] = nir.Linear(inner)
            edges += [(before, f"back{index}"), (f"back{index}", before)]
        layers.append({"weights": w, "inner": inner, "options": options})
    nodes["output"] = nir.Output({"output": np.array(sizes[-1:])})
    metadata = {"nirdeploy_dialect": f"lava,dt={DT}"}
    return nir.NIRGraph(nodes=nodes, edges=[*edges, (before, "output")], metadata=metadata), layers


def run(layers: list[dict[str, Any]], x: np.ndarray) -> dict[str, np.ndarray]:
    """Spikes of every layer (T, 1, N) from lava's floating point simulation of x (T, N)."""
    source = Source(data=x.T.copy())
    signal, sinks, first = source.s_out, [], None
    for layer in layers:
        dense, lif = Dense(weights=layer["weights"], num_message_bits=24), LIF(**layer["options"])
        sink = Sink(shape=layer["options"]["shape"], buffer=len(x))
        signal.connect(dense.s_in)
        dense.a_out.connect(lif.a_in)
        lif.s_out.connect(sink.a_in)
        if layer["inner"] is not None:
            back = Dense(weights=layer["inner"])
            lif.s_out.connect(back.s_in)
            back.a_out.connect(lif.a_in)
        signal, first = lif.s_out, first or lif
        sinks.append(sink)
    assert first is not None
    first.run(condition=RunSteps(len(x)), run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
    found = {f"lif{i}": sink.data.get().T[:, None].copy() for i, sink in enumerate(sinks)}
    first.stop()
    return found


def random(folder: Path, seeds: int) -> None:
    for seed in range(seeds):
        graph, layers = network(seed)
        rng = np.random.default_rng(1000 + seed)
        x = stimulus(rng, (layers[0]["weights"].shape[1],))[:, :1]
        assert len(x) == TIME
        nir.write(str(folder / f"{seed}.nir"), graph)
        np.savez(folder / f"{seed}.npz", x=x, **dict[str, Any](run(layers, x[:, 0])))


if __name__ == "__main__":
    random(Path(sys.argv[2]), int(sys.argv[3]))
