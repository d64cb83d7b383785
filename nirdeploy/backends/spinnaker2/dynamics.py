"""How a core's program steps its neurons, in the order of its single-precision operations.

What reaches a neuron in a step are sums of 8-bit weights, exact. With float32 after every operation:

    exc = exc_decay exc + sum of positive weights      (CubaLIF; inh alike, with magnitudes)
    v   = alpha_decay v + ((exc - inh) + i_offset)     (IF, LIF: the sum of weights in place of exc - inh)
    spike if v > threshold; then v = v_reset, or v = v - threshold

The sums are of the spikes of the step before: a projection's delay, and so in the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nirdeploy.backends.spinnaker2.rounding import membrane_units
from nirdeploy.errors import InputShapeError
from nirdeploy.integers import sound
from nirdeploy.integers.parts import ChipPopulation, Formats, IntegerProjection
from nirdeploy.integers.sound import Register

_INT32 = np.iinfo(np.int32)
_LARGEST = int(np.finfo(np.float32).max)
_FLOATS = ("alpha_decay", "exc_decay", "inh_decay", "threshold", "i_offset", "v_reset", "v_init")
#: py-spinnaker2's parameters, and the bits of the fraction of the membranes in records.
REGISTERS = {
    **dict.fromkeys(_FLOATS, Register(dtype="float32", least=-_LARGEST, most=_LARGEST)),
    "fraction_bits": Register(each=False, least=-256, most=256),
}


@dataclass(frozen=True)
class State:
    """float32 (B, size): the membrane, as compared (before the reset) and after; the synaptic currents.

    ``v`` and ``compared`` are the membrane in integers of the population's scale; who fired is above the
    threshold in these, too. ``halves``: the projections' positive and negative weights, kept from the first step.
    """

    membrane: np.ndarray
    reached: np.ndarray
    fired: np.ndarray
    exc: np.ndarray
    inh: np.ndarray
    population: ChipPopulation
    halves: tuple[tuple[IntegerProjection, IntegerProjection], ...] = ()

    @cached_property
    def v(self) -> np.ndarray:
        return held(_units(self.membrane, self.population))

    @cached_property
    def compared(self) -> np.ndarray:
        units = _units(self.reached, self.population)
        return np.where(self.fired, np.maximum(units, self.population.threshold + 1), units)


def _units(membrane: np.ndarray, population: ChipPopulation) -> np.ndarray:
    return membrane_units(membrane, int(population.registers["fraction_bits"]))


def held(units: np.ndarray) -> np.ndarray:
    """Clipped to what a record holds (int32)."""
    return np.asarray(np.clip(units, _INT32.min, _INT32.max))


class SpiNNaker2Dynamics:
    """IF, LIF and CubaLIF of py-spinnaker2. A population's registers: :data:`REGISTERS`."""

    def start(self, population: ChipPopulation, batch: int) -> State:
        sound.registers(population, REGISTERS)
        zeros = np.zeros((batch, population.size), dtype=np.float32)
        v = zeros + population.registers["v_init"]
        return State(v, v, zeros > 0, zeros, zeros, population)

    def step(
        self,
        state: State,
        arriving: Sequence[tuple[IntegerProjection, np.ndarray]],
        population: ChipPopulation,
        formats: Formats,
    ) -> tuple[np.ndarray, State, np.ndarray]:
        """One step; nothing saturates but the membrane's integers in the record."""
        register = population.registers
        signals = [_binary(p, signal) for p, signal in arriving]
        halves = state.halves or tuple(_halved(p) for p, _ in arriving)
        positive = _sum((half[0] for half in halves), signals)
        negative = _sum((half[1] for half in halves), signals)
        exc, inh = state.exc, state.inh
        if population.synaptic:
            exc = exc * register["exc_decay"] + positive.astype(np.float32)
            inh = inh * register["inh_decay"] + negative.astype(np.float32)
            entering = exc - inh
        else:
            entering = (positive - negative).astype(np.float32)
        v = state.membrane * register["alpha_decay"] + (entering + register["i_offset"])
        fired = v > register["threshold"]
        reset = v - register["threshold"] if population.reset == "subtract" else register["v_reset"]
        after = State(np.where(fired, reset, v), v, fired, exc, inh, population, halves)
        units = _units(after.membrane, population)
        return fired.astype(np.int64), after, held(units) != units


def _binary(projection: IntegerProjection, signal: np.ndarray) -> np.ndarray:
    if signal.max(initial=0) > 1:
        raise InputShapeError(
            f"{projection.source!r} sends {int(signal.max())} spikes in one step, a spike list of the chip 1 at most",
            hint="give a stimulus of 0 and 1",
        )
    return signal.astype(np.float64)  # sums of 8-bit weights are exact


def _halved(p: IntegerProjection) -> tuple[IntegerProjection, IntegerProjection]:
    """The positive weights of a projection, and the magnitudes of the negative ones."""
    positive, negative = (replace(p.operator, weight=np.maximum(sign * p.weight, 0)) for sign in (1, -1))
    return replace(p, operator=positive), replace(p, operator=negative)


def _sum(projections: Any, signals: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(sum(p.apply(signal) for p, signal in zip(projections, signals, strict=True)))
