"""aim: a sample changed in a few places, so that a membrane comes exactly to its threshold, where small faults show.

Between its spikes a membrane is a sum of what its inputs bring, decayed: what changing an input in a step does to it
later can be said, and two or three changes be found whose sum is what lacks. Roundings move it a little: several are
tried. Only populations that read inputs are aimed at; of others the senders cannot be chosen one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation, IntegerProjection
from nirdeploy.proof.coverage.candidates import Candidates, Sample
from nirdeploy.proof.coverage.reach import known
from nirdeploy.proof.coverage.way import reads
from nirdeploy.sim import integer

_CELLS, _PAIRS = 2000, 20_000  # changes, and pairs of them, that are looked at
_WAYS, _LATE = 2, 4.0  # ways to come near to what lacks; steps by which their order is left to chance
_SHORTEST, _LONGEST = 3, 16  # steps that a membrane is given to come to its threshold


@dataclass(frozen=True)
class Target:
    """A neuron of a population; ``above``: its membrane is to be one above the threshold, not on it."""

    population: str
    neuron: int
    above: bool


def aimable(network: IntegerNetwork) -> dict[str, list[IntegerProjection]]:
    """The populations that read inputs as they are, and the projections by which they do."""
    held = {name: int(np.prod(shape)) for name, shape in network.inputs}
    found: dict[str, list[IntegerProjection]] = {}
    for p in network.populations:
        plain = [q for q in network.into(p.name) if q.source in held and q.pool is None and q.maximum is None]
        plain = [q for q in plain if q.inputs == held[q.source]]  # not one with a border
        if plain and isinstance(p, IntegerPopulation) and known(p):
            found[p.name] = plain
    return found


class Aim:
    """Aims at neurons of a sample, one behind the other in time: what was hit before is left as it is."""

    def __init__(self, network: IntegerNetwork, candidates: Candidates, rng: np.random.Generator) -> None:
        self._network, self._candidates, self._rng = network, candidates, rng
        self._ways = {} if network.dynamics else aimable(network)

    @property
    def there(self) -> frozenset[str]:
        """The populations that can be aimed at."""
        return frozenset(self._ways)

    def aimed(
        self, sample: Sample, signals: Mapping[str, np.ndarray], target: Target, begin: int, many: int
    ) -> tuple[list[Sample], int]:
        """So many changed samples, and the step in which the membrane should be where it is wanted.

        Args:
            signals: of the sample alone, as :func:`nirdeploy.proof.coverage.judge.run` has them.
            begin: nothing is changed before that step.
        """
        network, rng, neuron = self._network, self._rng, target.neuron
        population, steps = network.neurons(target.population), len(next(iter(sample.values())))
        at = min(begin + int(rng.integers(_SHORTEST, _LONGEST)), steps - 1)
        held, spiked = _trace(network, target.population, signals, neuron, at + 1)
        before = np.flatnonzero(spiked[:at])
        first = max(begin, int(before[-1]) + 1 if len(before) else 0)
        lacks = int(population.threshold[neuron]) + target.above - int(held[at])
        answer = _answer(population, network.formats, neuron, steps)
        name, step, channel, worth = self._changes(sample, target, first, at, answer)
        every = []
        for _ in range(_WAYS):
            near = _towards(worth, step, lacks, rng)
            rest = np.setdiff1d(np.arange(len(worth)), near)
            sums = _sums(worth[rest], lacks - float(worth[near].sum()), many // _WAYS, rng)
            every += [(*near, *rest[list(chosen)]) for chosen in sums]
        found = []
        for chosen in every:
            changed = {key: values.copy() for key, values in sample.items()}
            for one in chosen:
                values = changed[name[one]]
                values[step[one], channel[one]] = self._fresh[one]
            found.append(changed)
        return found, at

    def _changes(
        self, sample: Sample, target: Target, first: int, at: int, answer: np.ndarray
    ) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
        """Input, step, channel and what it does to the membrane, of changes that may be made."""
        names: list[str] = []
        parts = []
        fresh = []
        for q in self._ways[target.population]:
            row = np.zeros(q.inputs)
            read = reads(q.operator, np.arange(q.weight.size), np.array(target.neuron))
            np.add.at(row, read[read >= 0], q.weight.ravel()[read >= 0])
            step, channel = np.nonzero(np.broadcast_to(row != 0, (max(at - q.delay - first + 1, 0), len(row))))
            few = self._rng.permutation(len(step))[:_CELLS]
            step, channel = step[few] + first, channel[few]
            old = sample[q.source][step, channel]
            new = self._candidates.other(q.source, old)
            scale = 2.0 ** (q.shift + self._network.neurons(target.population).shift)
            parts.append((step, channel, (new - old) * row[channel] * scale * answer[at - q.delay - step]))
            names += [q.source] * len(step)
            fresh.append(new)
        self._fresh = np.concatenate(fresh)
        step, channel, worth = (np.concatenate(values) for values in zip(*parts, strict=True))
        return names, step, channel, worth


def _trace(
    network: IntegerNetwork, name: str, signals: Mapping[str, np.ndarray], neuron: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a neuron's membrane was as it was held against the threshold, and when it spiked: (steps,)."""
    population = network.neurons(name)
    arriving = integer.entering(population, network.into(name), signals)
    state, held, spiked = integer.start(population, 1), [], []
    for t in range(steps):
        _, state, _ = integer.step(state, arriving[t], population, network.formats)
        held.append(state.compared[0, neuron])
        spiked.append(state.z[0, neuron])
    return np.array(held), np.array(spiked)


