"""tangent: how far a membrane would move if a little more arrived, with the device's own spikes given.

Between spikes a membrane is a sum: a weight that is more by d adds d times what the source sent, decayed. The device's
spikes then say between which bounds d lies, for all weights at once. Roundings and saturation are left to the replay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nirdeploy.integers.rounding import decayed
from nirdeploy.proof.causes.clamped import Clamped

#: Directions besides those of what arrives.
BIAS, SYNAPSE_BIAS, START, RESET, THRESHOLD = "bias", "synapse bias", "start", "reset", "threshold"
ADDED = (BIAS, SYNAPSE_BIAS, START, RESET, THRESHOLD)

#: By how many differing cells bounds may be taken: all, or the first; later a state may have saturated.
CELLS = (None, 2, 1)


@dataclass(frozen=True)
class Tangent:
    """Of one neuron in some samples.

    ``low``, ``high``: float (T, S), how much more the membrane would have to be than it is, at least and at most.
    ``moves``: float (T, S, K), what it is more by one of each direction. ``slack``: what roundings may come to.
    """

    low: np.ndarray
    high: np.ndarray
    moves: np.ndarray
    slack: float

    def between(self, cells: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """How much of each direction there may be: float (K,) twice, the first above the second where none fits.

        Args:
            cells: by what the device did until so many cells of a sample differed; None: by all it did.
        """
        low, high = self.low, self.high
        if cells is not None:
            known = np.cumsum((low > 0) | (high < 0), axis=0) <= cells
            low, high = np.where(known, low, -np.inf), np.where(known, high, np.inf)
        low, high = (np.broadcast_to(v[..., None], self.moves.shape) for v in (low, high))
        shape = (-1, self.moves.shape[2])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            a, b = (low - self.slack) / self.moves, (high + self.slack) / self.moves
        up, down = self.moves > 1e-9, self.moves < -1e-9
        least = np.where(up, a, np.where(down, b, -np.inf)).reshape(shape).max(axis=0)
        most = np.where(up, b, np.where(down, a, np.inf)).reshape(shape).min(axis=0)
        stays = ~up & ~down & ((low > self.slack) | (high < -self.slack))
        return np.where(stays.reshape(shape).any(axis=0), np.inf, least), most

    def fits(self, moved: np.ndarray) -> np.ndarray:
        """Of how many cells bounds are broken by so much more: (T, S, M) to int64 (M,)."""
        broken = (moved < (self.low - self.slack)[..., None]) | (moved > (self.high + self.slack)[..., None])
        return np.asarray(broken.sum(axis=(0, 1)))


def tangent(clamped: Clamped, neuron: int, samples: np.ndarray, directions: np.ndarray) -> Tangent:
    """Of what arrives: ``directions`` (T, S, K), float, in the membrane's unit; behind these :data:`ADDED`."""
    follow = _Follow(clamped, neuron, directions.shape[2], len(samples))
    arriving, device = (v[:, samples, neuron] for v in (clamped.alone.entering, clamped.device))
    late = clamped.population.rules.spike_delay
    said = np.concatenate([device[1:], device[:1] * 0]) if late else device
    time, batch, _ = directions.shape
    low, high = np.full((time, batch), -np.inf), np.full((time, batch), np.inf)
    moves = np.zeros((time, batch, directions.shape[2] + len(ADDED)))
    for t in range(time):
        membrane, moved = follow.integrated(arriving[t], directions[t])
        if not clamped.population.spiking:
            low[t], high[t] = follow.beside(membrane, device[t])
            moves[t] = moved
            continue
        if not (late and t == time - 1):  # what it does then is said in no step
            low[t], high[t] = follow.bounds(membrane, said[t])
            moves[t] = moved
            moves[t, :, follow.at[THRESHOLD]] = -1
        follow.spiked(said[t])
    return Tangent(low, high, moves, follow.slack(time))


