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

_EARLY = 2  # cells that differ until which a membrane is taken to be unsaturated


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

    def between(self, *, early: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """How much of each direction there may be: float (K,) twice, the first above the second where none fits.

        Args:
            early: by what the device did until shortly after it first differed: later a membrane may have saturated.
        """
        low, high = self.low, self.high
        if early:
            known = np.cumsum((low > 0) | (high < 0), axis=0) <= _EARLY
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
    population, formats, rules = clamped.population, clamped.network.formats, clamped.population.rules
    time, batch, many = directions.shape
    unity = float(1 << formats.decay_bits)

    def own(name: str) -> int:
        return int(np.broadcast_to(getattr(population, name), (population.size,))[neuron])

    decay, synapse_decay = np.array(own("decay")), np.array(own("synapse_decay"))
    threshold, size, reset_value = own("threshold"), own("spike_size"), own("reset_value")
    top, bottom = formats.state_max, -formats.state_max - 1
    arriving = clamped.alone.entering[:, samples, neuron]
    device = clamped.device[:, samples, neuron]
    at = {name: many + place for place, name in enumerate(ADDED)}
    extra = np.zeros((batch, many + len(ADDED)))
    moves = np.zeros((time, batch, many + len(ADDED)))
    low, high = np.full((time, batch), -np.inf), np.full((time, batch), np.inf)
    v = np.full(batch, own("initial"), dtype=np.int64)
    i, z = np.zeros(batch, dtype=np.int64), np.zeros(batch, dtype=np.int64)
    dv, di = extra.copy(), extra.copy()
    dv[:, at[START]] = 1

    def after(v: np.ndarray, dv: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if rules.reset == "subtract":
            dv = dv.copy()
            dv[:, at[RESET]] -= z
            return np.clip(v - z * reset_value, bottom, top), dv
        if rules.reset == "zero":
            gone = np.zeros_like(dv)
            gone[:, at[RESET]] = 1
            return np.where(z > 0, reset_value, v), np.where(z[:, None] > 0, gone, dv)
        return v, dv

    said = np.concatenate([device[1:], device[:1] * 0]) if rules.spike_delay else device
    for t in range(time):
        entering, added = arriving[t], np.concatenate([directions[t], np.zeros((batch, len(ADDED)))], axis=1)
        if population.synaptic:
            added[:, at[SYNAPSE_BIAS]] = 1
            current = np.clip(
                decayed(i, synapse_decay, formats.decay_bits) + entering + own("synapse_bias"), bottom, top
            )
            moved = di * (float(synapse_decay) / unity) + added
            entering, added = (current, moved) if rules.synapse_order == "new" else (i, di)
            i, di = current, moved
        before = (v > threshold).astype(np.int64) if rules.reset_guard else None
        if rules.reset_delay and rules.reset_before:
            v, dv = after(v, dv, z)
        v = np.clip(decayed(v, decay, formats.decay_bits) + entering + own("bias"), bottom, top)
        dv = dv * (float(decay) / unity) + added
        dv[:, at[BIAS]] += 1
        if not population.spiking:
            low[t] = high[t] = device[t] - v
            moves[t] = dv
            continue
        if rules.reset_delay and not rules.reset_before:
            v, dv = after(v, dv, z)
        compared, moved = (v, dv) if before is None else after(v, dv, before)
        z = said[t]
        if not (rules.spike_delay and t == time - 1):
            one = threshold + np.maximum(z - 1, 0) * size + 1 - compared
            low[t] = np.where(z > 0, one, -np.inf)
            bounded = rules.multi & (z < rules.max_spikes)
            high[t] = np.where(z == 0, threshold - compared, np.where(bounded, threshold + z * size - compared, np.inf))
            moves[t] = moved
            moves[t, :, at[THRESHOLD]] = -1
        if not rules.reset_delay:
            v, dv = after(v, dv, z)
        if rules.bounded:
            v = np.maximum(v, -size)
    lost = 1.0 / max(1 - abs(int(decay)) / unity, 1 / time)
    slack = 2.0 + 1.5 * lost * (
        1 + (1.0 / max(1 - abs(int(synapse_decay)) / unity, 1 / time) if population.synaptic else 0)
    )
    return Tangent(low, high, moves, slack)
