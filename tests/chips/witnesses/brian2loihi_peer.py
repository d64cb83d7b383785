"""Runs inside brian2-loihi's environment: ``random FOLDER`` or ``weights WEIGHTS.npy``.

``random``: every .npz of the folder is a layer (see :func:`layer`); its spikes and membranes are left as .out.npz.
``weights``: prints the weights that the emulator makes of a matrix of mixed signs, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import prefs
from brian2_loihi import (
    LoihiNetwork,
    LoihiNeuronGroup,
    LoihiSpikeGeneratorGroup,
    LoihiSpikeMonitor,
    LoihiStateMonitor,
    LoihiSynapses,
    synapse_sign_mode,
)

prefs.codegen.target = "numpy"
MODES = {"mixed": synapse_sign_mode.MIXED, "excitatory": 2, "inhibitory": 3}


def synapses(source: object, target: object, weight: np.ndarray, exponent: int, mode: str) -> LoihiSynapses:
    """All to all; ``weight`` (targets, sources)."""
    made = LoihiSynapses(source, target, w_exp=exponent, sign_mode=int(MODES[mode]), num_weight_bits=8)
    made.connect()
    made.w = weight.T.ravel()
    return made


def layer(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One population, spikes from outside and, where there is ``inner``, its own: what it does in each step."""
    x, size = given["x"], len(given["weight"])
    group = LoihiNeuronGroup(
        size,
        refractory=1,
        threshold_v_mant=int(given["vth"]),
        decay_v=int(given["dv"]),
        decay_I=int(given["du"]) + 1,
    )
    steps, indices = np.nonzero(x)
    source = LoihiSpikeGeneratorGroup(x.shape[1], indices, steps)
    parts = [synapses(source, group, given["weight"], int(given["exponent"]), str(given["mode"]))]
    if "inner" in given:
        parts.append(synapses(group, group, given["inner"], int(given["inner_exponent"]), str(given["inner_mode"])))
    spikes, v = LoihiSpikeMonitor(group), LoihiStateMonitor(group, "v")
    LoihiNetwork(group, source, *parts, spikes, v).run(len(x), report=None)
    raster = np.zeros((len(x), size), dtype=np.int64)
    raster[np.rint(np.asarray(spikes.t)).astype(int), np.asarray(spikes.i)] = 1  # its times are steps
    return {"spikes": raster, "v": np.asarray(v.v).T.astype(np.int64)}


def main() -> None:
    if sys.argv[1] == "weights":
        weight = np.load(sys.argv[2])
        group = LoihiNeuronGroup(len(weight))
        source = LoihiSpikeGeneratorGroup(weight.shape[1], [], [])
        made = synapses(source, group, weight, 0, "mixed")
        actual = np.asarray(made.w_act).reshape(weight.shape[::-1]).T / 2**6
        sys.stdout.write(json.dumps(actual.astype(int).tolist()))
        return
    for path in sorted(Path(sys.argv[2]).glob("*.npz")):
        with np.load(path) as archive:
            given = {name: archive[name] for name in archive.files}
        np.savez(path.with_suffix(".out.npz"), **dict[str, Any](layer(given)))


if __name__ == "__main__":
    main()
