"""How a neuron of the chip steps, bit for bit as lava's ``fixed_pt`` models (lava-nc 0.10, ``lava.proc.lif``).

    a = sum of (weights @ spikes) << weight exponent           spikes are those of ``delay`` steps before
    u = trunc(u (2^12 - (du + 1)) / 2^12) + (a << 6)           wraps at 24 bits
    v = trunc(v (2^12 - dv) / 2^12) + u + bias                 saturates at +-(2^23 - 1)
    spike if v > vth << 6; then v = 0

trunc drops the fraction of the magnitude, towards zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.errors import InputShapeError
from nirdeploy.integers import sound
from nirdeploy.integers.parts import ChipPopulation, Formats, IntegerProjection
from nirdeploy.integers.sound import Register

#: lava's; besides ``align_shift``, and ``message_max``, the largest number that one spike into it carries.
REGISTERS = {
    **dict.fromkeys(("du", "dv", "vth"), Register(each=False)),
    **dict.fromkeys(("bias_mant", "u", "v"), Register()),
    "bias_exp": Register(least=0, most=31),
    "align_shift": Register(each=False, least=0, most=31),
    "message_max": Register(each=False, least=0),
}


@dataclass(frozen=True)
class State:
    """int64 (B, size): current ``u``, membrane ``v``, and ``compared``: v as held against the threshold."""

    u: np.ndarray
    v: np.ndarray
    compared: np.ndarray


class Loihi2Dynamics:
    """The chip's current-based leaky integrate-and-fire neuron.

    A population's registers (:data:`REGISTERS`) are lava's; ``u`` and ``v`` before the first step.
    """

    def start(self, population: ChipPopulation, batch: int) -> State:
        """The state before the first step."""
        sound.registers(population, REGISTERS)
        u, v = (
            np.broadcast_to(values, (batch, population.size)).astype(np.int64)
            for values in (population.registers["u"], population.registers["v"])
        )
        return State(u, v, v)

    def step(
        self,
        state: State,
        arriving: Sequence[tuple[IntegerProjection, np.ndarray]],
        population: ChipPopulation,
        formats: Formats,
    ) -> tuple[np.ndarray, State, np.ndarray]:
        """One step: spikes, state, and where u wrapped or v saturated.

        Raises:
            InputShapeError: a binary spike carries more than 1.
        """
        registers, unity = population.registers, 1 << formats.decay_bits
        activation = np.zeros_like(state.v)
        for projection, signal in arriving:
            _check_messages(projection, signal, int(registers["message_max"]))
            activation += _through(projection, signal) << projection.shift
        decayed = truncated(state.u * (unity - registers["du"] - 1), formats.decay_bits)
        u, wrapped = wrap(decayed + (activation << registers["align_shift"]), formats.state_bits)
        bias = registers["bias_mant"] << registers["bias_exp"]
        free = truncated(state.v * (unity - registers["dv"]), formats.decay_bits) + u + bias
        v = np.clip(free, -formats.state_max, formats.state_max)
        spikes = v > registers["vth"] << registers["align_shift"]
        return spikes.astype(np.int64), State(u, np.where(spikes, 0, v), v), wrapped | (v != free)


def truncated(product: np.ndarray, bits: int) -> np.ndarray:
    """product / 2^bits towards zero."""
    return np.asarray(np.sign(product) * (np.abs(product) >> bits))


def wrap(value: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """A current that leaves its range comes back once from the other end: (value, whether it did)."""
    half = 1 << (bits - 1)
    inside = np.where(value > half, value - 2 * half, value)
    inside = np.where(inside <= -half, value + 2 * half, inside)
    return inside, inside != value


def _through(projection: IntegerProjection, signal: np.ndarray) -> np.ndarray:
    """weights @ signal, int64; exact in float64, as every sum stays below 2^53."""
    return projection.apply(signal.astype(np.float64)).astype(np.int64)


def _check_messages(projection: IntegerProjection, signal: np.ndarray, most: int) -> None:
    largest = int(signal.max(initial=0))
    if largest > most:
        raise InputShapeError(
            f"{projection.source!r} sends {largest} in one step, the network was built for at most {most}",
            hint="encode counts as spike trains, or build with more input bits",
        )
