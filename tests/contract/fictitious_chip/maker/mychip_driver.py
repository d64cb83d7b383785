"""What the maker of My Chip gives away: its driver, here with a simulator of the chip behind it.

It stands for the witness of a real chip: written from the data sheet, neuron by neuron, with nothing of nirdeploy.
"""

from __future__ import annotations

from typing import Any

COUNTERS = 16  # per core


class Chip:
    """Loaded with a configuration; each call of :meth:`step` is one step of the chip."""

    def __init__(self, configuration: dict[str, Any], cores: int) -> None:
        self.populations = configuration["populations"]
        self.counters = {p["name"]: [0] * len(p["threshold"]) for p in self.populations}
        held = [0] * cores
        for population in self.populations:
            for core, _, count in population["cores"]:
                held[core] += count
        if max(held) > COUNTERS:
            raise ValueError(f"a core has {COUNTERS} counters, {max(held)} are asked of it")

    def step(self, sent: dict[str, list[int]]) -> dict[str, list[int]]:
        """Spikes of every population, given those of the inputs."""
        signals = dict(sent)
        for population in self.populations:
            neurons = range(len(population["threshold"]))
            signals[population["name"]] = [self._count(population, neuron, signals) for neuron in neurons]
        return {population["name"]: signals[population["name"]] for population in self.populations}

    def _count(self, population: dict[str, Any], neuron: int, signals: dict[str, list[int]]) -> int:
        counters = self.counters[population["name"]]
        counter = counters[neuron]
        if population["leak"]:
            counter -= counter >> population["leak"]
        for source, weights in population["weights"]:
            for weight, spike in zip(weights[neuron], signals[source], strict=True):
                counter += weight * spike
        counter = max(-2048, min(2047, counter))
        fires = counter > population["threshold"][neuron]
        counters[neuron] = 0 if fires else counter
        return int(fires)
