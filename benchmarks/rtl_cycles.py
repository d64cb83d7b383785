"""Cycles per step of a 784-128-10 LIF network on the RTL, by input density.

    python benchmarks/rtl_cycles.py [--json] [--cores 2] [--lanes 128] [--update 8]

The network fires: its hidden layer's activity is printed beside. "Sustained" is the distance between
steps once the pipeline is full, read off the bus of the simulated RTL; "predicted" is what ``nirdeploy estimate``
says where all populations spike at that density. Spiker+, which scans every input,
takes 789 cycles per step at any density, and 919 once its hidden layer has fired. A row of neurons leaves its lanes
``update`` of them a cycle, and one core's next row, of the other layer, waits for that.
"""

from __future__ import annotations

import argparse
import itertools
import json

import nir
import numpy as np

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.targets import registry
from nirdeploy.targets import registry as targets

DENSITIES = (0.0, 0.05, 0.15, 0.5)
STEPS = 200
SPIKER_PLUS = {"silent": 789, "fired": 919}


def network(seed: int = 0) -> nir.NIRGraph:
    """784-128-10 LIF, random weights."""
    rng = np.random.default_rng(seed)
    sizes = (784, 128, 10)
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([784])})}
    for i in (1, 2):
        n, m = sizes[i], sizes[i - 1]
        nodes[f"fc{i}"] = nir.Linear(rng.normal(0.01, 1.0, (n, m)) / np.sqrt(m))
        nodes[f"lif{i}"] = nir.LIF(
            tau=np.full(n, 1e-3),
            r=np.full(n, 10.0),
            v_leak=np.zeros(n),
            v_threshold=np.full(n, 1.0),
            v_reset=np.zeros(n),
        )
    nodes["output"] = nir.Output({"output": np.array([10])})
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(names)), type_check=False)


def measure(cores: int, lanes: int, update: int = 8) -> dict[str, dict[str, float]]:
    """Sustained cycles per step, measured and predicted, spikes per step in and hidden, and mismatches, by density."""
    hardware = {"cores": cores, "lanes": lanes, "update": update, "weight_rows": 8192 * 32 // lanes, "neurons": 1024}
    target = targets.load("fpga").with_hardware(**hardware)
    built = nd.build(network(), target)
    kinds = "cycles_per_step", "predicted", "inputs", "hidden", "mismatches"
    found: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    with rtl.Fabric(target, built.artifacts) as fabric:
        fabric.load(built.image)
        for density in DENSITIES:
            x = (np.random.default_rng(1).random((STEPS, 1, 784)) < density).astype(np.uint8)
            record = fabric.run(built.image, x)
            verdict = nd.verify(nd.simulate(built, x), record)
            found["cycles_per_step"][f"{density:g}"] = round(fabric.timing.sustained(), 1)
            backend = registry.backend_of(target)
            estimate = backend.estimate(built.network, built.placement, built.plan, target, density)
            found["predicted"][f"{density:g}"] = round(float(estimate["cycles"]), 1)
            found["inputs"][f"{density:g}"] = float(x.sum() / STEPS)
            found["hidden"][f"{density:g}"] = float(record["lif1"].sum() / STEPS)
            found["mismatches"][f"{density:g}"] = verdict.mismatches
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--lanes", type=int, default=128)
    parser.add_argument("--update", type=int, default=8)
    options = parser.parse_args()
    found = measure(options.cores, options.lanes, options.update)
    if options.json:
        print(
            json.dumps(
                {
                    "cores": options.cores,
                    "lanes": options.lanes,
                    "update": options.update,
                    "spiker_plus": SPIKER_PLUS,
                    **found,
                }
            )
        )
        return
    print(f"784-128-10 LIF, {options.cores} cores of {options.lanes} lanes, {STEPS} steps")
    print("density  spikes in  hidden  cycles/step  predicted  mismatches  Spiker+")
    for key, cycles in found["cycles_per_step"].items():
        other = SPIKER_PLUS["fired" if found["hidden"][key] else "silent"]
        print(
            f"{float(key):7.2f} {found['inputs'][key]:10.1f} {found['hidden'][key]:7.1f} {cycles:12.1f} "
            f"{found['predicted'][key]:10.1f} {found['mismatches'][key]:11.0f} {other:8d}"
        )


if __name__ == "__main__":
    main()
