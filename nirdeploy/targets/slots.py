"""slots: what an image is made of: sections of words, where inputs go in, and where read-outs come from."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nirdeploy.records.brief import Brief
from nirdeploy.records.inputs import Border, InputEncoding


@dataclass(frozen=True, repr=False)
class Section(Brief):
    """A run of 32-bit words at a device address (see ``docs/link.md``)."""

    name: str
    address: int
    words: np.ndarray

    @cached_property
    def data(self) -> bytes:
        return np.ascontiguousarray(self.words, dtype="<u4").tobytes()

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def crc32(self) -> int:
        return zlib.crc32(self.data)


@dataclass(frozen=True, repr=False)
class InputSlot(Brief):
    """An input population: neuron i is bit ``first_bit + i`` of the input bitmap.

    ``grid``: (channels, height, width) where the channels stand innermost instead. ``planes`` of them, the lowest bits
    of the numbers first, ``plane_bits`` apart. ``input_scale``, ``input_zero`` and ``border``: of its
    :class:`~nirdeploy.records.inputs.InputEncoding`; ``shape`` is without the border, neurons and grid are with it.
    """

    name: str
    shape: tuple[int, ...]
    first_bit: int
    grid: tuple[int, ...] = ()
    planes: int = 1
    plane_bits: int = 0
    input_scale: float | None = None
    input_zero: int = 0
    border: Border = ()

    @property
    def encoding(self) -> InputEncoding:
        """What it takes."""
        return InputEncoding(self.planes, self.input_scale, self.input_zero, self.border)

    def as_dict(self) -> dict[str, Any]:
        """For a header; without the scale and the border where there is none."""
        values = asdict(self)
        if not self.border:
            del values["border"]
        if self.input_scale is None:
            del values["input_scale"], values["input_zero"]
        return values


@dataclass(frozen=True)
class ReadoutPart:
    """Neurons ``first`` to ``first + count - 1`` of a population (in device order), as one group on the device.

    Spikes stand in rows of ``width`` neurons, one every ``pitch`` bits; ``planes`` of them where there may be several a
    step, the lowest bits of their number first, ``plane_bits`` apart.
    """

    group: int
    address: int
    first: int
    count: int
    width: int
    pitch: int
    planes: int = 1
    plane_bits: int = 0

    @property
    def bits(self) -> int:
        """Of the group's bitmap, what is read of it."""
        plane = (self.count - 1) // self.width * self.pitch + (self.count - 1) % self.width + 1
        return (self.planes - 1) * self.plane_bits + plane

    def places(self) -> np.ndarray:
        """Which bit is which neuron's: (count,)."""
        index = np.arange(self.count)
        return np.asarray(index // self.width * self.pitch + index % self.width)

    def numbers(self, bits: np.ndarray) -> np.ndarray:
        """Spikes in a step, uint8 (..., count), from the bits that are read (..., bits or more)."""
        planes = [bits[..., self.places() + plane * self.plane_bits] << plane for plane in range(self.planes)]
        return np.asarray(np.sum(planes, axis=0, dtype=np.uint8))


@dataclass(frozen=True, repr=False)
class Readout(Brief):
    """Where a population's spikes (``kind`` "spikes") or membrane values ("membrane") come out.

    ``scale``: the membrane potential of one unit, per neuron (empty for spikes). ``grid``: (channels, height, width)
    where device order has the channels innermost, ``widths`` of them at a time. ``late``: steps by which the population
    says its spikes later than the device does.
    """

    population: str
    shape: tuple[int, ...]
    kind: str
    parts: tuple[ReadoutPart, ...]
    scale: tuple[float, ...] = ()
    grid: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    late: int = 0

    def part_bytes(self, part: ReadoutPart) -> int:
        """Bytes of a part in a step, as the device sends it: a bitmap, or a membrane value in four each."""
        return -(-part.bits // 8) if self.kind == "spikes" else 4 * part.count

    def values(self, read: Sequence[np.ndarray]) -> np.ndarray:
        """What the device said, (T, B, *shape), from what was read of each part, as :func:`record_of` takes it."""
        pieces = [
            part.numbers(np.unpackbits(raw, axis=2, bitorder="little"))
            if self.kind == "spikes"
            else np.ascontiguousarray(raw).view("<i4").astype(np.int32)
            for part, raw in zip(self.parts, read, strict=True)
        ]
        return self.arranged(np.concatenate(pieces, axis=2))

    def arranged(self, values: np.ndarray) -> np.ndarray:
        """Values (..., size) in device order to (..., *shape)."""
        lead = values.shape[:-1]
        if self.grid:
            _, height, width = self.grid
            ends = np.cumsum(self.widths) * height * width
            blocks = [
                part.reshape(*lead, height, width, wide)
                for part, wide in zip(np.split(values, ends[:-1], axis=-1), self.widths, strict=True)
            ]
            values = np.moveaxis(np.concatenate(blocks, axis=-1), -1, -3)
        return np.ascontiguousarray(values.reshape(*lead, *self.shape))
