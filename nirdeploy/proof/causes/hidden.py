"""hidden: faults in populations that are not recorded, by what they do to those that are.

A fault of one neuron changes what that neuron sends, and nothing else before the next population. So neurons are found
first, by coarse changes of each; then the numbers of those that bring the record nearest are searched more finely.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.causes.clamped import Clamped, Lanes
from nirdeploy.proof.causes.downstream import Downstream
from nirdeploy.proof.causes.fault import Fault, set_to
from nirdeploy.proof.causes.hypothesis import Hypothesis, index, likeliest, named, share, span_text
from nirdeploy.proof.causes.parameters import OF_KIND, number_limits
from nirdeploy.proof.causes.weights import read_by, with_weight
from nirdeploy.proof.coverage.faults import DECAYS, FIELDS, kinds
from nirdeploy.proof.coverage.way import delayed

_NEURONS = 512  # of a population that are tried at most
_NEAR = 3  # neurons whose weights are tried
_WEIGHTS = 4000  # changes of weights that are tried of a small population
_FINER = 30  # numbers that are searched more finely
_LANES = 1 << 16  # hypotheses x samples that are stepped at once
_SLOW = 600  # faults of populations on cycles that are tried

STUCK = "spikes"


@dataclass(frozen=True)
class Where:
    """A number of one neuron: of a ``kind``, or a weight (its flat index) of the projection ``at``; or its spikes."""

    kind: str
    neuron: int
    at: int = -1
    flat: int = -1


Tried = tuple[Where, int]  # and what it is more; of spikes, what they are stuck at


class Hidden:
    """``stimulus``: of the samples that are tried; ``clamped``: the population, as it should be."""

    def __init__(
        self,
        network: IntegerNetwork,
        name: str,
        signals: Mapping[str, np.ndarray],
        device: Mapping[str, np.ndarray],
    ) -> None:
        self.network, self.clamped = network, Clamped(network, name, signals)
        self.down = Downstream(network, name, signals, device)
        self.stimulus = {one: signals[one] for one, _ in network.inputs}
        self.samples = self.clamped.device.shape[1]
        self.cut = False

    def one_neuron(self) -> Iterator[Hypothesis]:
        """Faults of one neuron that explain every cell of the samples that are tried."""
        population = self.clamped.population
        left: dict[Tried, float] = {}
        neurons = list(range(min(population.size, _NEURONS)))
        self.cut |= population.size > _NEURONS
        coarse = [tried for neuron in neurons for tried in self._coarse(neuron)]
        left |= self._left(coarse)
        best = {neuron: min(left[t] for t in left if t[0].neuron == neuron) for neuron in neurons if left}
        many = max(
            _NEAR, _WEIGHTS // (1 + sum(10 * way.projection.operator.inputs for way in self.clamped.ways.values()))
        )
        near = sorted(best, key=lambda neuron: best[neuron])[:many]
        left |= self._left([tried for neuron in near for tried in self._weights(neuron)])
        for _ in range(3):
            more = [t for where in self._nearest(left) for t in self._finer(where, left) if t not in left]
            left |= self._left(more)
        exact: dict[Where, list[int]] = {}
        for (where, change), cells in left.items():
            if cells == 0:
                exact.setdefault(where, []).append(change)
        for where, changes in exact.items():
            yield self._said(where, np.array(sorted(changes)))

    def _coarse(self, neuron: int) -> Iterator[Tried]:
        """Spikes stuck, and every number of a neuron by powers of two more and less."""
        population = self.clamped.population
        if population.spiking:
            yield from ((Where(STUCK, neuron), at) for at in (0, 1))
        for kind in kinds(population, self.network.formats):
            where = Where(kind, neuron)
            now, least, most = self._now(where)
            bits = (most - least).bit_length()
            first = 0 if kind in DECAYS or self.down.closed else max(0, bits - 20)
            for bit, sign in itertools.product(range(first, bits), (1, -1)):
                if least <= now + sign * (1 << bit) <= most:
                    yield where, sign * (1 << bit)

    def _weights(self, neuron: int) -> Iterator[Tried]:
        """Weights of a neuron: every bit of each, 0, and the other sign."""
        for at, way in self.clamped.ways.items():
            if way.projection.maximum is not None:
                continue
            bits = self.network.weight_bits(self.clamped.name)
            flats, read = read_by(way, neuron)
            for flat in flats[(read >= 0) & way.active.any(axis=0)[np.maximum(read, 0)]].tolist():
                where = Where("weight", neuron, at, flat)
                now, least, most = self._now(where)
                changes = {sign * (1 << bit) for bit in range(bits) for sign in (1, -1)} | {-now, -2 * now}
                yield from ((where, change) for change in sorted(changes - {0}) if least <= now + change <= most)

    def _now(self, where: Where) -> tuple[int, int, int]:
        """A number as it is, the least and the largest that it may be."""
        if where.at >= 0:
            top = (1 << self.network.weight_bits(self.clamped.name) - 1) - 1
            return int(self.clamped.ways[where.at].projection.weight.flat[where.flat]), -top - 1, top
        values = np.broadcast_to(getattr(self.clamped.population, FIELDS[where.kind]), (self.clamped.population.size,))
        return int(values[where.neuron]), *number_limits(self.clamped, where.kind)

    def _nearest(self, left: Mapping[Tried, float]) -> list[Where]:
        found: dict[Where, float] = {}
        for (where, _), cells in left.items():
            if where.kind != STUCK:
                found[where] = min(cells, found.get(where, cells))
        return sorted(found, key=lambda where: found[where])[:_FINER]

    def _finer(self, where: Where, left: Mapping[Tried, float]) -> Iterator[Tried]:
        """Between the numbers beside the best."""
        known = sorted([(change, cells) for (at, change), cells in left.items() if at == where] + [(0, np.inf)])
        least = min(cells for _, cells in known)
        places = [place for place, (_, cells) in enumerate(known) if cells == least]
        low = known[max(places[0] - 1, 0)][0]
        high = known[min(places[-1] + 1, len(known) - 1)][0]
        now, bottom, top = self._now(where)
        spread = np.unique(np.linspace(max(low, bottom - now), min(high, top - now), 26).astype(np.int64))
        yield from ((where, int(change)) for change in spread if change)

    def _left(self, tried: list[Tried]) -> dict[Tried, float]:
        """How far the record is from each."""
        found: dict[Tried, float] = {}
        if self.down.closed:
            self.cut |= len(tried) > _SLOW
            step = -(-len(tried) // _SLOW) or 1
            return {one: self.down.of_fault(self._fault(*one), self.stimulus) for one in tried[::step]}
        many = max(1, _LANES // self.samples)
        for begin in range(0, len(tried), many):
            some = tried[begin : begin + many]
            found |= dict(zip(some, self._stepped(some).tolist(), strict=True))
        return found

    def _stepped(self, tried: list[Tried]) -> np.ndarray:
        """The same, of neurons that do not see what they do themselves: stepped alone, what is equal once."""
        clamped, many = self.clamped, len(tried)
        neuron = np.repeat([where.neuron for where, _ in tried], self.samples)
        change = np.repeat(np.array([change for _, change in tried], dtype=np.int64), self.samples)
        lanes = Lanes(np.repeat(np.arange(many), self.samples), np.tile(np.arange(self.samples), many), neuron)
        arriving = clamped.alone.entering[:, lanes.sample, neuron]
        fields: dict[str, np.ndarray] = {}
        kind = np.repeat([where.kind for where, _ in tried], self.samples)
        for field in {where.kind for where, _ in tried} - {STUCK, "weight"}:
            held = np.broadcast_to(getattr(clamped.population, FIELDS[field]), (clamped.population.size,))
            fields[FIELDS[field]] = held[neuron] + np.where(kind == field, change, 0)
        for at, way in clamped.ways.items():
            own = np.flatnonzero(np.repeat([where.at == at for where, _ in tried], self.samples))
            if len(own):
                flat = np.repeat([where.flat for where, _ in tried], self.samples)[own]
                faulty = way.arriving(flat, change[own], lanes.sample[own], neuron[own])
                more = faulty - way.arrives[:, lanes.sample[own], neuron[own]]
                arriving[:, own] += delayed(more, way.projection.delay)
        trains = clamped.trains(lanes, arriving, fields)
        stuck = kind == STUCK
        trains[:, stuck] = change[stuck]
        whole = trains.reshape(len(trains), many, self.samples).transpose(1, 0, 2).reshape(many, -1)
        keyed = np.concatenate([neuron[:: self.samples, None], whole], axis=1)
        _, first, same = np.unique(keyed, axis=0, return_index=True, return_inverse=True)
        picked = np.flatnonzero(np.isin(lanes.hypothesis, first))
        again = np.searchsorted(np.sort(first), lanes.hypothesis[picked])
        some = Lanes(again, lanes.sample[picked], lanes.neuron[picked])
        left = self.down.apart(trains[:, picked], some, len(first), self.samples)
        return np.asarray(left[np.argsort(np.argsort(first))][same.ravel()])

    def _fault(self, where: Where, change: int) -> Fault:
        network, name = self.network, self.clamped.name
        if where.kind == STUCK:
            return Fault(network, sent={name: set_to(np.array([where.neuron]), change)})
        if where.at >= 0:
            return Fault(with_weight(network, where.at, {where.flat: self._now(where)[0] + change}))
        old = self.clamped.population
        values = np.broadcast_to(getattr(old, FIELDS[where.kind]), (old.size,)).copy()
        values[where.neuron] += change
        changed: dict[str, Any] = {FIELDS[where.kind]: values}
        new = replace(old, **changed)
        return Fault(replace(network, populations=tuple(new if p.name == name else p for p in network.populations)))

    def _said(self, where: Where, changes: np.ndarray) -> Hypothesis:
        population, name = self.clamped.population, self.clamped.name
        at = index(where.neuron, population.shape)
        if where.kind == STUCK:
            text = f"the spikes of neuron {named(at)} of {name!r} are stuck at {changes[0]}"
            mass = 0.25 / population.size / 2
            return Hypothesis("stuck bit", name, text, self._fault(where, int(changes[0])), mass, place=at)
        now, least, most = self._now(where)
        change, source = likeliest(changes, now, most - least), ""
        others = now + int(changes[0]), now + int(changes[-1])
        mass, what = share(changes, now, most - least), f"the {where.kind} of neuron {named(at)} of {name!r}"
        if where.at >= 0:
            projection = self.network.projections[where.at]
            at, source = index(where.flat, projection.weight.shape), projection.source
            what = f"one weight from {source!r} to {name!r}: {named(at)}"
            mass /= projection.weight.size * len(self.clamped.ways)
        else:
            mass *= 0.8 / population.size
        said = f"{what} is {now + change:,} on the device where it should be {now:,}{span_text(others)}"
        kind = OF_KIND.get(where.kind, where.kind)
        fault = self._fault(where, change)
        return Hypothesis(kind, name, said, fault, mass, 0, source, at, now, now + change, others)
