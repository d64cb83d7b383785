"""Small networks, built for the FPGA, and ports with a device model right behind them."""

from __future__ import annotations

import itertools
from functools import cache

import nir
import numpy as np

from nirdeploy import pipeline
from nirdeploy.targets import registry as targets
from nirdeploy.targets.image import Image
from tests.doubles.device import DeviceModel

TARGET = targets.load("fpga")
PATIENCE = 300.0  # seconds of silence from a device that does answer, as soon as this machine lets it


def graph(seed: int, hidden: int) -> nir.NIRGraph:
    """64 inputs, ``hidden`` LIF neurons, 3 LI read-outs."""
    rng = np.random.default_rng(seed)
    nodes = {
        "input": nir.Input({"input": np.array([8, 8])}),
        "flat": nir.Flatten({"input": np.array([8, 8])}, 0, -1),
        "first": nir.Affine(rng.normal(0.0, 0.5, (hidden, 64)), rng.normal(0, 0.1, hidden)),
        "hidden": nir.LIF(
            tau=np.full(hidden, 5e-3),
            r=np.full(hidden, 5.0),
            v_leak=np.zeros(hidden),
            v_threshold=np.ones(hidden),
            v_reset=np.zeros(hidden),
        ),
        "second": nir.Linear(rng.normal(0, 0.5, (3, hidden))),
        "out": nir.LI(tau=np.full(3, 1e-2), r=np.full(3, 10.0), v_leak=np.zeros(3)),
        "output": nir.Output({"output": np.array([3])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)))


@cache
def built(seed: int = 0, hidden: int = 100) -> pipeline.Build:
    return pipeline.build(graph(seed, hidden), TARGET, dt=1e-3)


def stimulus(time: int, batch: int, density: float = 0.2, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((time, batch, 8, 8)) < density).astype(np.uint8)


def holds(model: DeviceModel, image: Image) -> bool:
    """Whether the device's memory is the image, word for word."""
    return all(np.array_equal(model.read(s.address, len(s.words)), s.words) for s in image.sections)


class ModelPort:
    """A port with a device model right behind it: no line and no time, and silence comes at once."""

    def __init__(self, model: DeviceModel) -> None:
        self.model = model
        self.answers = bytearray()
        self.written = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += len(data)
        self.answers += self.model.feed(data)

    def read(self, timeout: float) -> bytes:
        data = bytes(self.answers)
        self.answers.clear()
        return data

    def close(self) -> None:
        self.closed = True
