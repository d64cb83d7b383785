"""clamped: a population by what the device itself says reached it.

Where what a population did does not follow from what its sources did, by the device's own record, the fault is its
own: in its numbers, in what leads to it, or in how its spikes leave it. What others do wrong does not matter here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.rounding import shifted
from nirdeploy.proof.causes.fault import Change, stuck
from nirdeploy.proof.coverage.replay import Alone, alone, copies
from nirdeploy.proof.coverage.way import Way, delayed
from nirdeploy.sim import integer

_NUMBERS = 1 << 21  # that are held at once: steps x lanes
WORK = 400_000_000  # neurons that are stepped in a population at most: steps x samples x neurons x hypotheses
_COMPACT = 8  # steps until lanes are left out whose hypothesis has failed


@dataclass(frozen=True)
class Bits:
    """Of each lane the bit of its state that is stuck, and at what; of the synaptic current, or of the membrane."""

    bit: np.ndarray
    at: np.ndarray
    current: bool


@dataclass(frozen=True)
class Lanes:
    """Neurons stepped side by side: the hypothesis each is for, its sample (of those that are tried), its neuron."""

    hypothesis: np.ndarray
    sample: np.ndarray
    neuron: np.ndarray

    def of(self, which: slice | np.ndarray) -> Lanes:
        return Lanes(self.hypothesis[which], self.sample[which], self.neuron[which])


class Clamped:
    """``device``: int64 (T, B, size), what the population did. ``alone``: what it should have done by what its sources
    did. ``wrong``: bool (T, B, size), where these differ. ``work``: neurons stepped so far, for the search's limit."""

    def __init__(self, network: IntegerNetwork, name: str, signals: Mapping[str, np.ndarray]) -> None:
        self.network, self.name, self.signals = network, name, signals
        self.population = network.neurons(name)
        every = enumerate(network.projections)
        self.ways = {at: Way(network, p, signals) for at, p in every if p.target == name}
        self.device = signals[name].astype(np.int64)
        self.bare = integer.entering(self.population, [], signals)
        self.alone: Alone = alone(self.population, self.arriving({}), network.formats)
        self.wrong = self.alone.out != self.device
        self.work = self.device.size
        self.numbers = np.arange(self.device.shape[1])  # of the samples, in the record
        self.found: dict[tuple[int, int], object] = {}  # what was worked out for a neuron behind a projection

    def only(self, neuron: int) -> Clamped:
        """The same, as if all other neurons did what they should."""
        device = self.alone.out.copy()
        device[:, :, neuron] = self.device[:, :, neuron]
        other = copy.copy(self)
        other.device, other.wrong, other.found = device, device != self.alone.out, {}
        return other

    @property
    def neurons(self) -> np.ndarray:
        """The neurons that differ, those that do so most first."""
        often = self.wrong.sum(axis=(0, 1))
        order = np.argsort(-often, kind="stable")
        return np.asarray(order[often[order] > 0])

    def samples(self, most: int) -> np.ndarray:
        """Samples to try hypotheses in: most of those that differ most, some of those that do not."""
        often = self.wrong.sum(axis=(0, 2))
        order = np.argsort(-often, kind="stable")
        odd = order[often[order] > 0][: max(most - 1, 1)]
        even = order[often[order] == 0][: max(most - len(odd), 0)]
        return np.sort(np.concatenate([odd, even]))

    def arriving(
        self, instead: Mapping[int, np.ndarray], delays: Mapping[int, int] | None = None, samples: Any = slice(None)
    ) -> np.ndarray:
        """What arrives (T, B, size) where projections bring something else, not delayed, or by other delays."""
        total = self.bare[:, samples].copy()
        for at, way in self.ways.items():
            values = instead.get(at)
            values = way.arrives[:, samples] if values is None else values
            total += delayed(values, (delays or {}).get(at, way.projection.delay))
        return total

    def brings(self, at: int, change: Change, samples: Any = slice(None)) -> np.ndarray:
        """What a projection would bring if its source's signal were changed: int64 (T, B, size), not delayed."""
        way = self.ways[at]
        signal = change(self.signals[way.projection.source][:, samples].astype(np.int64))
        return shifted(integer.exact(replace(way.projection, delay=0), signal), way.shift)

    def out(self, arriving: np.ndarray) -> np.ndarray:
        """What leaves the population by what arrives: int64 (T, B, size)."""
        steps, batch, _ = arriving.shape
        state, out = integer.start(self.population, batch), np.zeros_like(arriving)
        self.work += arriving.size
        for t in range(steps):
            out[t], state, _ = integer.step(state, arriving[t], self.population, self.network.formats)
        return out

    def agrees(
        self,
        brings: Callable[[np.ndarray], Mapping[int, np.ndarray]],
        samples: np.ndarray,
        delays: Mapping[int, int] | None = None,
    ) -> bool:
        """Whether every cell is explained, in a sample, in some and in all, if projections bring what ``brings`` says
        of samples, or bring it by other delays."""
        if self.work > WORK:
            return False
        for where in (samples[:1], samples, np.arange(self.device.shape[1])):
            out = self.out(self.arriving(brings(where), delays, where))
            if (out != self.device[:, where]).any():
                return False
        return True

    def mismatches(
        self,
        lanes: Lanes,
        hypotheses: int,
        arriving: np.ndarray,
        fields: Mapping[str, np.ndarray],
        *,
        bits: Bits | None = None,
        allowed: int = 0,
    ) -> np.ndarray:
        """Cells in which each hypothesis does not do what the device did: int64 (hypotheses,), too few where there are
        more than ``allowed``.

        Args:
            arriving: int64 (T, lanes). fields: by array of a population, what each lane has there: int64 (lanes,).
        """
        population = copies(self.population, lanes.neuron)
        held: dict[str, Any] = dict(fields)
        population = replace(population, **held)
        expected = self.device[:, lanes.sample, lanes.neuron]
        state, formats = integer.start(population, 1), self.network.formats
        odd, found = np.zeros(len(lanes.neuron), dtype=np.int64), np.zeros(hypotheses, dtype=np.int64)
        for t in range(len(expected)):
            self.work += len(lanes.neuron)
            out, state, _ = integer.step(state, arriving[t][None], population, formats)
            if bits is not None:
                values = stuck(state.i if bits.current else state.v, bits.bit, bits.at, formats.state_bits)
                state = replace(state, i=values) if bits.current else replace(state, v=values)
                out = out if population.spiking else state.v
            odd += out[0] != expected[t]
            if t % _COMPACT == _COMPACT - 1:
                sums = found + np.bincount(lanes.hypothesis, odd, hypotheses).astype(np.int64)
                left = np.flatnonzero(sums[lanes.hypothesis] <= allowed)
                if 4 * len(left) < 3 * len(lanes.neuron):
                    gone = np.setdiff1d(np.arange(len(odd)), left)
                    found += np.bincount(lanes.hypothesis[gone], odd[gone], hypotheses).astype(np.int64)
                    lanes, population, odd = lanes.of(left), copies(population, left), odd[left]
                    arriving, expected = arriving[:, left], expected[:, left]
                    state = integer.State(*(part[:, left] for part in (state.v, state.i, state.z, state.compared)))
                    bits = None if bits is None else Bits(bits.bit[left], bits.at[left], bits.current)
                if not len(left):
                    break
        return found + np.bincount(lanes.hypothesis, odd, hypotheses).astype(np.int64)

    def trains(self, lanes: Lanes, arriving: np.ndarray, fields: Mapping[str, np.ndarray]) -> np.ndarray:
        """What neurons with other numbers send by what arrives: int64 (T, lanes)."""
        held: dict[str, Any] = dict(fields)
        population = replace(copies(self.population, lanes.neuron), **held)
        state, found = integer.start(population, 1), np.zeros_like(arriving)
        self.work += arriving.size
        for t in range(len(arriving)):
            out, state, _ = integer.step(state, arriving[t][None], population, self.network.formats)
            found[t] = out[0]
        return found

    def chunks(self, hypotheses: int, each: int) -> list[slice]:
        """Hypotheses of so many lanes each, some at a time."""
        some = max(1, _NUMBERS // max(1, len(self.device) * each))
        return [slice(begin, min(begin + some, hypotheses)) for begin in range(0, hypotheses, some)]
