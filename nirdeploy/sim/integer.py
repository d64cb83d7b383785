"""The integer simulator: the definition of what the device does, bit for bit.

Plain NumPy, batched. Every rounding is written out in :func:`step`; nothing else decides a spike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nirdeploy import spikes
from nirdeploy.quantize import Formats, IntegerNetwork, IntegerPopulation


def decayed(v: np.ndarray, decay: np.ndarray, decay_bits: int) -> np.ndarray:
    """round(decay v / 2^decay_bits), to nearest, ties away from zero (int64)."""
    magnitude = (np.abs(v) * decay + (1 << (decay_bits - 1))) >> decay_bits
    return np.asarray(np.where(v < 0, -magnitude, magnitude))


def step(
    v: np.ndarray, acc: np.ndarray, population: IntegerPopulation, formats: Formats
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step of a population.

    Args:
        v, acc: int64 (B, size): membrane before the step, sum of weights of this step's spikes.

    Returns:
        membrane after reset (int64), spikes (bool), which neurons saturated (bool); all (B, size).
    """
    top, bottom = formats.state_max, -formats.state_max - 1
    total = decayed(v, population.decay, formats.decay_bits) + (acc << population.shift) + population.bias
    v = np.clip(total, bottom, top)
    saturated = total != v
    if not population.spiking:
        return v, np.zeros(v.shape, dtype=bool), saturated
    spike = v > population.threshold
    if population.reset == "subtract":
        lowered = v - population.reset_value
        after = np.clip(lowered, bottom, top)
        saturated = saturated | (spike & (lowered != after))
    else:
        after = np.broadcast_to(population.reset_value, v.shape)
    return np.where(spike, after, v), spike, saturated


def simulate(
    network: IntegerNetwork, x: Any, probe: str | Sequence[str] = "all", *, membrane: Sequence[str] = ()
) -> spikes.SpikeRecord:
    """Run the network on ``x`` (T, B, *input shape) and record the probed populations.

    Spiking populations give spikes; read-outs, and any population named in ``membrane``, give their
    membrane as int32 in units of ``scale``. ``stats["saturations"]`` counts saturated updates.
    """
    names = [p.name for p in network.populations]
    probed = spikes.select(probe, names, network.outputs)
    wanted = spikes.select(list(membrane), names, network.outputs)
    stimulus = spikes.stimulus(x, network.inputs)
    time, batch = next(iter(stimulus.values())).shape[:2]
    now: dict[str, np.ndarray] = {name: values.reshape(time, batch, -1) for name, values in stimulus.items()}
    traces: dict[str, np.ndarray] = {}
    saturations = 0
    # Feed-forward: a population's whole past is known once its sources' is, so time is the inner loop.
    for population in network.populations:
        acc = _currents(network, population, now, time, batch)
        fired = np.zeros((time, batch, population.size), dtype=np.uint8)
        keep = population.name in wanted or (population.name in probed and not population.spiking)
        trace = np.zeros((time, batch, population.size), dtype=np.int32) if keep else None
        v = np.broadcast_to(population.initial, (batch, population.size))
        for t in range(time):
            v, spike, saturated = step(v, acc[t], population, network.formats)
            fired[t] = spike
            saturations += int(saturated.sum())
            if trace is not None:
                trace[t] = v
        now[population.name] = fired
        if trace is not None:
            traces[population.name] = trace.reshape(time, batch, *population.shape)
    shapes = {p.name: p.shape for p in network.populations}
    spiking = {p.name for p in network.populations if p.spiking}
    return spikes.SpikeRecord(
        spikes={n: now[n].reshape(time, batch, *shapes[n]) for n in probed if n in spiking},
        membrane=traces,
        scale={p.name: p.scale.reshape(p.shape) for p in network.populations if p.name in traces},
        source="integer",
        dt=network.dt,
        outputs=dict(network.outputs),
        manifest={"network": network.digest(), "target": network.target},
        stats={"saturations": float(saturations)},
    )


def _currents(
    network: IntegerNetwork, population: IntegerPopulation, now: Mapping[str, np.ndarray], time: int, batch: int
) -> np.ndarray:
    """Accumulator of every step, int64 (T, B, size).

    The product runs in float64, which is exact: sums of at most 2^23 in magnitude.
    """
    acc = np.zeros((time, batch, population.size))
    for projection in network.projections:
        if projection.target == population.name:
            acc += now[projection.source].astype(np.float64) @ projection.weight.T.astype(np.float64)
    return acc.astype(np.int64)
