"""search: a stimulus that exercises what can be exercised of a network, found by the integer simulator.

Round by round samples are drawn, at random and like those that were kept, and the one in which most faults show that
have not shown yet is kept. The same seed and number of rounds give the same stimulus, however long a round takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.errors import UsageProblem
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.coverage.aim import Aim, Target
from nirdeploy.proof.coverage.candidates import Candidates, Sample
from nirdeploy.proof.coverage.faults import FIELDS, WEIGHTS
from nirdeploy.proof.coverage.judge import MOST, Ledger, run
from nirdeploy.proof.coverage.report import Coverage
from nirdeploy.proof.coverage.way import outputs, reads
from nirdeploy.sim.simulate import Quantized

_NUMBERS = 1 << 22  # of a network that a round holds at once: steps x candidates x neurons
_CANDIDATES = 32
_LITTLE = 0.2  # of what the best sample showed: where no candidate shows more, membranes are aimed at
_KEPT, _NEARLY = 4, 0.9  # samples that are kept of a round, as long as one adds such a part of what the first did
_TARGETS, _AIMED = 10, 16  # neurons that are aimed at in a round, samples that are tried for each
_TRIED = 200  # faults of a place that candidates are measured by
_STALE = 12  # rounds without anything new after which nothing more is looked for
#: Kinds of faults that show where a membrane is at its threshold.
AIMED = frozenset(FIELDS)


@dataclass(frozen=True)
class Made:
    """``x``: as simulators and devices take it. ``rounds``: that were searched; ``ended``: why no more."""

    x: Any
    coverage: Coverage
    rounds: int
    ended: str


def stimulus_for(
    built: IntegerNetwork | Quantized,
    *,
    steps: int = 64,
    samples: int = 64,
    seed: int = 0,
    cover: float = 100.0,
    rounds: int = 1000,
    seconds: float | None = None,
    bits: int | None = None,
    most: int = MOST,
    told: Callable[[int, Coverage], None] | None = None,
) -> Made:
    """Look for a stimulus of up to ``samples`` samples that exercises ``cover`` percent of the parameters.

    Args:
        rounds: the search ends after so many, ``seconds``: after the round in which so much time has passed.
        bits, most: as of :func:`nirdeploy.proof.coverage.judge.coverage`.
        told: called after each round.

    Raises:
        UsageProblem: a stimulus of no steps or samples, no round, or a seed below 0.
    """
    for name, value, least in (("steps", steps, 1), ("samples", samples, 1), ("rounds", rounds, 1), ("seed", seed, 0)):
        if value < least:
            raise UsageProblem(f"{name}={value} makes no stimulus", hint=f"give {least} at least")
    network = built if isinstance(built, IntegerNetwork) else built.network
    search = _Search(network, steps, seed, Ledger(network, [p.name for p in network.populations], most, seed, bits))
    began, done, stale, ended = time.monotonic(), 0, 0, ""
    while not ended:
        done += 1
        stale = 0 if search.round(samples - len(search.kept)) else stale + 1
        found = search.ledger.coverage()
        if told is not None:
            told(done, found)
        if search.reached(found, cover):
            ended = "what was asked for is exercised"
        elif len(search.kept) >= samples:
            ended = f"there are {samples:,} samples"
        elif stale >= _STALE:
            ended = f"nothing new in {_STALE} rounds"
        elif done >= rounds:
            ended = f"{rounds:,} rounds are over"
        elif seconds is not None and time.monotonic() - began >= seconds:
            ended = f"{seconds:g} seconds are over"
    return Made(search.stimulus(), search.ledger.coverage(), done, ended)


class _Search:
    def __init__(self, network: IntegerNetwork, steps: int, seed: int, ledger: Ledger) -> None:
        self._network, self.ledger, self.kept = network, ledger, list[Sample]()
        self._rng = np.random.default_rng(seed)
        self._candidates = Candidates(network, steps, self._rng)
        neurons = sum(p.size for p in network.populations) + sum(int(np.prod(shape)) for _, shape in network.inputs)
        self._many = max(2, min(_CANDIDATES, _NUMBERS // (steps * neurons)))
        self._aim = Aim(network, self._candidates, self._rng)
        self._last: Sample = {}
        self._most = 0.0

    def round(self, most: int) -> bool:
        """Draw candidates, keep the best, or up to so many that are about as good; False where none shows anything
        new."""
        wanted = self._wanted()
        drawn = [self._candidates.fresh(wanted) for _ in range(self._many if not self.kept else self._many // 2)]
        drawn += [self._candidates.like(self.kept, wanted) for _ in range(self._many - len(drawn))]
        signals = run(self._network, self._candidates.stimulus(drawn))
        gains = self._gains(signals)
        best, first = gains.best()
        self._last = drawn[best]
        self._most = max(self._most, first)
        if first < _LITTLE * self._most:
            sample, own, aimed = self._aimed(drawn[best], _of(signals, [best]))
            if first > 0 or aimed:
                self._keep([sample], own)
            return first > 0 or aimed
        chosen: list[int] = []
        worth = first
        while worth >= max(_NEARLY * first, 1) and len(chosen) < min(most, _KEPT):
            chosen.append(best)
            gains.take(best)
            best, worth = gains.best()
        self._keep([drawn[one] for one in chosen], _of(signals, chosen))
        return bool(chosen)

    def _keep(self, samples: list[Sample], signals: dict[str, np.ndarray]) -> None:
        self.kept += samples
        self.ledger.exercise(signals)

    def _aimed(self, sample: Sample, signals: dict[str, np.ndarray]) -> tuple[Sample, dict[str, np.ndarray], bool]:
        """The sample changed, from its beginning to its end, where that makes more show; and whether it was."""
        begin, steps, aimed = 0, len(next(iter(sample.values()))), False
        for _ in range(_TARGETS):
            target = self._target()
            if target is None or begin >= steps - 1:
                break
            tried, at = self._aim.aimed(sample, signals, target, begin, _AIMED)
            if not tried:
                continue
            ran = run(self._network, self._candidates.stimulus([sample, *tried]))
            best, _ = self._gains(ran, target).best()
            if best:
                sample, begin, aimed, signals = tried[best - 1], at + 1, True, _of(ran, [best])
        return sample, signals, aimed

    def _target(self) -> Target | None:
        """A neuron of which a fault is left that shows at its threshold, drawn from all of them."""
        every = []
        for at, those in self.ledger.open().items():
            site = self.ledger.sites[at]
            if site.population in self._aim.there and site.kind in AIMED:
                every += [(site, row, column) for row, column in np.argwhere(those)]
        if not every:
            return None
        site, row, column = every[int(self._rng.integers(len(every)))]
        above = (column == 0) == (site.kind == "threshold")  # a threshold that is higher: where the membrane is above
        return Target(site.population, int(site.which[row]), bool(above))

    def _gains(self, signals: Mapping[str, np.ndarray], target: Target | None = None) -> _Gains:
        """What each sample would add: parameters' faults, and neurons that had not fired. Some faults are tried of each
        place, and all of the target."""
        ledger = self.ledger
        asked, worth = {}, {}
        for at, those in ledger.open().items():
            site, left = ledger.sites[at], np.flatnonzero(those.any(axis=1))
            few = self._rng.permutation(left)[:_TRIED]
            asked[at] = np.zeros_like(those)
            if target is not None and target.population == site.population and site.kind in AIMED:
                few = np.union1d(few, left[site.which[left] == target.neuron])
            asked[at][few] = those[few]
            worth[at] = site.total / len(site.which) * len(left) / max(len(few), 1)
        shown = ledger.news(signals, apart=True, asked=asked)
        parts = [(worth[at], found.reshape(-1, found.shape[2])) for at, found in shown.items()]
        for name, values in signals.items():
            before = ledger.active.get(name, np.zeros(values.shape[2], dtype=bool))
            parts.append((1.0, ((values != 0).any(axis=0) & ~before).T))
        return _Gains(parts)

    def _wanted(self) -> dict[str, np.ndarray]:
        """How many weights that are not exercised each channel of an input leads to."""
        ledger, network = self.ledger, self._network
        wanted = {name: np.zeros(int(np.prod(shape))) for name, shape in network.inputs}
        for at, site in enumerate(ledger.sites):
            if site.kind != WEIGHTS or site.projection is None:
                continue
            projection = network.projections[site.projection]
            if projection.source not in wanted or projection.pool is not None:
                continue
            weights = site.which[~ledger.exercised(at)]
            channels = wanted[projection.source]
            if projection.operator.inputs == channels.size:  # not one with a border around it
                read = reads(projection.operator, weights[:, None], outputs(projection.operator, weights))
                channels += np.bincount(read[read >= 0], minlength=channels.size)
        return wanted

    def reached(self, found: Coverage, cover: float) -> bool:
        """Whether that is enough: where parameters cannot be judged, that all neurons fired."""
        if self._network.dynamics:
            return all(p.fired == p.neurons for p in found.populations)
        return found.reaches(cover)

    def stimulus(self) -> Any:
        return self._candidates.stimulus(self.kept or [self._last])


class _Gains:
    """By what is new, how much it counts, and in which samples it is there: bool (what, B)."""

    def __init__(self, parts: list[tuple[float, np.ndarray]]) -> None:
        self._parts = parts

    def best(self) -> tuple[int, float]:
        """The sample that adds most, and how much."""
        every = sum(worth * there.sum(axis=0) for worth, there in self._parts)
        best = int(np.argmax(every))
        return best, float(np.asarray(every)[best])

    def take(self, sample: int) -> None:
        """What that sample adds is new no more."""
        self._parts = [(worth, there & ~there[:, [sample]]) for worth, there in self._parts]


def _of(signals: Mapping[str, np.ndarray], samples: list[int]) -> dict[str, np.ndarray]:
    return {name: values[:, samples] for name, values in signals.items()}
