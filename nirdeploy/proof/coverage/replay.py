"""replay: neurons stepped again with a fault in them, many side by side, by what reached them without it.

Until a population does something else nothing else changes: so the neurons a fault concerns, with what arrives at them,
tell whether the whole network would show it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation
from nirdeploy.integers.rounding import shifted
from nirdeploy.proof.coverage.faults import DELAY, FIELDS, SIGNS, WEIGHTS, Site
from nirdeploy.proof.coverage.reach import known, reach
from nirdeploy.proof.coverage.way import Way, delayed, reads
from nirdeploy.sim import integer

_NUMBERS = 1 << 22  # that are held at once for a replay: steps x lanes
#: Neurons in which a fault that many share is looked for, in rounds; those next to their threshold come first.
_ROUNDS = (4, 16, 64, 256)
_COMPACT = 8  # steps until lanes are left out whose fault has been found
_PER_NEURON = (*FIELDS.values(), "scale")


@dataclass(frozen=True)
class Alone:
    """A population as the run had it: what arrived and what left it, both int64 (T, B, size).

    ``saturated``: bool (size,). ``below``, ``above``: int64 (B, size), how far the membrane was from its threshold at
    least, where it did not spike and where it did; the largest integer where there is no such step. ``largest``: int64
    (size,), the magnitude of membrane and synaptic current.
    """

    entering: np.ndarray
    out: np.ndarray
    saturated: np.ndarray
    below: np.ndarray
    above: np.ndarray
    largest: tuple[np.ndarray, np.ndarray]


def alone(population: IntegerPopulation, arriving: np.ndarray, formats: Formats) -> Alone:
    """A population stepped by what arrives at it in every step: int64 (T, B, size)."""
    steps, batch, size = arriving.shape
    state, out = integer.start(population, batch), np.zeros_like(arriving)
    far = np.iinfo(np.int64).max
    saturated, largest = np.zeros(size, dtype=bool), (np.zeros(size, dtype=np.int64),) * 2
    below, above = np.full((batch, size), far), np.full((batch, size), far)
    for t in range(steps):
        out[t], state, clipped = integer.step(state, arriving[t], population, formats)
        saturated |= clipped.any(axis=0)
        v, i = (np.abs(values).max(axis=0) for values in (state.v, state.i))
        largest = np.maximum(largest[0], v), np.maximum(largest[1], i)
        if population.spiking:
            off = state.compared - population.threshold
            below = np.minimum(below, np.where(off <= 0, -off, far))
            above = np.minimum(above, np.where(off > 0, off, far))
    return Alone(arriving, out, saturated, below, above, largest)


class Replay:
    """Faults in one population and in what leads to it, tried in a run."""

    def __init__(self, network: IntegerNetwork, name: str, signals: Mapping[str, np.ndarray]) -> None:
        self._network = network
        self._population = network.neurons(name)
        every = enumerate(network.projections)
        self._ways = {at: Way(network, p, signals) for at, p in every if p.target == name}
        arriving = integer.entering(self._population, [], signals)
        for way in self._ways.values():
            arriving += delayed(way.arrives, way.projection.delay)
        self.alone = alone(self._population, arriving, network.formats)

    def shown(self, site: Site, asked: np.ndarray, *, apart: bool = False) -> np.ndarray:
        """Which of the faults asked for, bool (n, 2), change what leaves the population: in any sample, bool (n, 2, 1);
        ``apart``: in each, bool (n, 2, B)."""
        found = np.zeros((*asked.shape, self.alone.out.shape[1] if apart else 1), dtype=bool)
        if not asked.any():
            return found
        if site.kind == WEIGHTS:
            self._weights(site, asked, found)
        elif site.kind == DELAY:
            self._delays(site, asked, found)
        else:
            self._neurons(site, asked, found)
        return found

    def _neurons(self, site: Site, asked: np.ndarray, found: np.ndarray) -> None:
        """Faults that concern one neuron each."""
        row, column, sample = np.nonzero(np.broadcast_to(asked[..., None], (*asked.shape, self.alone.out.shape[1])))
        lanes = _Lanes(row, column, sample, site.which[row], site.step)
        lanes = lanes.of(self._may(site, None)[lanes.sample, lanes.neuron])

        def entering(some: _Lanes) -> np.ndarray:
            arriving = self.alone.entering[:, some.sample, some.neuron]
            if site.begins is not None:
                arriving[: site.begins] -= some.step
            return arriving

        self._try(lanes, found, entering, None if site.begins is not None else FIELDS[site.kind])

    def _weights(self, site: Site, asked: np.ndarray, found: np.ndarray) -> None:
        """Faults that concern all neurons which read a weight."""
        way = self._ways[int(site.projection or 0)]
        delay = way.projection.delay

        def entering(some: _Lanes) -> np.ndarray:
            faulty = way.arriving(site.which[some.row], some.step, some.sample, some.neuron)
            return self._instead(some, delayed(faulty - way.arrives[:, some.sample, some.neuron], delay))

        row, sample, neuron = self._concerned(way, site.which, np.asarray(asked.any(axis=1)), self._may(site, way))
        self._nearest_first(_Lanes(row, row, sample, neuron, site.step), asked, found, entering)

    def _delays(self, site: Site, asked: np.ndarray, found: np.ndarray) -> None:
        """Faults that concern all neurons."""
        way = self._ways[int(site.projection or 0)]
        delay = way.projection.delay
        steps = [delay + sign for sign, there in zip(SIGNS, asked[0], strict=True) if there]
        now, later = delayed(way.arrives, delay), {step: delayed(way.arrives, step) for step in steps}
        concerned = np.any([(late != now).any(axis=0) for late in later.values()], axis=0)

        def entering(some: _Lanes) -> np.ndarray:
            change = np.empty((len(now), len(some.row)), dtype=np.int64)
            for step, late in later.items():
                at = np.flatnonzero(some.step + delay == step)
                change[:, at] = (late - now)[:, some.sample[at], some.neuron[at]]
            return self._instead(some, change)

        sample, neuron = np.nonzero(concerned)
        row = np.zeros_like(sample)
        self._nearest_first(_Lanes(row, row, sample, neuron, site.step), asked, found, entering)

    def _instead(self, some: _Lanes, change: np.ndarray) -> np.ndarray:
        return np.asarray(self.alone.entering[:, some.sample, some.neuron] + change)

    def _may(self, site: Site, way: Way | None) -> np.ndarray:
        """Where a fault of the site can make a difference at all: bool (B, size)."""
        if not known(self._population):
            return np.ones(self.alone.below.shape, dtype=bool)
        sent = 0 if way is None else int(np.abs(shifted(np.abs(way.x).max(initial=0).astype(np.int64), way.shift))) + 1
        steps, formats = len(self.alone.out), self._network.formats
        far = reach(site, self._population, formats, steps, sent, self.alone.largest)
        return np.asarray((self.alone.below < far) | (self.alone.above <= far))

    def _concerned(
        self, way: Way, weights: np.ndarray, asked: np.ndarray, may: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(row of the weight, sample, neuron) where a weight meets a number that is not 0 on its way to a neuron in
        which it may make a difference."""
        rows = np.flatnonzero(asked)
        batch, many = way.active.shape[0], way.outputs(weights[:1]).shape[1] * way.behind.shape[1]
        at_once = max(1, _NUMBERS // (batch * many))
        found = []
        for begin in range(0, len(rows), at_once):
            some = rows[begin : begin + at_once]
            to = way.outputs(weights[some])
            read = reads(way.projection.operator, weights[some][:, None], to)
            row, output, sample = np.nonzero((way.active.T[np.maximum(read, 0)]) & (read >= 0)[..., None])
            neuron = way.behind[to[row, output]]
            row, sample, neuron = (
                np.broadcast_to(values, neuron.shape)[(neuron >= 0) & may[sample[:, None], neuron]]
                for values in (some[row][:, None], sample[:, None], neuron)
            )
            if neuron.size and way.projection.maximum is not None:
                row, sample, neuron = np.unique(np.stack([row, sample, neuron]), axis=1)
            found.append((row, sample, neuron))
        empty = np.zeros(0, dtype=np.int64)
        row, sample, neuron = (np.concatenate([empty, *parts]) for parts in zip(*found, strict=True))
        return row, sample, neuron

    def _nearest_first(
        self, lanes: _Lanes, asked: np.ndarray, found: np.ndarray, entering: Callable[[_Lanes], np.ndarray]
    ) -> None:
        """Try each row's faults in a few of its neurons, then in more."""
        near = np.minimum(self.alone.below, self.alone.above)[lanes.sample, lanes.neuron]
        case = lanes.row * found.shape[2] + lanes.case(found)[1]
        order = np.lexsort((near, case))
        lanes, case = lanes.of(order), case[order]
        rank = np.arange(len(case)) - np.searchsorted(case, case)
        for first, last in itertools.pairwise((0, *_ROUNDS)):
            now = np.flatnonzero((rank >= first) & (rank < last))
            row, sample = lanes.of(now).case(found)
            place, column = np.nonzero(asked[row] & ~found[row, :, sample])
            self._try(replace(lanes.of(now[place]), column=column), found, entering)

    def _try(
        self, lanes: _Lanes, found: np.ndarray, entering: Callable[[_Lanes], np.ndarray], field: str | None = None
    ) -> None:
        """Step lanes, some at a time; ``field``: what the fault is in, where it is not in what enters."""
        at_once = max(1, _NUMBERS // len(self.alone.out))
        for begin in range(0, len(lanes.row), at_once):
            some = lanes.of(slice(begin, begin + at_once))
            some = some.of(~some.found(found))
            arriving = entering(some)
            if field is None:
                changed = (arriving != self.alone.entering[:, some.sample, some.neuron]).any(axis=0)
                some, arriving = some.of(changed), arriving[:, changed]
            population = copies(self._population, some.neuron)
            if field is not None:
                held: dict[str, Any] = {field: getattr(population, field) + some.step}
                population = replace(population, **held)
            self._step(some, arriving, population, found)

    def _step(self, lanes: _Lanes, arriving: np.ndarray, population: IntegerPopulation, found: np.ndarray) -> None:
        if not len(lanes.row):
            return
        expected = self.alone.out[:, lanes.sample, lanes.neuron]
        state = integer.start(population, 1)
        for t in range(len(expected)):
            out, state, _ = integer.step(state, arriving[t][None], population, self._network.formats)
            odd = out[0] != expected[t]
            row, sample = lanes.of(odd).case(found)
            found[row, lanes.column[odd], sample] = True
            if t % _COMPACT == _COMPACT - 1:
                left = np.flatnonzero(~lanes.found(found))
                if not len(left):
                    return
                if 4 * len(left) < 3 * len(lanes.row):
                    lanes, population = lanes.of(left), copies(population, left)
                    arriving, expected = arriving[:, left], expected[:, left]
                    state = integer.State(*(values[:, left] for values in (state.v, state.i, state.z, state.compared)))


@dataclass(frozen=True)
class _Lanes:
    """Replays side by side: the fault (its row and column in what is asked for), the sample, the neuron.

    ``size``: of the step that the fault adds or takes.
    """

    row: np.ndarray
    column: np.ndarray
    sample: np.ndarray
    neuron: np.ndarray
    size: int

    @property
    def step(self) -> np.ndarray:
        """What the fault adds."""
        return np.asarray(np.array(SIGNS)[self.column] * self.size)

    def case(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where ``found`` notes that a fault shows: row and sample, the only one where samples are not apart."""
        return self.row, self.sample if found.shape[2] > 1 else np.zeros_like(self.sample)

    def found(self, found: np.ndarray) -> np.ndarray:
        """Whose fault has shown: bool (n,)."""
        row, sample = self.case(found)
        return np.asarray(found[row, self.column, sample])

    def of(self, which: slice | np.ndarray) -> _Lanes:
        return _Lanes(self.row[which], self.column[which], self.sample[which], self.neuron[which], self.size)


def copies(population: IntegerPopulation, neurons: np.ndarray) -> IntegerPopulation:
    """Some neurons, any of them more than once."""
    size = population.size
    held: dict[str, Any] = {name: np.broadcast_to(getattr(population, name), (size,))[neurons] for name in _PER_NEURON}
    held |= {"shape": (len(neurons),), "late_bias": {}, "zeros": {}}
    return replace(population, **held)
