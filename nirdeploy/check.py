"""check: a NIR graph becomes a :class:`CheckedGraph`, the flat normal form everything else reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nirdeploy import store
from nirdeploy.dialect import Dialect


@dataclass(frozen=True)
class Population:
    """Neurons of one NIR node (or an input, or an analog output).

    ``model`` is ``"Input"`` or a key of :data:`nirdeploy.neuron.PARAMETERS`; ``params`` are float64
    arrays of ``shape``, finite and in range; ``bias`` is the constant current (float64, ``shape``)
    folded from Affine nodes on the way in. ``v_reset`` is always there for spiking models.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    params: Mapping[str, np.ndarray]
    bias: np.ndarray

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Projection:
    """A dense linear operator from one population's spikes to another's input current.

    ``weight`` is float64 (target size, source size), over flattened (C order) populations;
    ``nodes`` are the NIR nodes folded into it, in order.
    """

    source: str
    target: str
    weight: np.ndarray
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckedGraph:
    """Normal form: populations in topological order (inputs first) and the projections between them.

    Guarantees: names unique; every projection joins two populations, source before target; every
    population but the inputs has at least one projection into it; shapes known; parameters finite.
    ``inputs`` are the Input populations' names in the graph's order; ``outputs`` maps each Output
    node's name to the population it reads. ``dialect_source`` says where the dialect came from
    ("argument", "metadata" or "default").
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    dialect: Dialect
    dialect_source: str

    def population(self, name: str) -> Population:
        return next(p for p in self.populations if p.name == name)

    def digest(self) -> str:
        """SHA-256 (hex) of everything that decides the spikes."""
        raise NotImplementedError

    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path) -> CheckedGraph: ...
