"""Runs the network of ``configuration.json`` with Rockpool (3.1), simulated or on a Xylo.

    python run_rockpool.py STIMULUS.npy RECORD.npz                simulated: needs rockpool and xylosim, no samna
    python run_rockpool.py STIMULUS.npy RECORD.npz --hardware     on the development kit that is plugged in: and samna

STIMULUS.npy: events (T, *input shape) of one sample; for several inputs an .npz of such arrays by their names.
RECORD.npz: by population its spikes ``s.NAME`` (T, *shape) and, simulated, membranes ``v.NAME`` and currents
``i.NAME`` after each step; on the chip the outputs' spikes.

A population's spikes lag ``latency`` steps behind the graph: row t of the graph is row t + latency here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np


class WithoutSamna:
    """Gives an empty module for samna: Rockpool imports it for its simulation too, which has no use for it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] == "samna" else None

    def create_module(self, spec: ModuleSpec) -> Any:
        return MagicMock()

    def exec_module(self, module: Any) -> None:
        pass


def specification(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What Rockpool builds simulation and chip from: its names, integer arrays of its shapes; no hidden biases."""
    hidden, output, shifts = (configuration[key] for key in ("hidden", "output", "weight_shift"))
    neurons, outputs = len(hidden["threshold"]), len(output["threshold"])
    reached = min(neurons, configuration["reach"]["input"])
    read = min(neurons, configuration["reach"]["output"])
    synapses = configuration["synapses"]
    named = {"dash_mem": "dash_mem", "dash_syn": "dash_syn", "threshold": "threshold"}
    registers = {own: np.array(hidden[key]) for own, key in named.items()}
    registers |= {f"{own}_out": np.array(output[key]) for own, key in named.items()}
    return {
        "weights_in": matrix(synapses["input"], reached)[:, :, None],
        "weights_rec": matrix(synapses["hidden"], neurons)[:, :, None],
        "weights_out": matrix(synapses["output"], outputs)[neurons - read :],
        "weight_shift_in": shifts["input"],
        "weight_shift_rec": shifts["hidden"],
        "weight_shift_out": shifts["output"],
        "aliases": [[copy] if copy >= 0 else [] for copy in configuration["alias"]],
        "bias_out": biases(output),
        **registers,
    }


def biases(registers: Mapping[str, list[int]]) -> np.ndarray | None:
    """None where there are none: the chip then leaves their clock off."""
    return np.array(registers["bias"]) if any(registers["bias"]) else None


def matrix(synapses: list[list[list[int]]], targets: int) -> np.ndarray:
    """Weights (sources, targets) from each source's [number of the target, weight]."""
    weights = np.zeros((len(synapses), targets), dtype=int)
    for source, row in enumerate(synapses):
        for target, weight in row:
            weights[source, target] = weight
    return weights


def simulated(configuration: Mapping[str, Any], events: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """By kind of neuron (hidden, output) what was recorded, (T, neurons); by Rockpool's simulation of the chip."""
    sys.meta_path.insert(0, WithoutSamna())
    package = importlib.import_module(f"rockpool.devices.xylo.{configuration['rockpool']}")
    bias = biases(configuration["hidden"])
    chip = package.XyloSim.from_specification(**specification(configuration), bias=bias, dt=configuration["dt"])
    spikes, _, states = chip.evolve(events, record=True)
    return {
        "hidden": {"s": states["Spikes"], "v": states["Vmem"], "i": states["Isyn"]},
        "output": {"s": spikes, "v": states["Vmem_out"], "i": states["Isyn_out"]},
    }


def on_hardware(configuration: Mapping[str, Any], events: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """The outputs' spikes (T, outputs), from the chip in accelerated time."""
    devices = importlib.import_module("rockpool.devices.xylo")
    kits, packages, versions = devices.find_xylo_hdks()
    wanted = configuration["rockpool"]
    if wanted not in versions:
        raise SystemExit(f"no development kit with a {wanted} is plugged in; found: {', '.join(versions) or 'none'}")
    kit, package = kits[versions.index(wanted)], packages[versions.index(wanted)]
    bias = biases(configuration["hidden"])
    made, valid, why = package.config_from_specification(**specification(configuration), bias_hidden=bias)
    if not valid:
        raise SystemExit(f"samna refuses the configuration: {why}")
    spikes, _, _ = package.XyloSamna(kit, made, dt=configuration["dt"]).evolve(events)
    return {"output": {"s": np.asarray(spikes)}}


def load(path: Path, configuration: Mapping[str, Any]) -> np.ndarray:
    """The stimulus as events by step and channel of the chip, (T, channels)."""
    read = np.load(path)
    inputs, most = configuration["inputs"], configuration["input_events"]
    arrays = [read] if isinstance(read, np.ndarray) else [read[entry["name"]] for entry in inputs]
    events = np.concatenate([np.reshape(each, (len(each), -1)) for each in arrays], axis=1).astype(int)
    channels = sum(len(entry["numbers"]) for entry in inputs)
    if events.shape[1] != channels:
        raise SystemExit(f"the stimulus has {events.shape[1]} channels, the network {channels}")
    least, largest = events.min(initial=0), events.max(initial=0)
    if least < 0 or largest > most:
        raise SystemExit(f"the stimulus has {least} to {largest} events in a step, the chip takes 0 to {most}")
    return events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stimulus", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("--hardware", action="store_true", help="on a Xylo instead of simulated")
    parser.add_argument("--configuration", type=Path, default=Path(__file__).with_name("configuration.json"))
    chosen = parser.parse_args()
    configuration = json.loads(chosen.configuration.read_text(encoding="utf-8"))
    events = load(chosen.stimulus, configuration)
    recorded = (on_hardware if chosen.hardware else simulated)(configuration, events)
    record = {
        f"{key}.{p['name']}": values[:, p["numbers"]].reshape(len(events), *p["shape"])
        for p in configuration["populations"]
        for key, values in recorded.get(p["kind"], {}).items()
    }
    np.savez_compressed(chosen.record, **record)


if __name__ == "__main__":
    main()
