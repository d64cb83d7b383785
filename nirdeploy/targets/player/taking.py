"""The input bitmap of a pass, bit by bit: which value of which signal, and which of its bits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nirdeploy.targets.image import Image
from nirdeploy.targets.player.operations import Region
from nirdeploy.targets.player.standing import NOWHERE, Entry, Standing
from nirdeploy.targets.slots import InputSlot
from nirdeploy.targets.wiring import Form, Taken

#: Regions, and by how many steps each is read late.
Streams = list[tuple[Region, int]]
#: Of every bit: which stream (:data:`~nirdeploy.targets.player.standing.NOWHERE`: the bit is 0), and bits from where
#: that stands.
Bits = tuple[np.ndarray, np.ndarray]


class Bitmap:
    """What the input bitmap of a pass is gathered from.

    Args:
        standing: of what each input takes, by its name: in bit planes.
        steps: of a sample.
    """

    def __init__(self, one: Image, standing: Mapping[str, Standing]) -> None:
        assert one.wiring is not None
        self.size = 32 * one.input_words
        slots = {slot.name: slot for slot in one.inputs}
        self._inputs = [(taken, slots[taken.input], standing[taken.input]) for taken in one.wiring.takes]
        self.streams: Streams = []
        self._numbers: dict[tuple[Region, int], int] = {}
        self._of = [[self._stream(taken, entry) for entry in held.entries] for taken, _, held in self._inputs]

    def _stream(self, taken: Taken, entry: Entry) -> int:
        key = (entry.region, taken.delay + entry.late)
        if key not in self._numbers:
            self._numbers[key] = len(self.streams)
            self.streams.append(key)
        return self._numbers[key]

    def tile(self, number: int) -> Bits:
        """The bits of a tile; streams by their place in :attr:`streams`, which may be more than a list can name."""
        streams, offsets = np.full(self.size, NOWHERE, dtype=np.int64), np.zeros(self.size, dtype=np.int64)
        for (taken, slot, held), of in zip(self._inputs, self._of, strict=True):
            values, signs = _seen(taken, slot, number)
            names = np.array([*of, NOWHERE])
            strides = np.array([*(32 * entry.region.per_tile for entry in held.entries), 0])
            for plane in range(slot.planes):
                which, planes = _plane(taken, held, plane, signs)
                index = np.where(which, values, NOWHERE)
                own = np.where(index == NOWHERE, NOWHERE, held.of[index])
                first = slot.first_bit + plane * slot.plane_bits
                there = slice(first, first + len(values))
                streams[there] = names[own]
                at = held.tile[index] * strides[own] + held.bit[index] + planes * held.between[index]
                offsets[there] = np.where(own == NOWHERE, 0, at)
        return streams, offsets


def bits_of(one: Image, taken: Taken, held: Standing) -> Bits:
    """Those of one input of a pass, of its first tile."""
    assert one.wiring is not None
    slot = next(slot for slot in one.inputs if slot.name == taken.input)
    wiring = replace(one.wiring, takes=(taken,))
    words = -(-(slot.first_bit + slot.planes * max(slot.plane_bits, math.prod(slot.shape))) // 32)
    bitmap = Bitmap(replace(one, wiring=wiring, input_words=words), {taken.input: held})
    streams, offsets = bitmap.tile(0)
    return streams[slot.first_bit :], offsets[slot.first_bit :]


def _seen(taken: Taken, slot: InputSlot, tile: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each bit of a plane: the value of the signal, flat (:data:`NOWHERE`: beyond it), and whether it is of a sign
    that stands in a channel of its own."""
    values, inside = np.zeros((1,) * len(slot.shape), dtype=np.int64), np.ones(slot.shape, dtype=bool)
    signs = np.zeros(slot.shape, dtype=bool)
    for axis, (first, count, size) in enumerate(zip(taken.firsts[tile], slot.shape, taken.grid, strict=True)):
        place = np.arange(first, first + count).reshape([-1 if a == axis else 1 for a in range(len(slot.shape))])
        inside &= (place >= 0) & (place < size)
        if axis == 0 and taken.form is Form.BOTH:
            signs |= place % 2 == 1
            place, size = place // 2, size // 2
        values = values * size + place
    values = np.where(inside, values, NOWHERE)
    if slot.grid:
        values, signs = (np.moveaxis(own.reshape(slot.grid), 0, -1) for own in (values, signs))
    return values.ravel(), signs.ravel()


def _plane(taken: Taken, held: Standing, plane: int, signs: np.ndarray) -> tuple[np.ndarray, int]:
    """Which bits of a plane of the bitmap are anything but 0, and the plane of the signal that they are of."""
    highest = taken.of_sum - 1
    if taken.form is Form.AS_IT_IS:
        return np.full(signs.shape, plane < held.planes), plane
    if taken.form is Form.SIGN:
        return np.full(signs.shape, plane == 0), highest
    of_low = np.full(signs.shape, plane < highest)
    if taken.form is Form.LOW:
        return of_low, plane
    return np.where(signs, plane == highest, of_low), plane


def numbers_in_order(held: Standing) -> tuple[Bits, Streams]:
    """The values of a signal one after the other, as :func:`~nirdeploy.targets.player.standing.in_order` has them."""
    streams: Streams = [(entry.region, entry.late) for entry in held.entries]
    strides = np.array([*(32 * entry.region.per_tile for entry in held.entries), 0])
    at = held.tile * strides[held.of] + held.bit
    if not held.planes:
        every = (at[:, None] + np.arange(32)).ravel()
        return (np.repeat(held.of, 32), np.where(np.repeat(held.of, 32) == NOWHERE, 0, every)), streams
    size = -(-held.size // 32) * 32
    of, offsets = np.full((held.planes, size), NOWHERE, dtype=np.int64), np.zeros((held.planes, size), dtype=np.int64)
    for plane in range(held.planes):
        of[plane, : held.size] = held.of
        offsets[plane, : held.size] = np.where(held.of == NOWHERE, 0, at + plane * held.between)
    return (of.ravel(), offsets.ravel()), streams
