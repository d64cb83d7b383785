"""Make network.nir: 32 inputs, 24 hidden LIF neurons, 4 outputs. Put your own export in its place.

    python network.py

A trained torch network is written by nirdeploy.export_to_nir(net, example_input, "network.nir").
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np

HERE = Path(__file__).parent


def network() -> nir.NIRGraph:
    rng = np.random.default_rng(30)

    def affine(out: int, into: int) -> nir.Affine:
        return nir.Affine(rng.normal(0.0, 1.2 / np.sqrt(into), (out, into)), rng.normal(0.0, 0.05, out))

    def lif(count: int) -> nir.LIF:
        ones = np.ones(count)
        return nir.LIF(tau=2e-3 * ones, r=30.0 * ones, v_leak=0.0 * ones, v_threshold=0.6 * ones)

    nodes = {
        "input": nir.Input({"input": np.array([32])}),
        "fc1": affine(24, 32),
        "hidden": lif(24),
        "fc2": affine(4, 24),
        "classes": lif(4),
        "output": nir.Output({"output": np.array([4])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))


if __name__ == "__main__":
    nir.write(HERE / "network.nir", network())
