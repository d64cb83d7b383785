"""pieces: what passes give of signals, kept tile by tile, and put together again."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from nirdeploy.records import spikes
from nirdeploy.records.trains import Kept
from nirdeploy.targets.image import Image
from nirdeploy.targets.slots import Readout
from nirdeploy.targets.wiring import Given


@dataclass(frozen=True)
class Piece:
    """What a pass gives of a signal, and under which name it is kept."""

    name: str
    given: Given
    shape: tuple[int, ...]  # of a box
    kept: Kept

    @classmethod
    def of(cls, name: str, given: Given, readout: Readout, samples: int, steps: int) -> Piece:
        planes = readout.parts[0].planes if readout.kind == "spikes" else 0
        kept = Kept(samples, len(given.firsts), steps, math.prod(readout.shape), planes)
        return cls(name, given, box(readout.shape, given.grid), kept)

    def values(self, record: spikes.SpikeRecord) -> np.ndarray:
        """What runs gave, (T, runs, size)."""
        name = self.given.population
        values = record.spikes[name] if name in record.spikes else record.membrane[name]
        return values.reshape(*values.shape[:2], self.kept.size)


def box(shape: tuple[int, ...], grid: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what a population gives as a box of a grid; one that has all of it has a shape of its own."""
    return grid if math.prod(shape) == math.prod(grid) else shape


def assembled(pieces: Iterable[Piece], held: Callable[[Piece], np.ndarray], samples: int, steps: int) -> np.ndarray:
    """A signal in all steps, (samples, T, *grid), from all that passes gave of it, as :class:`Kept` holds it."""
    own = list(pieces)
    planes = own[0].kept.planes
    made = np.zeros((samples, steps, *own[0].given.grid), dtype=np.uint8 if planes else np.int32)
    for piece in own:
        values = piece.kept.unpacked(held(piece))
        for tile, first in enumerate(piece.given.firsts):
            at = (slice(a, a + size) for a, size in zip(first, piece.shape, strict=True))
            made[(slice(None), slice(None), *at)] += values[:, tile].reshape(samples, steps, *piece.shape)
    return made


def recorded(
    image: Image,
    probed: Container[str],
    signal: Callable[[str, tuple[int, ...]], np.ndarray],
    stats: Mapping[str, float],
) -> spikes.SpikeRecord:
    """What was probed of a network of several passes; ``signal`` gives a population's, (T, B, *shape)."""
    made: dict[str, dict[str, np.ndarray]] = {"spikes": {}, "membrane": {}}
    scale = {}
    for readout in image.readouts:
        if readout.population in probed:
            made[readout.kind][readout.population] = np.ascontiguousarray(signal(readout.population, readout.shape))
            if readout.kind == "membrane":
                scale[readout.population] = np.array(readout.scale).reshape(readout.shape)
    return spikes.SpikeRecord(
        spikes=made["spikes"],
        membrane=made["membrane"],
        scale=scale,
        source="device",
        dt=image.dt,
        outputs=dict(image.outputs),
        manifest=image.manifest(),
        stats=stats,
    )
