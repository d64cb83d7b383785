"""Runs inside xylosim's environment: ``HOW FOLDER``; every folder of FOLDER holds a rendered build and stimulus.npz.

``layer`` builds the simulator's layer from the configuration's registers and leaves record.npz: spikes, membranes and
currents of the network's populations, by step. ``script`` runs the rendered script, whose record is record.npz.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
from xylosim.v2 import XyloLayer, XyloSynapse


class Chip:
    """A configured layer. It keeps pointers to its synapses only: ``_synapses`` keeps these alive."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._synapses = {
            kind: [[XyloSynapse(number, 0, weight) for number, weight in row] for row in rows]
            for kind, rows in configuration["synapses"].items()
        }
        hidden, output, shift = (configuration[key] for key in ("hidden", "output", "weight_shift"))
        self.layer = XyloLayer(
            synapses_in=self._synapses["input"],
            synapses_rec=self._synapses["hidden"],
            synapses_out=self._synapses["output"],
            aliases=[[copy] if copy >= 0 else [] for copy in configuration["alias"]],
            threshold=hidden["threshold"],
            threshold_out=output["threshold"],
            has_bias=any(hidden["bias"]) or any(output["bias"]),
            bias=hidden["bias"],
            bias_out=output["bias"],
            weight_shift_inp=shift["input"],
            weight_shift_rec=shift["hidden"],
            weight_shift_out=shift["output"],
            dash_mem=hidden["dash_mem"],
            dash_mem_out=output["dash_mem"],
            dash_syns=[[dash] for dash in hidden["dash_syn"]],
            dash_syns_out=[[dash] for dash in output["dash_syn"]],
            name="",
        )

    def run(self, events: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        """events (T, channels): of hidden and output neurons, what was recorded, (T, neurons)."""
        out = self.layer.evolve(events.tolist())
        states = {
            "hidden": (self.layer.rec_recurrent_spikes, self.layer.rec_v_mem, self.layer.rec_i_syn),
            "output": (out, self.layer.rec_v_mem_out, self.layer.rec_i_syn_out),
        }
        return {
            kind: {"spikes": np.array(spikes), "v": np.array(v).T, "i": np.array(i).T}
            for kind, (spikes, v, i) in states.items()
        }


def layer(folder: Path) -> None:
    configuration = json.loads((folder / "configuration.json").read_text())
    with np.load(folder / "stimulus.npz") as stimulus:
        given = [stimulus[entry["name"]] for entry in configuration["inputs"]]
    record = Chip(configuration).run(np.concatenate(given, axis=1))
    found = {
        f"{key}.{p['name']}": values[:, p["numbers"]]
        for p in configuration["populations"]
        for key, values in record[p["kind"]].items()
    }
    np.savez_compressed(folder / "record.npz", **dict[str, Any](found))


def script(folder: Path) -> None:
    sys.argv = ["run_rockpool.py", str(folder / "stimulus.npz"), str(folder / "record.npz")]
    runpy.run_path(str(folder / "run_rockpool.py"), run_name="__main__")


if __name__ == "__main__":
    how, root = {"layer": layer, "script": script}[sys.argv[1]], Path(sys.argv[2])
    for path in sorted(root.glob("*/configuration.json")):
        how(path.parent)
