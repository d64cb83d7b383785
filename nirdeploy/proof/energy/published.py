"""published: the figures of ``published.toml``, as they are used."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Operations:
    """pJ of an operation, integers by their width in bits."""

    year: int
    source: str
    integer_addition: dict[int, float]
    integer_multiplication: dict[int, float]
    float_addition: float
    float_multiplication: float

    def addition(self, bits: int) -> float:
        """Of integers: as of the next width that holds them."""
        return _next_width(self.integer_addition, bits)

    def multiplication(self, bits: int) -> float:
        """The same."""
        return _next_width(self.integer_multiplication, bits)


@dataclass(frozen=True)
class Memory:
    """``access`` (pJ) to a word of an SRAM, by its size in ``bytes``."""

    word_bits: int
    bytes: tuple[int, ...]
    access: tuple[float, ...]

    def per_bit(self, stored_bits: float) -> float:
        """pJ of a bit, all of a word being used, between the sizes along a line; beyond them as at the last."""
        return float(np.interp(stored_bits / 8, self.bytes, self.access)) / self.word_bits

    def per_access(self, stored_bits: float) -> float:
        """pJ of an access, however little of the word is used, on the line closest to all sizes (least squares)."""
        slope, constant = np.polyfit(self.bytes, self.access, 1)
        return float(constant + slope * stored_bits / 8)


@dataclass(frozen=True)
class Design:
    """A design that runs, as published."""

    name: str
    year: int
    source: str
    watts: float | None = None
    joules: float | None = None
    joules_per_synapse: float | None = None
    pj_per_operation: float | None = None
    seconds: float | None = None
    per_second: float | None = None
    layers: tuple[int, ...] = ()

    @property
    def time(self) -> float | None:
        """Seconds of a sample."""
        return 1 / self.per_second if self.per_second else self.seconds

    @property
    def power(self) -> float | None:
        """Watts, given or of energy and time."""
        return self.joules / self.time if self.watts is None and self.joules and self.time else self.watts

    @property
    def energy(self) -> float | None:
        """Joules of a sample, given or of power and time."""
        return self.watts * self.time if self.joules is None and self.watts and self.time else self.joules

    @property
    def synapses(self) -> int:
        return sum(before * behind for before, behind in pairwise(self.layers))

    @property
    def per_synapse(self) -> float | None:
        """Joules of a sample and synapse, given or of its energy and layers."""
        if self.joules_per_synapse is None and self.energy and self.synapses:
            return self.energy / self.synapses
        return self.joules_per_synapse


@dataclass(frozen=True)
class Published:
    operations: Operations
    memory: Memory
    by_access: tuple[int, str]
    boards: tuple[Design, ...]
    chips: tuple[Design, ...]

    @property
    def powers(self) -> dict[str, float]:
        """Watts that boards draw, by design."""
        return {one.name: one.power for one in self.boards if one.power}

    @property
    def of_operations(self) -> dict[str, float]:
        """pJ of a synaptic operation on chips, by design."""
        return {one.name: one.pj_per_operation for one in self.chips if one.pj_per_operation}

    @property
    def of_synapses(self) -> dict[str, float]:
        """Joules of a sample and synapse, by design."""
        return {one.name: one.per_synapse for one in (*self.boards, *self.chips) if one.per_synapse}


@cache
def published() -> Published:
    """The file's figures."""
    said: dict[str, Any] = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    operations, memory = said["operations"], said["memory"]
    for name in ("integer_addition", "integer_multiplication"):
        operations[name] = {int(bits): pj for bits, pj in operations[name].items()}
    return Published(
        Operations(**operations),
        Memory(memory["word_bits"], tuple(memory["bytes"]), tuple(memory["access"])),
        (said["by_access"]["year"], said["by_access"]["source"]),
        *(
            tuple(Design(**{**one, "layers": tuple(one.get("layers", ()))}) for one in said[kind])
            for kind in ("boards", "chips")
        ),
    )


def _next_width(table: dict[int, float], bits: int) -> float:
    return table[min((width for width in table if width >= bits), default=max(table))]
