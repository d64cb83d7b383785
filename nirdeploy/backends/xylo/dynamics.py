"""How a neuron of the chip steps, bit for bit as the vendor's simulator (xylosim 0.1.3, ``xylosim.v2``).

    i = i (+) weight << shift        once for each spike, source by source: inputs of the step, hidden ones of the last
    i = i - decay(i, dash_syn)
    v = v (+) (wrap(-decay(v, dash_mem)) (+) i (+) bias)
    while v >= threshold and n < most: v = v - threshold, n = n + 1

(+) saturates at 16 bits. decay(x, dash) = x >> dash, but 1 where that is 0 and x > 0. wrap: -(-2^15) is -2^15 in 16
bits, so a membrane at the bottom with dash 0 does not leave it by its decay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.errors import InputShapeError
from nirdeploy.integers import sound
from nirdeploy.integers.parts import ChipPopulation, Formats, IntegerProjection
from nirdeploy.integers.sound import Register

_DASH = Register(least=0, most=31)
#: Of each neuron; and how often one spikes in a step, and how many events an input has.
REGISTERS = {
    "dash_mem": _DASH,
    "dash_syn": _DASH,
    "threshold": Register(least=1),
    "bias": Register(),
    "spikes_max": Register(each=False, least=0),
    "events_max": Register(each=False, least=0),
}


@dataclass(frozen=True)
class State:
    """int64 (B, size): current ``i``, membrane ``v``, and ``compared``: v as held against the threshold."""

    i: np.ndarray
    v: np.ndarray
    compared: np.ndarray


class XyloDynamics:
    """The chip's leaky integrate-and-fire neuron with a synaptic current. A population's registers:
    :data:`REGISTERS`."""

    def start(self, population: ChipPopulation, batch: int) -> State:
        """At rest."""
        sound.registers(population, REGISTERS)
        zeros = np.zeros((batch, population.size), dtype=np.int64)
        return State(zeros, zeros, zeros)

    def step(
        self,
        state: State,
        arriving: Sequence[tuple[IntegerProjection, np.ndarray]],
        population: ChipPopulation,
        formats: Formats,
    ) -> tuple[np.ndarray, State, np.ndarray]:
        """One step: how often each neuron spikes, the state, and what saturated.

        Raises:
            InputShapeError: an input has more events in the step than the chip takes.
        """
        registers = population.registers
        for projection, signal in arriving:
            if projection.delay == 0:
                _check_events(projection, signal, int(registers["events_max"]))
        i, saturated = delivered(state.i, arriving, formats)
        i = i - decay(i, registers["dash_syn"])
        change = wrap(-decay(state.v, registers["dash_mem"]), formats)
        for term in (i, registers["bias"]):
            change, full = saturating(change + term, formats)
            saturated = saturated | full
        v, full = saturating(state.v + change, formats)
        count = np.clip(v // registers["threshold"], 0, int(registers["spikes_max"]))
        return count, State(i, v - count * registers["threshold"], v), saturated | full


def decay(value: np.ndarray, dash: np.ndarray | int) -> np.ndarray:
    """What a state loses in a step."""
    lost = value >> dash
    return np.asarray(np.where((lost == 0) & (value > 0), 1, lost))


def saturating(value: np.ndarray, formats: Formats) -> tuple[np.ndarray, np.ndarray]:
    """Held within the state's bits, and where that took something."""
    inside = np.clip(value, -formats.state_max - 1, formats.state_max)
    return inside, inside != value


def wrap(value: np.ndarray, formats: Formats) -> np.ndarray:
    """Reduced to the state's bits."""
    half = formats.state_max + 1
    return np.asarray((value + half) % (2 * half) - half)


def delivered(
    i: np.ndarray, arriving: Sequence[tuple[IntegerProjection, np.ndarray]], formats: Formats
) -> tuple[np.ndarray, np.ndarray]:
    """The current (B, size) after all spikes, and where it saturated on the way.

    Only where it can saturate does the order of the spikes matter; there they are added one source at a time.
    """
    if not arriving:
        return i, np.zeros(i.shape, dtype=bool)
    counts = np.concatenate([signal for _, signal in arriving], axis=1)
    weight = np.concatenate([p.weight.astype(np.int64) << p.shift for p, _ in arriving], axis=1)
    up = _sum(np.maximum(weight, 0), counts)
    down = _sum(np.minimum(weight, 0), counts)
    total = i + up + down
    critical = (i + up > formats.state_max) | (i + down < -formats.state_max - 1)
    sample, neuron = np.nonzero(critical)
    held, full = i[critical], np.zeros(sample.size, dtype=bool)
    for source in range(weight.shape[1]) if sample.size else ():
        held, more = saturating(held + counts[sample, source] * weight[neuron, source], formats)
        full |= more
    saturated = np.zeros(i.shape, dtype=bool)
    total[critical], saturated[critical] = held, full
    return total, saturated


def _sum(weight: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """weight @ counts; exact in float64, as the sums stay below 2^53."""
    return (counts.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.int64)


def _check_events(projection: IntegerProjection, signal: np.ndarray, most: int) -> None:
    largest = int(signal.max(initial=0))
    if largest > most:
        raise InputShapeError(
            f"{projection.source!r} has {largest} events in one step, the chip takes {most} on a channel",
            hint="spread the events over more steps or channels",
        )
