"""The ULX3S cut to what 784-128-10 needs, and its cycles per image on the compiled Verilog.

Weights of 4 bits and membranes of 12 keep the accuracy (``mnist.py`` prints it with the default 8 and 24);
every memory is as small as the network allows. 256 lanes are two cores of 128, one for each layer; "8 compact" is a
core that does one job and one neuron at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import rtl
from nirdeploy.pipeline import Build
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

#: Lanes in all, and whether the core is compact.
BOARDS = {"8 compact": (8, 1), **{str(lanes): (lanes, 0) for lanes in (8, 16, 32, 64, 128, 256)}}
INPUTS, HIDDEN, OUTPUTS = 784, 128, 10
_FORMATS = {"weight_bits": 4, "accumulator_bits": 12, "state_bits": 12, "decay_bits": 8}
_HARDWARE = {
    **{"synapse": 0, "dialects": 0, "spike_planes": 1, "spatial": 0, "planes": 1},
    **{"jobs": 4, "segments": 4, "queue": 8, "groups": 4},
    "window": 1024,
}


@dataclass(frozen=True)
class Cycles:
    """Cycles per image: ``mean`` and ``most`` of images alone, ``sustained`` of images back to back."""

    mean: float
    most: int
    sustained: float


def _padded(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def board(name: str) -> Target:
    """The target of a name in :data:`BOARDS`."""
    lanes, compact = BOARDS[name]
    each = min(lanes, HIDDEN)
    neurons = _padded(HIDDEN, each) + _padded(OUTPUTS, each)
    rows = _padded(INPUTS, 32) * -(-HIDDEN // each) + HIDDEN * -(-OUTPUTS // each)
    data = targets.load("fpga-ulx3s").model_dump(by_alias=True)
    data["formats"] |= _FORMATS
    data["hardware"] |= _HARDWARE
    data["hardware"] |= {"compact": compact, "cores": lanes // each, "lanes": each}
    data["hardware"] |= {"update": 1 if each < 32 else 2 if each < 128 else 4}
    words = 32 if each < HIDDEN else 64  # of bitmaps: an output row is as wide as the lanes
    data["hardware"] |= {"spike_words": words, "out_words": 2 * words}
    data["hardware"] |= {"neurons": neurons, "parameters": neurons, "weight_rows": rows}
    data["synthesis"] |= {"router": None}  # its default: these are small
    for synaptic in ("CubaLIF", "CubaLI"):
        del data["models"][synaptic]
    return targets.validate(data, where=f"fpga-ulx3s with {name} lanes")


def build(network: Path, name: str) -> Build:
    """The network for :func:`board`, all stages."""
    return nd.build(network, board(name))


def cycles(built: Build, x: np.ndarray) -> Cycles:
    """On the stimulus ``x`` (T, B, 784), every image once alone and then all in one run.

    A cycle is counted from the first word of an image's input to its last output, input and output included.
    """
    alone = []
    with rtl.Fabric(built.target, built.artifacts) as fabric:
        fabric.load(built.image)
        for image in range(x.shape[1]):
            fabric.run(built.image, x[:, image : image + 1], "outputs")
            alone.append(fabric.timing.cycles)
        fabric.run(built.image, x, "outputs")
        sustained = fabric.timing.sustained() * len(x)
    return Cycles(float(np.mean(alone)), max(alone), sustained)
