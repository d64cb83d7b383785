"""SpikeRecord: what a network did, from any simulator or device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SpikeRecord:
    """Spikes, and where asked membrane potentials, per population.

    ``spikes[name]``: uint8 (T, B, *shape), spike counts per step, for every probed spiking (or input)
    population. ``membrane[name]``: (T, B, *shape) after threshold and reset; float64 from the float
    reference, int32 in units of ``scale[name]`` (float64, broadcastable to shape) from integer
    witnesses (integer simulator, RTL, device). Non-spiking populations (LI, Output) have a membrane only.
    ``source`` is "float", "integer", "rtl" or "device"; ``dt`` in seconds; ``manifest`` says what produced
    the record (hashes, versions, options); ``stats`` holds counters (e.g. ``saturations``, ``cycles``).
    ``outputs`` maps the graph's Output names to populations.

    Raises (look-ups): :class:`~nirdeploy.errors.UnknownPopulation`, which lists what there is.
    """

    spikes: Mapping[str, np.ndarray]
    membrane: Mapping[str, np.ndarray]
    scale: Mapping[str, np.ndarray]
    source: str
    dt: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    stats: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        """Spike counts (T, B, *shape) of the population of that NIR node (or Output name)."""
        raise NotImplementedError

    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path) -> SpikeRecord: ...
