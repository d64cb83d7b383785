"""fault: what may be wrong with a device, as a change of the network in integers or of what is sent in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nirdeploy.integers.network import IntegerNetwork

#: What becomes of a signal: (T, B, size) to the same. Of a step only this step and a few before may matter.
Change = Callable[[np.ndarray], np.ndarray]

#: The kinds of causes, in the words of the verdict.
KINDS = {
    "weight": "a weight",
    "threshold": "a threshold",
    "decay": "a decay",
    "bias": "a bias",
    "reset": "a reset",
    "start": "a start",
    "delay": "a delay",
    "input lost": "an input lost",
    "swapped": "channels or neurons swapped",
    "step shifted": "a step shifted",
    "stuck bit": "a stuck bit",
}


@dataclass(frozen=True)
class Stuck:
    """A bit of the state that neurons keep from one step to the next, stuck.

    ``neurons``: int64 (n,), whose. ``bit``: from 0, the highest is the sign's. ``at``: 0 or 1. ``current``: of the
    synaptic current, not of the membrane. ``bits``: that a state has.
    """

    neurons: np.ndarray
    bit: int
    at: int
    bits: int
    current: bool = False

    def of(self, values: np.ndarray) -> np.ndarray:
        """Values (..., size) as they are kept."""
        kept = values.copy()
        kept[..., self.neurons] = stuck(values[..., self.neurons], self.bit, self.at, self.bits)
        return kept


def stuck(values: np.ndarray, bit: int | np.ndarray, at: int | np.ndarray, bits: int) -> np.ndarray:
    """Numbers of so many bits (two's complement), one of them stuck."""
    mask = np.left_shift(np.int64(1), bit)
    raw = np.where(np.asarray(at) == 1, values | mask, values & ~mask) & ((1 << bits) - 1)
    return np.asarray(np.where(raw >> (bits - 1), raw - (1 << bits), raw))


@dataclass(frozen=True, eq=False)
class Fault:
    """A network that is not as it should be.

    ``network``: with other numbers in it. ``sent``: what a population or input sends, as all see it, the record too.
    ``seen``: what a projection (by its place) sees of its source. ``said``: what the record says of a population.
    ``kept``: what a population's neurons keep.
    """

    network: IntegerNetwork
    sent: Mapping[str, Change] = field(default_factory=dict)
    seen: Mapping[int, Change] = field(default_factory=dict)
    said: Mapping[str, Change] = field(default_factory=dict)
    kept: Mapping[str, Stuck] = field(default_factory=dict)


def late(steps: int) -> Change:
    """Everything so many steps later; earlier where they are below 0."""

    def change(values: np.ndarray) -> np.ndarray:
        moved = np.zeros_like(values)
        if steps >= 0:
            moved[steps:] = values[: max(len(values) - steps, 0)]
        else:
            moved[:steps] = values[-steps:]
        return moved

    return change


#: What stands in the steps that a shift leaves open: nothing, what left at the other end, what stands beside them.
OPEN = ("", ", what leaves at one end enters at the other", ", the step at the end twice")


def shifted(steps: int, left: str) -> Change:
    """As :func:`late`, with one of :data:`OPEN` in the steps that are left."""

    def change(values: np.ndarray) -> np.ndarray:
        moved = late(steps)(values)
        gone = slice(0, steps) if steps > 0 else slice(steps, None)
        if left == OPEN[1]:
            moved[gone] = np.roll(values, steps, axis=0)[gone]
        elif left == OPEN[2]:
            moved[gone] = values[:1] if steps > 0 else values[-1:]
        return moved

    return change


def set_to(neurons: np.ndarray, value: int) -> Change:
    """Some neurons always send the same."""

    def change(values: np.ndarray) -> np.ndarray:
        odd = values.copy()
        odd[..., neurons] = value
        return odd

    return change


def permuted(order: np.ndarray) -> Change:
    """Neuron i sends what neuron ``order[i]`` should."""
    return lambda values: np.asarray(values[..., order])


def addressed(places: np.ndarray, size: int, *, most: int | None) -> Change:
    """What neuron i sends is taken for that of neuron ``places[i]``, or of none (-1), added up to ``most``."""
    matrix = np.zeros((len(places), size))
    matrix[np.flatnonzero(places >= 0), places[places >= 0]] = 1

    def change(values: np.ndarray) -> np.ndarray:
        moved = np.rint(values.astype(np.float64) @ matrix).astype(values.dtype if most is None else np.int64)
        return np.asarray(moved if most is None else np.minimum(moved, most).astype(values.dtype))

    return change
