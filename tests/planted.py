"""Devices with one fault, of every kind that a cause is told of: what such a device's record would be.

Nothing here is of :mod:`nirdeploy.proof.causes`: faults of numbers are changes of the network, those of inputs changes
of the stimulus, and the rest is stepped here by the definition of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerPopulation
from nirdeploy.integers.rounding import shifted
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.sim import integer
from tests.networks import spikes

#: The kinds, in the words of a cause.
KINDS = (
    "weight",
    "threshold",
    "decay",
    "bias",
    "reset",
    "delay",
    "input lost",
    "swapped",
    "step shifted",
    "stuck bit",
)


@dataclass(frozen=True)
class Planted:
    """``population``: where a cause is to be looked for. ``record``: what such a device says."""

    kind: str
    population: str
    text: str
    record: SpikeRecord


def stimulus(network: IntegerNetwork, steps: int = 32, samples: int = 24, seed: int = 1) -> np.ndarray:
    """Spikes, some samples with few, some with many."""
    (_, shape), *_ = network.inputs
    some = [spikes(seed + n, (steps, 1, *shape), rate) for n, rate in enumerate(np.linspace(0.1, 0.6, samples))]
    return np.concatenate(some, axis=1)


def devices(network: IntegerNetwork, x: np.ndarray, kind: str, many: int, seed: int = 0) -> Iterator[Planted]:
    """So many devices with a fault of a kind, in which the fault shows."""
    rng, expected, found = np.random.default_rng(seed), integer.simulate(network, x), 0
    for _ in range(40 * many):
        planted = _OF_KIND[kind](network, x, rng)
        if planted is None or found == many:
            continue
        population, text, record = planted
        if record != expected:
            found += 1
            yield Planted(kind, population, text, replace(record, source="device", manifest=expected.manifest))


Made = tuple[str, str, SpikeRecord] | None


def _populations(network: IntegerNetwork) -> list[IntegerPopulation]:
    return [network.neurons(p.name) for p in network.populations]


def _pick(rng: np.random.Generator, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _other(value: int, rng: np.random.Generator, bits: int, *, signed: bool = True) -> int:
    """One bit another, or a tenth to a half more or less."""
    if rng.integers(2):
        raw = (value & ((1 << bits) - 1)) ^ (1 << int(rng.integers(bits)))
        return raw - (1 << bits) if signed and raw >> (bits - 1) else raw
    change = max(1, int(abs(value) * rng.uniform(0.1, 0.5)))
    return value + (change if rng.integers(2) else -change)


def _weight(network: IntegerNetwork, x: np.ndarray, rng: np.random.Generator) -> Made:
    at = int(rng.integers(len(network.projections)))
    projection = network.projections[at]
    bits, weight = network.weight_bits(projection.target), projection.weight.copy()
    flat = int(rng.integers(weight.size))
    new = int(np.clip(_other(int(weight.flat[flat]), rng, bits), -(1 << bits - 1), (1 << bits - 1) - 1))
    weight.flat[flat] = new
    return projection.target, f"weight {flat} is {new}", integer.simulate(_weights(network, at, weight), x)


def _weights(network: IntegerNetwork, at: int, weight: np.ndarray) -> IntegerNetwork:
    every = list(network.projections)
    every[at] = replace(every[at], operator=replace(every[at].operator, weight=weight))
    return replace(network, projections=tuple(every))


def _with(network: IntegerNetwork, name: str, **changed: Any) -> IntegerNetwork:
    old = network.neurons(name)
    return replace(network, populations=tuple(replace(p, **changed) if p is old else p for p in network.populations))


def _number(field: str) -> Callable[[IntegerNetwork, np.ndarray, np.random.Generator], Made]:
    """A number of one neuron, or of all neurons, is another."""

    def made(network: IntegerNetwork, x: np.ndarray, rng: np.random.Generator) -> Made:
        able = [p for p in _populations(network) if p.spiking or field in ("decay", "bias")]
        population = _pick(rng, able)
        values = np.broadcast_to(getattr(population, field), (population.size,)).copy()
        neuron = int(rng.integers(population.size))
        bits = network.formats.decay_bits + 1 if field == "decay" else network.formats.state_bits
        change = _other(int(values[neuron]), rng, bits, signed=field != "decay") - values[neuron]
        if rng.integers(5):
            values[neuron] += change
        else:
            values += change
        if field == "decay" and not ((values >= 0) & (values < 1 << bits)).all():
            return None
        limit = network.formats.state_max
        return (
            population.name,
            f"{field} of {neuron} changed by {change}",
            integer.simulate(_with(network, population.name, **{field: np.clip(values, -limit - 1, limit)}), x),
        )

    return made


def _delay(network: IntegerNetwork, x: np.ndarray, rng: np.random.Generator) -> Made:
    at = int(rng.integers(len(network.projections)))
    old = network.projections[at]
    least = 1 if old.source == old.target else 0
    delay = max(least, old.delay + int(_pick(rng, (-2, -1, 1, 2, 3))))
    every = list(network.projections)
    every[at] = replace(old, delay=delay)
    record = integer.simulate(replace(network, projections=tuple(every)), x)
    return old.target, f"delay {old.delay} is {delay}", record


def _readers(network: IntegerNetwork, name: str) -> str:
    return next(p.target for p in network.projections if p.source == name)


def _input_lost(network: IntegerNetwork, x: np.ndarray, rng: np.random.Generator) -> Made:
    if rng.integers(3) or len(network.populations) == 1:
        name = network.inputs[0][0]
        odd = x.copy().reshape(*x.shape[:2], -1)
        channel = int(rng.integers(odd.shape[2]))
        odd[:, :, channel] = 0
        return _readers(network, name), f"channel {channel} lost", integer.simulate(network, odd.reshape(x.shape))
    at = _pick(rng, [n for n, p in enumerate(network.projections) if p.source != network.inputs[0][0]])
    projection = network.projections[at]
    weight, neuron = projection.weight.copy(), int(rng.integers(projection.inputs))
    weight[:, neuron] = 0
    return projection.target, f"neuron {neuron} not seen", integer.simulate(_weights(network, at, weight), x)


def _swapped(network: IntegerNetwork, x: np.ndarray, rng: np.random.Generator) -> Made:
    if rng.integers(2):
        odd = x.copy().reshape(*x.shape[:2], -1)
        a, b = rng.choice(odd.shape[2], 2, replace=False)
        odd[:, :, [a, b]] = odd[:, :, [b, a]]
        name = network.inputs[0][0]
        return _readers(network, name), f"channels {a} and {b}", integer.simulate(network, odd.reshape(x.shape))
    population = _pick(rng, _populations(network))
    a, b = rng.choice(population.size, 2, replace=False)
    order = np.arange(population.size)
    order[[a, b]] = b, a
    return population.name, f"neurons {a} and {b}", stepped(network, x, population.name, sent=lambda z: z[:, order])


def _step_shifted(network: IntegerNetwork, x: np.ndarray, rng: np.random.Generator) -> Made:
    """What a population sends is a step too late or, in the record alone, too early."""
    population = _pick(rng, _populations(network))
    if rng.integers(2):
        return population.name, "late", stepped(network, x, population.name, late=True)
    record = integer.simulate(network, x)
    held = {**record.spikes, **record.membrane}[population.name]
    moved = np.concatenate([held[1:], held[:1] * 0])
    spiking = {population.name: moved} if population.spiking else {}
    still = {} if population.spiking else {population.name: moved}
    found = replace(record, spikes={**record.spikes, **spiking}, membrane={**record.membrane, **still})
    return population.name, "early", found


def _stuck(network: IntegerNetwork, x: np.ndarray, rng: np.random.Generator) -> Made:
    population = _pick(rng, _populations(network))
    what, at = int(rng.integers(4)), int(rng.integers(2))
    neuron, bits = int(rng.integers(population.size)), network.formats.state_bits
    if what == 0 and population.spiking:
        odd = np.arange(population.size) == neuron
        return population.name, f"spikes of {neuron} at {at}", stepped(
            network, x, population.name, sent=lambda z: np.where(odd, at, z)
        )  # fmt: skip
    if what == 1:
        bit = int(rng.integers(bits))
        odd = np.arange(population.size) == neuron if rng.integers(2) else np.ones(population.size, dtype=bool)

        def kept(v: np.ndarray) -> np.ndarray:
            raw = v & ((1 << bits) - 1)
            raw = raw | 1 << bit if at else raw & ~(1 << bit)
            return np.where(odd, np.where(raw >> bits - 1, raw - (1 << bits), raw), v)

        return population.name, f"bit {bit} of membranes at {at}", stepped(network, x, population.name, kept=kept)
    if what == 2:
        odd = x.reshape(*x.shape[:2], -1)
        bit = int(rng.integers((odd.shape[2] - 1).bit_length()))
        moved = np.zeros_like(odd)
        for channel in range(odd.shape[2]):
            to = channel | 1 << bit if at else channel & ~(1 << bit)
            if to < odd.shape[2]:
                moved[:, :, to] |= odd[:, :, channel]
        target = _readers(network, network.inputs[0][0])
        return target, f"address bit {bit} at {at}", integer.simulate(network, moved.reshape(x.shape))
    at_projection = int(rng.integers(len(network.projections)))
    projection = network.projections[at_projection]
    width = network.weight_bits(projection.target)
    bit = int(rng.integers(width))
    raw = projection.weight.astype(np.int64) & ((1 << width) - 1)
    raw = raw | 1 << bit if at else raw & ~(1 << bit)
    weight = np.where(raw >> width - 1, raw - (1 << width), raw).astype(projection.weight.dtype)
    if (weight != projection.weight).sum() < 2:
        return None
    odd_network = _weights(network, at_projection, weight)
    return projection.target, f"bit {bit} of weights at {at}", integer.simulate(odd_network, x)


def stepped(
    network: IntegerNetwork,
    x: np.ndarray,
    name: str,
    *,
    sent: Callable[[np.ndarray], np.ndarray] = lambda z: z,
    kept: Callable[[np.ndarray], np.ndarray] = lambda v: v,
    late: bool = False,
) -> SpikeRecord:
    """The network stepped; one population sends something else, keeps other membranes, or sends a step late."""
    record = integer.simulate(network, x)
    signals = {network.inputs[0][0]: x.reshape(*x.shape[:2], -1).astype(np.int64)}
    states = {p.name: integer.start(p, x.shape[1]) for p in _populations(network)}
    held: dict[str, np.ndarray] = {}
    for p in _populations(network):
        signals[p.name] = np.zeros((*x.shape[:2], p.size), dtype=np.int64)
        held[p.name] = np.zeros((x.shape[1], p.size), dtype=np.int64)
    for t in range(len(x)):
        for p in _populations(network):
            arriving = np.zeros((x.shape[1], p.size), dtype=np.int64)
            for q in network.into(p.name):
                if t >= q.delay:
                    acc = integer.exact(q, signals[q.source][t - q.delay])
                    arriving = arriving + shifted(acc, p.shift + q.shift)
            out, state, _ = integer.step(states[p.name], arriving, p, network.formats)
            if p.name == name:
                state = replace(state, v=kept(state.v))
                out = sent(out if p.spiking else state.v)
                out, held[name] = (held[name], out) if late else (out, out)
            signals[p.name][t], states[p.name] = out, state
    shaped = {p.name: signals[p.name].reshape(*x.shape[:2], *p.shape) for p in network.populations}
    return replace(
        record,
        spikes={n: shaped[n].astype(v.dtype) for n, v in record.spikes.items()},
        membrane={n: shaped[n].astype(v.dtype) for n, v in record.membrane.items()},
    )


_OF_KIND: dict[str, Callable[[IntegerNetwork, np.ndarray, np.random.Generator], Made]] = {
    "weight": _weight,
    "threshold": _number("threshold"),
    "decay": _number("decay"),
    "bias": _number("bias"),
    "reset": _number("reset_value"),
    "delay": _delay,
    "input lost": _input_lost,
    "swapped": _swapped,
    "step shifted": _step_shifted,
    "stuck bit": _stuck,
}