def _answer(population: IntegerPopulation, formats: Formats, neuron: int, steps: int) -> np.ndarray:
    """What of 1 that enters is in the membrane so many steps later: float64 (steps,)."""
    unity = 2.0**formats.decay_bits
    decay, synapse = population.decay[neuron] / unity, population.synapse_decay[neuron] / unity
    found, v, i = [], 0.0, 0.0
    for t in range(steps):
        enters = 1.0 if t == 0 else 0.0
        if population.synaptic:
            current = synapse * i + enters
            enters, i = (current if population.rules.synapse_order == "new" else i), current
        v = decay * v + enters
        found.append(v)
    return np.array(found)


def _towards(worth: np.ndarray, step: np.ndarray, lacks: float, rng: np.random.Generator) -> np.ndarray:
    """Changes, rather late ones, that leave no more than a few can do."""
    chosen: list[int] = []
    late_first = np.argsort(-step + _LATE * rng.random(len(step)))
    for one in late_first[np.sign(worth[late_first]) == np.sign(lacks)]:
        if abs(lacks) <= 1.5 * np.abs(worth).max():
            break
        if abs(worth[one]) <= abs(lacks):
            chosen, lacks = [*chosen, int(one)], lacks - float(worth[one])
    return np.array(chosen, dtype=np.int64)


def _sums(worth: np.ndarray, lacks: float, many: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Up to three changes each, which together come as near to what lacks as can be."""
    if not len(worth):
        return []
    one, two = (rng.integers(0, len(worth), _PAIRS) for _ in range(2))
    one, two = one[one != two], two[one != two]
    one, two = np.append(one, [-1]), np.append(two, [-1])  # -1: no change
    worths = np.append(worth, 0.0)
    order = np.argsort(pairs := worths[one] + worths[two])
    one, two, pairs = one[order], two[order], pairs[order]
    third = np.append(np.arange(len(worth)), [-1])
    places = np.searchsorted(pairs, lacks - worths[third])[:, None] + np.arange(-2, 2)
    places = np.clip(places, 0, len(pairs) - 1)
    off = np.abs(pairs[places] + worths[third][:, None] - lacks)
    apart = (one[places] != third[:, None]) & (two[places] != third[:, None])
    off = np.where(apart, off, np.inf).ravel()
    found: dict[tuple[int, ...], None] = {}
    for best in np.argsort(off, kind="stable")[: 8 * many]:
        row, place = best // 4, places.ravel()[best]
        if np.isfinite(off[best]) and len(found) < many:
            found[tuple(sorted(int(c) for c in (third[row], one[place], two[place]) if c >= 0))] = None
    return list(found)
