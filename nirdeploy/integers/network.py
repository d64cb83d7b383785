"""network: the integer network, everything a device needs and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nirdeploy.errors import CorruptFile
from nirdeploy.integers import stored
from nirdeploy.integers.parts import (
    OF_THE_REFERENCE,
    SHARED,
    ChipPopulation,
    Formats,
    IntegerPopulation,
    IntegerProjection,
    Population,
)
from nirdeploy.records import store
from nirdeploy.records.brief import Brief
from nirdeploy.records.inputs import MAX_BITS, InputEncoding, encodings_to
from nirdeploy.semantics.operators import to_meta


@dataclass(frozen=True, eq=False, repr=False)
class IntegerNetwork(Brief):
    """Everything the device needs and nothing else.

    Guarantees: every tensor fits ``formats``; no sum of weights over a row overflows the accumulator (but where
    a membrane value is the input: that accumulator is a simulator's 64 bits).
    ``inputs``: (name, shape) of the input populations; ``input_bits``: of the numbers they may hold (1: spikes), but
    for those of ``encodings``, whose zero points stand in the biases, and whose borders stand around what projections
    read (:meth:`~nirdeploy.records.inputs.InputEncoding.sent`); ``report``: one dict of figures per population.
    ``dynamics``: the backend whose neurons step it, by name ("": that of :mod:`nirdeploy.sim.integer`).
    """

    FILE: ClassVar[str] = "network.npz"  # in a build's folder

    target: str
    formats: Formats
    populations: tuple[Population, ...]
    projections: tuple[IntegerProjection, ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: Mapping[str, str]
    dt: float
    report: tuple[Mapping[str, float | str], ...]
    input_bits: int = 1
    dynamics: str = ""
    encodings: Mapping[str, InputEncoding] = field(default_factory=dict)

    @property
    def takes(self) -> dict[str, InputEncoding]:
        """What each input may hold. Where a chip's own neurons step it, events: they say how many they take."""
        bits = MAX_BITS if self.dynamics else self.input_bits
        return {name: self.encodings.get(name, InputEncoding(bits)) for name, _ in self.inputs}

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def weight_bits(self, name: str) -> int:
        """Of the weights into a population."""
        return self.population(name).weight_bits or self.formats.weight_bits

    @property
    def weight_memory(self) -> int:
        """Bytes of all weights, each in the bits of its population and without gaps."""
        return (sum(p.weight.size * self.weight_bits(p.target) for p in self.projections) + 7) // 8

    def neurons(self, name: str) -> IntegerPopulation:
        """A population that steps by the reference's rules. Raises :class:`CorruptFile` if it does not."""
        found = self.population(name)
        if not isinstance(found, IntegerPopulation):
            raise self._other(name, "a chip's registers, not the reference's neurons")
        return found

    def on_chip(self, name: str) -> ChipPopulation:
        """A population that steps by a target's own rules. Raises :class:`CorruptFile` if it does not."""
        found = self.population(name)
        if not isinstance(found, ChipPopulation):
            raise self._other(name, "the reference's neurons, not a chip's registers")
        return found

    def _other(self, name: str, has: str) -> CorruptFile:
        said = f"the population {name!r} has {has}"
        return CorruptFile(said, where=f"a network for target {self.target!r}", hint="build it again")

    @property
    def latencies(self) -> dict[str, int]:
        """Of the populations that lag behind the graph: steps."""
        return {p.name: p.latency for p in self.populations if p.latency}

    def into(self, name: str) -> list[IntegerProjection]:
        """The projections that end on a population."""
        return [p for p in self.projections if p.target == name]

    def _parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays: dict[str, np.ndarray] = {}
        for i, population in enumerate(self.populations):
            arrays |= {f"population{i}.{name}": values for name, values in _arrays(population).items()}
        for i, projection in enumerate(self.projections):
            arrays |= {f"projection{i}.weight": projection.weight, f"projection{i}.unit": projection.unit}
        meta = {
            "target": self.target,
            "formats": asdict(self.formats),
            "populations": [
                {
                    "name": p.name,
                    "model": p.model,
                    "shape": list(p.shape),
                    "rules": asdict(p.rules),
                    "latency": p.latency,
                    **({} if p.weight_bits is None else {"weight_bits": p.weight_bits}),
                    **_own_meta(p),
                }
                for p in self.populations
            ],
            "projections": [
                {
                    "source": p.source,
                    "target": p.target,
                    "operator": to_meta(p.operator),
                    "pool": to_meta(p.pool),
                    "delay": p.delay,
                    "shift": p.shift,
                    **({} if p.maximum is None else {"maximum": to_meta(p.maximum)}),
                }
                for p in self.projections
            ],
            "inputs": [[name, list(shape)] for name, shape in self.inputs],
            "outputs": dict(self.outputs),
            "dt": self.dt,
            "input_bits": self.input_bits,
            **encodings_to(self.encodings),
            "dynamics": self.dynamics,
            "report": [dict(row) for row in self.report],
        }
        return meta, arrays

    def digest(self) -> str:
        """SHA-256 (hex) of everything but the report; its arrays are not to be changed in place."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        meta, arrays = self._parts()
        return store.digest({key: meta[key] for key in meta if key != "report"}, arrays)

    def save(self, path: Path) -> None:
        store.write_atomic(path, store.pack(*self._parts()))

    @classmethod
    def load(cls, path: Path) -> IntegerNetwork:
        """Raises :class:`CorruptFile` if the file is not a saved IntegerNetwork."""
        return stored.load(path, cls)


def _arrays(population: Population) -> dict[str, np.ndarray]:
    """All arrays of a population, by the names they have in a file."""
    found = {name: getattr(population, name) for name in SHARED}
    if isinstance(population, IntegerPopulation):
        found |= {name: getattr(population, name) for name in OF_THE_REFERENCE}
        found |= {f"late_bias.{step}": late for step, late in population.late_bias.items()}
        found |= {f"zeros.{step}": taken for step, taken in population.zeros.items()}
    elif isinstance(population, ChipPopulation):
        found |= {f"registers.{name}": values for name, values in population.registers.items()}
        known = vars(population.stands_for).items()
        found |= {f"stands_for.{name}": values for name, values in known if isinstance(values, np.ndarray)}
    return found


def _own_meta(population: Population) -> dict[str, Any]:
    if isinstance(population, IntegerPopulation):
        zeros = {"zeros": sorted(population.zeros)} if population.zeros else {}
        return {"shift": population.shift, "late_bias": sorted(population.late_bias), **zeros}
    return {"registers": sorted(population.registers)} if isinstance(population, ChipPopulation) else {}
