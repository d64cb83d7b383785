"""Runs the network of ``configuration.json`` in lava (lava-nc 0.10), simulated or on a Loihi 2.

    python run_lava.py STIMULUS.npy RECORD.npz                simulated, in the chip's fixed point
    python run_lava.py STIMULUS.npy RECORD.npz --hardware     on the chip (needs Intel's lava-loihi extension)

STIMULUS.npy: spikes (T, *input shape) of one sample; for several inputs an .npz of such arrays by their names.
RECORD.npz: by population its spikes ``s.NAME`` (T, *shape) and, simulated, its membranes ``v.NAME`` after each step.

A population's spikes lag ``latency`` steps behind the graph: row t of the graph is row t + latency here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode

SIGNS = {"mixed": SignMode.MIXED, "excitatory": SignMode.EXCITATORY, "inhibitory": SignMode.INHIBITORY}


class Network:
    """lava's processes for a configuration.

    A population that a convolution enters or leaves is an image, and stands in lava's order of axes: (width, height,
    channels) where the configuration has (channels, height, width). All others are flat.
    """

    def __init__(self, configuration: Mapping[str, Any], stimulus: Mapping[str, np.ndarray], steps: int) -> None:
        self.steps = steps
        self._images = _images(configuration)
        self._shapes = {e["name"]: e["shape"] for e in (*configuration["inputs"], *configuration["populations"])}
        self.sources = {name: Source(data=self._ordered(name, x).astype(np.int32)) for name, x in stimulus.items()}
        self.neurons = {p["name"]: self._lif(p) for p in configuration["populations"]}
        for connection in configuration["connections"]:
            self._connect(connection)

    def _lif(self, p: Mapping[str, Any]) -> LIF:
        names = ("u", "v", "bias_mant", "bias_exp")
        arrays = {name: self._ordered(p["name"], np.array(p[name])[None])[..., 0] for name in names}
        return LIF(shape=arrays["v"].shape, du=p["du"], dv=p["dv"], vth=p["vth"], **arrays)

    def _connect(self, c: Mapping[str, Any]) -> None:
        source = (self.sources.get(c["source"]) or self.neurons[c["source"]]).s_out
        target = self.neurons[c["target"]].a_in
        weights, common = np.array(c["weights"], dtype=np.int32), {"num_message_bits": c["num_message_bits"]}
        if c["kind"] == "convolution":
            process = Conv(
                weight=np.ascontiguousarray(weights.transpose(0, 3, 2, 1)[:, ::-1, ::-1]),
                input_shape=tuple(c["input_shape"][::-1]),
                stride=tuple(c["stride"][::-1]),
                padding=tuple(c["padding"][::-1]),
                dilation=tuple(c["dilation"][::-1]),
                groups=c["groups"],
                **common,
            )
            source.connect(process.s_in)
            process.a_out.connect(target)
            return
        common |= {
            "weight_exp": c["weight_exp"],
            "num_weight_bits": c["num_weight_bits"],
            "sign_mode": SIGNS[c["sign_mode"]],
        }
        rows, columns = self._order(c["target"]), self._order(c["source"])
        if c["kind"] == "one_to_one":
            size = len(weights)
            at = (np.argsort(rows), np.argsort(columns))
            matrix = scipy.sparse.csr_matrix((weights, at), shape=(size, size))
            process = Sparse(weights=matrix, **common)
        elif c["delay"] == 1:
            process = Dense(weights=weights[rows][:, columns], **common)
        else:  # lava counts a delay from the step that every connection takes
            matrix = weights[rows][:, columns]
            late = c["delay"] - 1
            process = DelayDense(weights=matrix, delays=np.full(matrix.shape, late), max_delay=late, **common)
        (source if len(source.shape) == 1 else source.flatten()).connect(process.s_in)
        (process.a_out if len(target.shape) == 1 else process.a_out.reshape(target.shape)).connect(target)

    def _order(self, name: str) -> np.ndarray:
        """Which of the configuration's neurons stands at each place of lava's flattened population."""
        index = np.arange(int(np.prod(self._shapes[name])))
        return index.reshape(self._images[name]).transpose(2, 1, 0).ravel() if name in self._images else index

    def _ordered(self, name: str, values: np.ndarray) -> np.ndarray:
        """(T, neurons) in the configuration's order to (*lava's shape, T)."""
        shape = self._images[name][::-1] if name in self._images else (-1,)
        return values.reshape(len(values), -1)[:, self._order(name)].T.reshape(*shape, len(values))

    def _restored(self, name: str, values: np.ndarray) -> np.ndarray:
        """(T, *lava's shape) to (T, *shape) in the configuration's order."""
        flat = np.empty((len(values), int(np.prod(self._shapes[name]))), dtype=np.int64)
        flat[:, self._order(name)] = values.reshape(len(values), -1)
        return flat.reshape(len(values), *self._shapes[name])

    def run(self, hardware: bool = False) -> dict[str, np.ndarray]:
        """Run all steps and give the record."""
        sinks, monitors = {}, {}
        for name, lif in self.neurons.items():
            sinks[name] = Sink(shape=lif.s_out.shape, buffer=self.steps)
            lif.s_out.connect(sinks[name].a_in)
            if not hardware:
                monitors[name] = Monitor()
                monitors[name].probe(lif.v, self.steps)
        first = next(iter(self.neurons.values()))
        setting = Loihi2HwCfg() if hardware else Loihi2SimCfg(select_tag="fixed_pt")
        first.run(condition=RunSteps(self.steps), run_cfg=setting)
        spikes = {name: np.moveaxis(sink.data.get(), -1, 0) for name, sink in sinks.items()}
        record = {f"s.{name}": self._restored(name, values) for name, values in spikes.items()}
        for name, monitor in monitors.items():
            (values,) = next(iter(monitor.get_data().values())).values()
            record[f"v.{name}"] = self._restored(name, values)
        first.stop()
        return record


def _images(configuration: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """(channels, height, width) of the populations that convolutions enter or leave."""
    images = {}
    sizes = {e["name"]: int(np.prod(e["shape"])) for e in (*configuration["inputs"], *configuration["populations"])}
    for c in configuration["connections"]:
        if c["kind"] == "convolution":
            images[c["source"]] = tuple(c["input_shape"])
            weight = np.shape(c["weights"])
            sides = zip(c["input_shape"][1:], weight[2:], c["stride"], c["padding"], c["dilation"], strict=True)
            height, width = ((n + 2 * pad - step * (k - 1) - 1) // stride + 1 for n, k, stride, pad, step in sides)
            images[c["target"]] = (weight[0], height, width)
            assert weight[0] * height * width == sizes[c["target"]], c["target"]
    return images


def load(path: Path, configuration: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The stimulus by input."""
    read = np.load(path)
    if isinstance(read, np.ndarray):
        return {configuration["inputs"][0]["name"]: read}
    return {entry["name"]: read[entry["name"]] for entry in configuration["inputs"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stimulus", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("--hardware", action="store_true", help="on a Loihi 2 instead of simulated")
    parser.add_argument("--configuration", type=Path, default=Path(__file__).with_name("configuration.json"))
    chosen = parser.parse_args()
    configuration = json.loads(chosen.configuration.read_text())
    stimulus = load(chosen.stimulus, configuration)
    steps = len(next(iter(stimulus.values())))
    np.savez_compressed(chosen.record, **Network(configuration, stimulus, steps).run(chosen.hardware))


if __name__ == "__main__":
    main()
