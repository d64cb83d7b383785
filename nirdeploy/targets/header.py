"""header: whether what an image says of itself, its SHA-256 in order, is the header of one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np

from nirdeploy.records import entries
from nirdeploy.records.inputs import MAX_BITS
from nirdeploy.targets.slots import InputSlot, Readout, ReadoutPart, Section
from nirdeploy.targets.wiring import Given, Taken, Wiring

_WORD = 32  # bits
_MOST_WORDS = entries.MOST // _WORD  # of a step's inputs


class Header(Protocol):
    """What is read of an image."""

    @property
    def target(self) -> str: ...
    @property
    def signature(self) -> str: ...
    @property
    def dt(self) -> float: ...
    @property
    def outputs(self) -> Mapping[str, str]: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...
    @property
    def external(self) -> int: ...
    @property
    def input_words(self) -> int: ...
    @property
    def sections(self) -> tuple[Section, ...]: ...
    @property
    def inputs(self) -> tuple[InputSlot, ...]: ...
    @property
    def readouts(self) -> tuple[Readout, ...]: ...
    @property
    def passes(self) -> tuple[Self, ...]: ...
    @property
    def wiring(self) -> Wiring | None: ...


def check(image: Header) -> None:
    """Raises ValueError that says which entry is not one of an image's header."""
    entries.text(image.target, "the target")
    signature = entries.text(image.signature, "the signature")
    if len(bytes.fromhex(signature)) != 8:
        raise entries.odd(signature, "the signature", "8 bytes in hex")
    entries.positive(image.dt, "dt")
    entries.texts(image.outputs, "outputs")
    entries.table(image.provenance, "the provenance")
    entries.whole(image.external, "external")
    entries.whole(image.input_words, "input_words", 0, _MOST_WORDS)
    for section in image.sections:
        entries.text(section.name, "the name of a section")
        entries.whole(section.address, f"the address of section {section.name!r}", 0, (1 << _WORD) - 1)
    entries.names([slot.name for slot in image.inputs], "inputs")
    entries.names([readout.population for readout in image.readouts], "read-outs")
    if image.readouts and not image.inputs:  # a chip's image, of its own layout, may say neither
        raise ValueError("it has no input")
    for slot in image.inputs:
        most = MAX_BITS if image.wiring is None else _WORD  # a pass takes the sums of others
        _input(slot, None if image.passes else image.input_words, most)
    for readout in image.readouts:
        _readout(readout, within_passes=image.wiring is not None)
    for one in image.passes:
        check(one)
    if image.wiring is not None:
        _wiring(image.wiring)


def _input(slot: InputSlot, words: int | None, most: int) -> None:
    """``words``: of the bitmap that it stands in; ``most``: bits of its numbers."""
    what = f"of input {slot.name!r}"
    for name in ("first_bit", "plane_bits"):
        entries.whole(getattr(slot, name), f"{name} {what}")
    shape = entries.shape(slot.shape, f"the shape {what}")
    slot.encoding.check(shape, most)
    size = math.prod(slot.encoding.sent(shape))
    _grid(slot.grid, size, what)
    end = slot.first_bit + (slot.planes - 1) * slot.plane_bits + size
    if words is not None and end > words * _WORD:
        raise ValueError(f"the bits {what} end at {end:,}, of {words * _WORD:,} that there are")


def _grid(grid: tuple[int, ...], size: int, what: str) -> None:
    if grid and (len(entries.shape(grid, f"the grid {what}")) != 3 or math.prod(grid) != size):
        raise ValueError(f"the grid {what} is {list(grid)}, expected channels, height and width of {size:,} neurons")


def _readout(readout: Readout, *, within_passes: bool) -> None:
    what = f"of read-out {readout.population!r}"
    entries.one_of(readout.kind, f"the kind {what}", ("spikes", "membrane"))
    entries.whole(readout.late, f"the steps {what} that are late")
    size = math.prod(entries.shape(readout.shape, f"the shape {what}"))
    _grid(readout.grid, size, what)
    if readout.grid and sum(entries.whole(wide, f"a width {what}", 1) for wide in readout.widths) != readout.grid[0]:
        raise ValueError(f"the widths {what} are not those of {readout.grid[0]:,} channels")
    scale = [entries.number(value, f"a scale {what}") for value in readout.scale]
    if len(scale) not in ((0, size) if within_passes or readout.kind == "spikes" else (size,)):
        raise ValueError(f"it has {len(scale):,} scales {what}, which has {size:,} neurons")
    if not np.isfinite(scale).all():
        raise ValueError(f"the scale {what} holds what is no finite number")
    first = 0
    for part in readout.parts:
        _part(part, what)
        if part.first != first:
            raise ValueError(f"the parts {what} begin at neuron {part.first:,}, expected {first:,}")
        first += part.count
    if readout.parts and first != size:
        raise ValueError(f"the parts {what} have {first:,} neurons, it has {size:,}")


def _part(part: ReadoutPart, what: str) -> None:
    for name in ("group", "address", "first", "plane_bits"):
        entries.whole(getattr(part, name), f"{name} of a part {what}")
    for name in ("count", "width", "pitch"):
        entries.whole(getattr(part, name), f"{name} of a part {what}", 1)
    entries.whole(part.planes, f"planes of a part {what}", 1, 8)
    entries.whole(part.bits, f"the bits of a part {what}")


def _wiring(wiring: Wiring) -> None:
    entries.whole(wiring.tiles, "the number of tiles", 1)
    ends: tuple[Taken | Given, ...] = (*wiring.takes, *wiring.gives)
    for end in ends:
        entries.shape(end.grid, "a grid of the wiring")
        for place in end.firsts:
            if len(place) != len(end.grid):
                raise entries.odd(place, "a place of the wiring", f"{len(end.grid)} numbers")
            for at in place:  # before a grid there is padding
                entries.whole(at, "a place of the wiring", -entries.MOST)
    for taken in wiring.takes:
        entries.text(taken.input, "an input of the wiring")
        entries.names(taken.signals, "the wiring's signals")
        entries.whole(taken.delay, "a delay of the wiring")
        entries.whole(taken.of_sum, "the bits of a sum", 0, 64)
    for given in wiring.gives:
        entries.text(given.population, "a population of the wiring")
        entries.text(given.signal, "a signal of the wiring")
        entries.flag(given.adds, "whether a signal is added")
