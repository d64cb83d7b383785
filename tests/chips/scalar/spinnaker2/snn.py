"""Populations, projections and networks; what py-spinnaker2 or the chip would not take is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

PARAMETERS = {"threshold", "alpha_decay", "i_offset", "v_init", "v_reset", "reset"}
MODELS = {
    "spike_list": set(),
    "lif_no_delay": PARAMETERS,
    "lif_conv2d": PARAMETERS,
    "lif_curr_exp_no_delay": PARAMETERS | {"exc_decay", "inh_decay", "t_refrac"},
}


class Population:
    def __init__(
        self, size: int, neuron_model: str, params: Mapping[Any, Any], name: str, record: Sequence[str] = ()
    ) -> None:
        assert neuron_model == "spike_list" or set(params) == MODELS[neuron_model]
        assert set(record) <= {"spikes", "v"}
        self.size, self.neuron_model, self.params, self.name, self.record = size, neuron_model, params, name, record
        self.atoms = 0
        self.reset()

    def reset(self) -> None:
        self.spikes: dict[int, list[int]] = {i: [] for i in range(self.size)}
        self.voltages: dict[int, list[np.float32]] = {i: [] for i in range(self.size)}

    def set_max_atoms_per_core(self, count: int) -> None:
        assert 1 <= count <= 256
        self.atoms = count

    def get_spikes(self) -> dict[int, list[int]]:
        assert "spikes" in self.record
        return self.spikes

    def get_voltages(self) -> dict[int, np.ndarray]:
        assert "v" in self.record
        return {i: np.array(values, dtype=np.float32) for i, values in self.voltages.items()}


class Projection:
    """``synapses``: by source neuron, (target neuron, weight)."""

    def __init__(self, pre: Population, post: Population, connections: Iterable[tuple[int, int, int, int]]) -> None:
        assert post.neuron_model in ("lif_no_delay", "lif_curr_exp_no_delay")
        self.pre, self.post = pre, post
        self.synapses: dict[int, list[tuple[int, int]]] = {i: [] for i in range(pre.size)}
        for source, target, weight, delay in connections:
            assert all(type(value) is int for value in (source, target, weight, delay))
            assert -127 <= weight <= 127
            assert delay == 0
            assert 0 <= target < post.size
            self.synapses[source].append((target, weight))


class Conv2DProjection:
    """Weights [channel in][channel out][row][column]; a spike is scattered over the outputs it reaches."""

    def __init__(self, pre: Population, post: Population, weights: np.ndarray, params: Mapping[str, int]) -> None:
        assert post.neuron_model == "lif_conv2d"
        assert weights.dtype == np.int8
        self.pre, self.post = pre, post
        height, width = params["in_height"], params["in_width"]
        channels_in, channels_out, rows, columns = weights.shape
        assert pre.size == channels_in * height * width
        pool, stride = params["pool_x"], params["stride_x"]
        assert (pool, stride) == (params["pool_y"], params["stride_y"])
        high = (height // pool + params["pad_top"] + params["pad_bottom"] - rows) // stride + 1
        wide = (width // pool + params["pad_left"] + params["pad_right"] - columns) // stride + 1
        assert post.size == channels_out * high * wide
        self.synapses: dict[int, list[tuple[int, int]]] = {i: [] for i in range(pre.size)}
        for i in range(pre.size):
            channel, y, x = i // (height * width), i // width % height // pool, i % width // pool
            if y >= height // pool or x >= width // pool:
                continue  # past the last whole window
            for out in range(channels_out):
                for row in range(rows):
                    for column in range(columns):
                        down, across = y + params["pad_top"] - row, x + params["pad_left"] - column
                        if down % stride or across % stride or down < 0 or across < 0:
                            continue
                        if down // stride < high and across // stride < wide:
                            target = (out * high + down // stride) * wide + across // stride
                            self.synapses[i].append((target, int(weights[channel, out, row, column])))


class Network:
    def __init__(self, name: str) -> None:
        self.populations: list[Population] = []
        self.projections: list[Projection | Conv2DProjection] = []

    def add(self, *parts: Population | Projection | Conv2DProjection) -> None:
        for part in parts:
            if isinstance(part, Population):
                self.populations.append(part)
            else:
                self.projections.append(part)

    def reset(self) -> None:
        for population in self.populations:
            population.reset()
