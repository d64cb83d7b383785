"""quantize: a CheckedGraph becomes an IntegerNetwork in the target's number formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Formats:
    """Bits of the target's integers (all signed but ``decay``, unsigned with ``decay_bits`` fraction)."""

    weight_bits: int
    accumulator_bits: int
    state_bits: int
    decay_bits: int


@dataclass(frozen=True)
class IntegerPopulation:
    """int64 arrays over the flattened population, in units of the neuron's membrane LSB.

    One step (``sim.integer`` is the definition):
        acc = sum of projections (weight @ spikes), in weight units
        v   = saturate(round(decay v / 2^decay_bits) + (acc << shift) + bias)
        spike if v > threshold; then v = reset_value ("zero") or saturate(v - reset_value) ("subtract")
    round is to nearest, ties away from zero. ``initial`` is v at the start of a sample.
    ``scale`` (float64): the membrane potential of one LSB.
    """

    name: str
    model: str
    shape: tuple[int, ...]
    spiking: bool
    reset: str
    shift: int
    decay: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    reset_value: np.ndarray
    initial: np.ndarray
    scale: np.ndarray

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class IntegerProjection:
    """``weight``: int32 (target size, source size), within ``weight_bits``."""

    source: str
    target: str
    weight: np.ndarray


@dataclass(frozen=True)
class IntegerNetwork:
    """Everything the device needs and nothing else. ``report``: one dict of figures per population."""

    target: str
    formats: Formats
    populations: tuple[IntegerPopulation, ...]
    projections: tuple[IntegerProjection, ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: Mapping[str, str]
    dt: float
    report: tuple[Mapping[str, float | str], ...]

    def digest(self) -> str:
        raise NotImplementedError

    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path) -> IntegerNetwork: ...