class _Follow:
    """A neuron's membrane by what arrives and by the device's spikes, and what it moves by one of each direction."""

    def __init__(self, clamped: Clamped, neuron: int, many: int, batch: int) -> None:
        self.population, self.formats = clamped.population, clamped.network.formats
        self.rules, self.neuron, self.many = self.population.rules, neuron, many
        self.at = {name: many + place for place, name in enumerate(ADDED)}
        self.unity = float(1 << self.formats.decay_bits)
        self.decay, self.synapse_decay = np.array(self.own("decay")), np.array(self.own("synapse_decay"))
        self.v = np.full(batch, self.own("initial"), dtype=np.int64)
        self.i = self.z = np.zeros(batch, dtype=np.int64)
        self.dv, self.di = np.zeros((batch, many + len(ADDED))), np.zeros((batch, many + len(ADDED)))
        self.dv[:, self.at[START]] = 1

    def own(self, name: str) -> int:
        return int(np.broadcast_to(getattr(self.population, name), (self.population.size,))[self.neuron])

    def _held(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(values, -self.formats.state_max - 1, self.formats.state_max))

    def _after(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Membrane and moves when spikes have reset it."""
        if self.rules.reset == "subtract":
            moved = self.dv.copy()
            moved[:, self.at[RESET]] -= z
            return self._held(self.v - z * self.own("reset_value")), moved
        if self.rules.reset == "zero":
            gone = np.zeros_like(self.dv)
            gone[:, self.at[RESET]] = 1
            return np.where(z > 0, self.own("reset_value"), self.v), np.where(z[:, None] > 0, gone, self.dv)
        return self.v, self.dv

    def integrated(self, entering: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A step up to the threshold: the membrane that is held against it, and its moves."""
        added = np.concatenate([directions, np.zeros((len(directions), len(ADDED)))], axis=1)
        bits = self.formats.decay_bits
        if self.population.synaptic:
            added[:, self.at[SYNAPSE_BIAS]] = 1
            kept = decayed(self.i, self.synapse_decay, bits)
            current = self._held(kept + entering + self.own("synapse_bias"))
            moved = self.di * (float(self.synapse_decay) / self.unity) + added
            entering, added = (current, moved) if self.rules.synapse_order == "new" else (self.i, self.di)
            self.i, self.di = current, moved
        before = (self.v > self.own("threshold")).astype(np.int64) if self.rules.reset_guard else None
        if self.rules.reset_delay and self.rules.reset_before:
            self.v, self.dv = self._after(self.z)
        self.v = self._held(decayed(self.v, self.decay, bits) + entering + self.own("bias"))
        self.dv = self.dv * (float(self.decay) / self.unity) + added
        self.dv[:, self.at[BIAS]] += 1
        if self.population.spiking and self.rules.reset_delay and not self.rules.reset_before:
            self.v, self.dv = self._after(self.z)
        return (self.v, self.dv) if before is None else self._after(before)

    def beside(self, membrane: np.ndarray, device: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much more a membrane that is recorded must be and may be: float (S,) twice. A saturated one would have
        gone on."""
        more, top = (device - membrane).astype(float), self.formats.state_max
        return np.where(device > -top - 1, more, -np.inf), np.where(device < top, more, np.inf)

    def bounds(self, compared: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much more the membrane must be and may be for the device's spikes: float (S,) twice."""
        threshold, size = self.own("threshold"), self.own("spike_size")
        low = np.where(z > 0, threshold + np.maximum(z - 1, 0) * size + 1 - compared, -np.inf)
        several = np.where(self.rules.multi & (z < self.rules.max_spikes), threshold + z * size - compared, np.inf)
        return low, np.where(z == 0, threshold - compared, several)

    def spiked(self, z: np.ndarray) -> None:
        """What the device's spikes leave."""
        self.z = z
        if not self.rules.reset_delay:
            self.v, self.dv = self._after(z)
        if self.rules.bounded:
            self.v = np.maximum(self.v, -self.own("spike_size"))

    def slack(self, time: int) -> float:
        """What roundings may come to in so many steps."""

        def lasts(decay: np.ndarray) -> float:
            return 1.0 / max(1 - abs(float(decay)) / self.unity, 1 / time)

        return 2.0 + 1.5 * lasts(self.decay) * (1 + (lasts(self.synapse_decay) if self.population.synaptic else 0))
