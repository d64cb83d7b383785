"""candidates: samples for a network's inputs, random ones and ones like those that were good, in whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.coverage.judge import taken
from nirdeploy.records.inputs import InputEncoding

#: By input, whole numbers (T, channels).
Sample = dict[str, np.ndarray]
#: By input, how much each channel is wanted (channels,).
Wanted = Mapping[str, np.ndarray]

_RATES = (0.01, 0.95)
_PROFILES = ("even", "bursts", "held")


class Candidates:
    """Draws samples of so many steps."""

    def __init__(self, network: IntegerNetwork, steps: int, rng: np.random.Generator) -> None:
        self._steps, self._rng = steps, rng
        self._shapes, self._takes = dict(network.inputs), taken(network)

    def fresh(self, wanted: Wanted) -> Sample:
        """Channels that are active at rates of their own, evenly, in bursts, or each step for a while."""
        rng, (low, high) = self._rng, _RATES
        rate = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        profile = _PROFILES[int(rng.integers(len(_PROFILES)))]
        spread = float(rng.choice([0.0, 0.5, 1.5]))
        sample = {}
        for name, shape in self._shapes.items():
            size = int(np.prod(shape))
            rates = np.minimum(rate * np.exp(spread * rng.normal(size=size)), 1.0)
            if rng.random() < 0.5 and wanted[name].any():  # more of what is still to be exercised
                rates = np.where(wanted[name] > rng.random() * wanted[name].max(), np.maximum(rates, 0.3), rates * 0.5)
            sample[name] = self._held(name, size, profile, rates)
        return sample

    def _held(self, name: str, size: int, profile: str, rates: np.ndarray) -> np.ndarray:
        rng = self._rng
        active = rng.random((self._steps, size)) < rates
        values = self._numbers(self._takes[name], (self._steps, size))
        if profile == "bursts":
            length = int(rng.integers(1, max(self._steps // 2, 2)))
            on = rng.random(-(-self._steps // length)) < 0.5
            active &= np.repeat(on, length)[: self._steps, None]
        if profile == "held":
            length = int(rng.integers(1, max(self._steps, 2)))
            at = np.arange(self._steps) // length * length
            active, values = active[at], values[at]
        return np.where(active, values, _zero(self._takes[name]))

    def _numbers(self, held: InputEncoding, shape: tuple[int, ...]) -> np.ndarray:
        """Anything an input holds but 0."""
        if held.bits == 1 and held.scale is None:
            return np.ones(shape, dtype=np.int64)
        drawn = self._rng.integers(0, held.top, shape)
        ends = self._rng.random(shape) < 0.1
        values = np.where(ends, np.where(self._rng.random(shape) < 0.5, 0, held.top), drawn)
        return np.where(values == _zero(held), held.top, values)

    def other(self, name: str, old: np.ndarray) -> np.ndarray:
        """Numbers of an input, each another than the old one."""
        top = self._takes[name].top
        return np.asarray((old + self._rng.integers(1, top + 1, old.shape)) % (top + 1))

    def like(self, parents: Sequence[Sample], wanted: Wanted) -> Sample:
        """A sample that was good, changed in one way or another."""
        rng = self._rng
        parent = parents[int(rng.integers(len(parents)))]
        how = int(rng.integers(5))
        if how == 0:  # the beginning of one, the end of another
            other = parents[int(rng.integers(len(parents)))]
            cut = int(rng.integers(self._steps))
            return {name: np.concatenate([values[:cut], other[name][cut:]]) for name, values in parent.items()}
        if how == 1:  # later or earlier
            by = int(rng.integers(1, max(self._steps, 2)))
            return {name: np.roll(values, by, axis=0) for name, values in parent.items()}
        fresh = self.fresh(wanted)
        if how == 2:  # some channels anew
            part = float(rng.choice([0.05, 0.3]))
            return {n: np.where(rng.random(v.shape[1]) < part, fresh[n], v) for n, v in parent.items()}
        part = float(rng.choice([0.001, 0.01, 0.1]))
        return {n: np.where(rng.random(v.shape) < part, fresh[n], v) for n, v in parent.items()}

    def stimulus(self, samples: Sequence[Sample]) -> Any:
        """Samples as a user gives them: (T, B, *shape) of the inputs' own numbers, by name where there are several."""
        given = {}
        for name, shape in self._shapes.items():
            held = replace(self._takes[name], border=())
            codes = np.stack([sample[name] for sample in samples], axis=1).reshape(self._steps, len(samples), *shape)
            given[name] = codes.astype(np.uint8) if held.scale is None else held.numbers(codes)
        return given if len(given) > 1 else next(iter(given.values()))


def _zero(held: InputEncoding) -> int:
    return held.zero if held.scale is not None else 0
