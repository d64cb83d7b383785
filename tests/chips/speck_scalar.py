"""A Speck in plain Python, from the rendered configuration alone: event by event, neuron by neuron.

Nothing of the package is used: what a core does with an event is written out as the chip's documentation has it. An
event at (feature, x, y) reaches the neuron (f, u, v) by weight[f][feature][i][j] where u stride + i - padding = x, and
so for y.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

Neuron = tuple[int, int, int]  # feature, x, y
Event = tuple[int, Neuron]  # core, where


class Core:
    """Membranes of one core."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        dimensions = settings["dimensions"]
        self.features = dimensions["output_shape"]["feature_count"]
        self.size = dimensions["output_shape"]["size"]
        self.v: dict[Neuron, int] = {
            (f, x, y): settings["neurons_initial_value"][f][x][y]
            for f in range(self.features)
            for x in range(self.size["x"])
            for y in range(self.size["y"])
        }

    def reached(self, where: Neuron) -> Iterator[tuple[Neuron, int]]:
        """The neurons that an event reaches, and by which weight."""
        feature, x, y = where
        dimensions, weights = self.settings["dimensions"], self.settings["weights"]
        stride, padding, kernel = dimensions["stride"], dimensions["padding"], dimensions["kernel_size"]
        for i in range(kernel):
            for j in range(kernel):
                u, v = x + padding["x"] - i, y + padding["y"] - j
                if u % stride["x"] == 0 and v % stride["y"] == 0:
                    u, v = u // stride["x"], v // stride["y"]
                    if 0 <= u < self.size["x"] and 0 <= v < self.size["y"]:
                        for f in range(self.features):
                            yield (f, u, v), weights[f][feature][i][j]

    def in_order(self, values: dict[Neuron, int]) -> list[int]:
        """Values by neuron as a list: feature, y, x."""
        return [
            values[f, x, y] for f in range(self.features) for y in range(self.size["y"]) for x in range(self.size["x"])
        ]


def held(v: int) -> int:
    return max(-32768, min(32767, v))


class Chip:
    """The cores of a configuration, fed from outside."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.network = configuration["network"]
        self.cores = {
            index: Core(settings)
            for index, settings in enumerate(configuration["samna"]["cnn_layers"])
            if settings is not None
        }
        self.order = [layer["core"] for layer in self.network["layers"]]

    def sent(self, destinations: list[dict[str, Any]], where: Neuron) -> Iterator[Event]:
        """Where an event goes: pooled, its feature shifted. What lies outside of the core's image is lost."""
        feature, x, y = where
        for to in destinations:
            if to["enable"] and to["layer"] in self.cores:
                shape = self.cores[to["layer"]].settings["dimensions"]["input_shape"]
                at = (feature + to["feature_shift"], x // to["pooling"], y // to["pooling"])
                if at[1] < shape["size"]["x"] and at[2] < shape["size"]["y"]:
                    yield to["layer"], at

    def from_inputs(self, counts: dict[str, Any]) -> Iterator[Event]:
        """One step's events; ``counts`` by input are [feature][y][x]."""
        for name, image in counts.items():
            for f, rows in enumerate(image):
                for y, row in enumerate(rows):
                    for x, count in enumerate(row):
                        for _ in range(count):
                            yield from self.sent(self.network["inputs"][name]["destinations"], (f, x, y))

    def step(self, counts: dict[str, Any]) -> dict[int, dict[Neuron, int]]:
        """One step, all its events taken together: spikes by core."""
        waiting = list(self.from_inputs(counts))
        done: dict[int, dict[Neuron, int]] = {}
        for index in self.order:
            core, settings = self.cores[index], self.cores[index].settings
            currents = dict.fromkeys(core.v, 0)
            for where in (where for to, where in waiting if to == index):
                for neuron, weight in core.reached(where):
                    currents[neuron] += weight
            done[index] = {}
            for neuron, current in currents.items():
                bias = settings["biases"][neuron[0]] if settings["leak_enable"] else 0
                v = held(core.v[neuron] + current + bias)
                spikes = 0
                left = v
                while left >= settings["threshold_high"]:
                    left -= settings["threshold_high"]
                    spikes += 1
                v = 0 if spikes and settings["return_to_zero"] else left
                core.v[neuron] = max(v, settings["threshold_low"])
                done[index][neuron] = spikes
                for _ in range(spikes):
                    waiting += self.sent(settings["destinations"], neuron)
        return done

    def events(self, counts: dict[str, Any], shuffle: random.Random) -> dict[int, dict[Neuron, int]]:
        """One step's events as the chip takes them, one after another and depth first, in some order, without biases:
        at most one spike follows each."""
        waiting = list(self.from_inputs(counts))
        shuffle.shuffle(waiting)
        done = {index: dict.fromkeys(core.v, 0) for index, core in self.cores.items()}
        while waiting:
            to, where = waiting.pop()
            core, settings = self.cores[to], self.cores[to].settings
            follow: list[Event] = []
            for neuron, weight in core.reached(where):
                v = held(core.v[neuron] + weight)
                if v >= settings["threshold_high"]:
                    v = 0 if settings["return_to_zero"] else v - settings["threshold_high"]
                    done[to][neuron] += 1
                    follow += self.sent(settings["destinations"], neuron)
                core.v[neuron] = max(v, settings["threshold_low"])
            waiting += follow
        return done
