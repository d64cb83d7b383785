"""A Xylo's step written out neuron by neuron in Python's integers, from the rendered configuration alone.

After the vendor's description of the core; shares nothing with nirdeploy. Aliases are neurons here, as on the chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LOWEST, HIGHEST = -(2**15), 2**15 - 1
MOST = {"hidden": 31, "output": 1}


def held(value: int) -> int:
    return max(LOWEST, min(HIGHEST, value))


def decayed(value: int, dash: int) -> int:
    """What is lost: floor(value / 2^dash), and at least 1 of what is above zero."""
    lost = value // 2**dash
    return 1 if lost == 0 and value > 0 else lost


class Neuron:
    """Current ``i``, membrane ``v``, and ``n``: the spikes of the step."""

    def __init__(self, registers: Mapping[str, int], most: int) -> None:
        self.registers, self.most = registers, most
        self.i = self.v = self.n = 0

    def receives(self, weight: int) -> None:
        self.i = held(self.i + weight)

    def steps(self) -> None:
        r = self.registers
        self.i -= decayed(self.i, r["dash_syn"])
        leak = -decayed(self.v, r["dash_mem"])
        change = -leak if leak == HIGHEST + 1 else leak  # there is no +2^15
        self.v = held(self.v + held(held(change + self.i) + r["bias"]))
        self.n = 0
        while self.v >= r["threshold"] and self.n < self.most:
            self.v -= r["threshold"]
            self.n += 1


class Chip:
    """A configured chip."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self.configuration = configuration
        self.neurons = {
            kind: [
                Neuron(dict(zip(configuration[kind], values, strict=True)), most)
                for values in zip(*configuration[kind].values(), strict=True)
            ]
            for kind, most in MOST.items()
        }

    def _deliver(self, matrix: str, source: int, spikes: int) -> None:
        shift = self.configuration["weight_shift"][matrix]
        targets = self.neurons["output" if matrix == "output" else "hidden"]
        for number, weight in self.configuration["synapses"][matrix][source]:
            for _ in range(spikes):
                targets[number].receives(weight * 2**shift)

    def step(self, events: list[int]) -> None:
        hidden, output = self.neurons["hidden"], self.neurons["output"]
        for channel, count in enumerate(events):
            self._deliver("input", channel, count)
        for matrix in ("hidden", "output"):
            for number, neuron in enumerate(hidden):
                self._deliver(matrix, number, neuron.n)
        for neuron in (*hidden, *output):
            neuron.steps()
        for neuron, copy in zip(hidden, self.configuration["alias"], strict=True):
            if copy >= 0:
                hidden[copy].n = min(hidden[copy].n + neuron.n, MOST["hidden"])

    def run(self, events: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        """events (T, channels): by kind spikes, membranes and currents, int64 (T, neurons)."""
        found: dict[str, dict[str, list[list[int]]]] = {kind: {"spikes": [], "v": [], "i": []} for kind in self.neurons}
        for row in events.tolist():
            self.step(row)
            for kind, neurons in self.neurons.items():
                for key, attribute in (("spikes", "n"), ("v", "v"), ("i", "i")):
                    found[kind][key].append([getattr(neuron, attribute) for neuron in neurons])
        return {kind: {key: np.array(rows) for key, rows in kept.items()} for kind, kept in found.items()}


def recorded(configuration: Mapping[str, Any], found: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """By ``spikes.NAME``, ``v.NAME`` and ``i.NAME`` of the network's populations: (T, size)."""
    return {
        f"{key}.{p['name']}": values[:, p["numbers"]]
        for p in configuration["populations"]
        for key, values in found[p["kind"]].items()
    }
