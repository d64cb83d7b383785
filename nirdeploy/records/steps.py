"""steps: what a network did in steps that come one after the other, without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from nirdeploy.errors import UnknownPopulation


@dataclass(frozen=True, eq=False)
class Step:
    """One step. ``number``: from 0, of all that were offered; those that were dropped have theirs.

    ``spikes[name]``: counts, (*shape of the population). ``membrane[name]``: int32 in units of ``scale[name]``.
    ``outputs``: the graph's Output names, by population.
    """

    number: int
    spikes: Mapping[str, np.ndarray]
    membrane: Mapping[str, np.ndarray]
    scale: Mapping[str, np.ndarray]
    outputs: Mapping[str, str]

    def __getitem__(self, name: str) -> np.ndarray:
        """Spike counts of a population, or of the one that an Output reads; a read-out's membrane in the graph's units.

        Raises :class:`UnknownPopulation`.
        """
        name = self.outputs.get(name, name)
        if name in self.spikes:
            return self.spikes[name]
        if name in self.membrane:
            return np.asarray(self.membrane[name] * self.scale[name])
        raise UnknownPopulation(
            f"the stream reads no population {name!r}", hint=f"it reads {', '.join([*self.spikes, *self.membrane])}"
        )

    def as_dict(self) -> dict[str, object]:
        """For a line of JSON: indices of neurons that spiked (one as often as it did), and membranes as they are."""
        spiked = {name: np.repeat(np.arange(v.size), v.ravel()).tolist() for name, v in self.spikes.items()}
        held = {name: values.ravel().tolist() for name, values in self.membrane.items()}
        return {"step": self.number, "spikes": spiked, **({"membrane": held} if held else {})}


@dataclass(frozen=True, eq=False)
class Block:
    """Some steps, in order: (steps, *shape) by population. ``numbers``: of the steps."""

    numbers: np.ndarray
    spikes: Mapping[str, np.ndarray]
    membrane: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.numbers)

    def steps(self, scale: Mapping[str, np.ndarray], outputs: Mapping[str, str]) -> Iterator[Step]:
        """Each by itself."""
        for t, number in enumerate(self.numbers.tolist()):
            spikes = {name: values[t] for name, values in self.spikes.items()}
            yield Step(number, spikes, {name: v[t] for name, v in self.membrane.items()}, scale, outputs)
