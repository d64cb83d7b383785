"""judge: what a stimulus exercised of a network in integers.

A parameter is exercised where every fault of one step in it, up and down, changes a spike or a read-out's value of a
population that is compared. Where a place holds very many parameters, some are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerPopulation
from nirdeploy.processes import progress
from nirdeploy.proof.coverage.faults import WEIGHTS, Site, sites
from nirdeploy.proof.coverage.replay import Replay
from nirdeploy.proof.coverage.report import Coverage, InputCoverage, Part, PopulationCoverage
from nirdeploy.proof.coverage.way import outputs, reads
from nirdeploy.records import inputs
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.records.spikes import SpikeRecord, select
from nirdeploy.sim.simulate import Quantized, simulate

MOST = 2000  # parameters of a place that are judged
_NUMBERS = 1 << 23  # of a population that are held at once: steps x samples x neurons

DEAD, SOURCE = "behind weights that are all 0", "whose source never sent anything"
SILENT, FAR = "of neurons that never fired", "by which no fault of one step reached a spike"


def coverage(
    built: IntegerNetwork | Quantized,
    x: Any,
    probe: str | Sequence[str] = "all",
    *,
    most: int = MOST,
    seed: int = 0,
    bits: int | None = None,
    numbers: int | None = None,
    record: SpikeRecord | None = None,
) -> Coverage:
    """What ``x`` (T, B, *input shape) exercised.

    Args:
        built: a network in integers, or what holds one, such as a Build.
        probe: the populations that are compared: "all", "outputs" or names; what no comparison sees is not exercised.
        most: so many parameters of a place are judged, drawn with ``seed`` where there are more.
        bits: a fault is a step of a number of so many bits that holds the largest of its place (the population's
            membrane parameters are one); by default of the integers as they are, of which those of membranes are much
            finer than those of weights.
        numbers: only the first samples are looked at, of so many steps x samples x neurons.
        record: the integer simulator's of all populations on ``x``, if it is there already.

    Raises:
        InputShapeError: the stimulus is not what the inputs take. UnknownPopulation: the probe.
    """
    network = built if isinstance(built, IntegerNetwork) else built.network
    signals = run(network, x, record)
    compared = select(probe, [p.name for p in network.populations], network.outputs)
    ledger = Ledger(network, compared, most, seed, bits)
    steps, batch = next(iter(signals.values())).shape[:2]
    looked = batch if numbers is None else first_samples(network, steps, batch, numbers)
    ledger.exercise({name: values[:, :looked] for name, values in signals.items()})
    return replace(ledger.coverage(), given=batch)


def first_samples(network: IntegerNetwork, steps: int, samples: int, numbers: int) -> int:
    """How many samples are of so many steps x samples x neurons, inputs among these: one at least."""
    held = taken(network)
    neurons = sum(int(np.prod(held[name].sent(shape))) for name, shape in network.inputs)
    neurons += sum(p.size for p in network.populations)
    return min(samples, max(1, numbers // (steps * neurons)))


def run(network: IntegerNetwork, x: Any, record: SpikeRecord | None = None) -> dict[str, np.ndarray]:
    """What inputs and populations sent: (T, B, size), whole numbers."""
    if record is None or not {*record.spikes, *record.membrane} >= {p.name for p in network.populations}:
        record = simulate(network, x)
    held = inputs.stimulus(x, network.inputs, network.takes, ranged=not network.dynamics)
    held |= {name: values.astype(np.int64) for name, values in record.membrane.items()}
    held |= dict(record.spikes)
    return {name: values.reshape(*values.shape[:2], -1) for name, values in held.items()}


class Ledger:
    """Which faults of a network have shown so far, and what its neurons have done, over all runs."""

    def __init__(
        self,
        network: IntegerNetwork,
        compared: Sequence[str],
        most: int = MOST,
        seed: int = 0,
        bits: int | None = None,
    ) -> None:
        self.network, self.compared, names = network, list(compared), [p.name for p in network.populations]
        self.sites = [] if network.dynamics else sites(network, names, most, seed, bits)
        self.shown = [np.zeros_like(site.possible) for site in self.sites]
        self.steps = self.samples = 0
        self.spikes = {p.name: np.zeros(p.size, dtype=np.int64) for p in network.populations}
        self.saturated = {p.name: np.zeros(p.size, dtype=bool) for p in network.populations}
        self.active: dict[str, np.ndarray] = {}
        self.codes: dict[str, np.ndarray] = {}

    def exercise(self, signals: Mapping[str, np.ndarray]) -> int:
        """Take a run into account: so many faults show in it that had not shown before."""
        steps, batch = next(iter(signals.values())).shape[:2]
        self.steps, self.samples = steps, self.samples + batch
        for name, values in signals.items():
            self.active[name] = self.active.get(name, False) | (values != 0).any(axis=(0, 1))
        for name, _ in self.network.inputs:
            seen = np.unique(signals[name])
            self.codes[name] = np.union1d(self.codes.get(name, seen), seen)
        for population in self.network.populations:
            if population.spiking:
                self.spikes[population.name] += signals[population.name].sum(axis=(0, 1), dtype=np.int64)
        if self.network.dynamics:
            return 0
        found, largest = 0, max(values.shape[2] for values in signals.values())
        most, many, begin = max(1, _NUMBERS // (steps * largest)), 1, 0
        while begin < batch:  # a few samples first: what they show need not be tried in the others
            progress.tell("samples", begin, batch)
            many = min(most, many)
            some = {name: values[:, begin : begin + many] for name, values in signals.items()}
            begin, many = begin + many, 2 * many
            for at, new in self.news(some, note=True).items():
                self.shown[at] |= new[..., 0]
                found += int(new.sum())
        return found

    def state(self) -> dict[str, np.ndarray]:
        """All that was found, as arrays; :meth:`absorb` takes it."""
        of = {"spikes": self.spikes, "saturated": self.saturated, "active": self.active, "codes": self.codes}
        found = {f"{kind}/{name}": values for kind, own in of.items() for name, values in own.items()}
        shown = {f"shown/{at}": values for at, values in enumerate(self.shown)}
        return {**found, **shown, "run": np.array([self.steps, self.samples])}

    def absorb(self, state: Mapping[str, np.ndarray]) -> None:
        """Take into account what another ledger of the same faults has found."""
        self.steps, self.samples = int(state["run"][0]), self.samples + int(state["run"][1])
        for key, values in state.items():
            kind, _, name = key.partition("/")
            if kind == "shown":
                self.shown[int(name)] |= values
            elif kind == "spikes":
                self.spikes[name] += values
            elif kind == "saturated":
                self.saturated[name] |= values
            elif kind == "active":
                self.active[name] = self.active.get(name, False) | values
            elif kind == "codes":
                self.codes[name] = np.union1d(self.codes.get(name, values), values)

    def news(
        self,
        signals: Mapping[str, np.ndarray],
        *,
        note: bool = False,
        apart: bool = False,
        asked: Mapping[int, np.ndarray] | None = None,
    ) -> dict[int, np.ndarray]:
        """By the place of their site, the faults that show in a run and had not shown: bool (n, 2, 1), or (n, 2, B) of
        its samples apart. ``note``: what saturated, too. ``asked``: those that are tried, bool (n, 2); by default all.
        """
        asked = self.open() if asked is None else asked
        found = {}
        for population in self.network.populations:
            name = population.name
            here = [at for at, site in enumerate(self.sites) if site.population == name]
            wanted = {at: asked[at] for at in here if at in asked and asked[at].any()}
            if not note and not wanted:
                continue
            replay = Replay(self.network, name, signals)
            if note:
                self.saturated[name] |= replay.alone.saturated
            for at, those in wanted.items():
                found[at] = replay.shown(self.sites[at], those, apart=apart)
        return found

    def open(self) -> dict[int, np.ndarray]:
        """By the place of their site, the faults that have not shown: bool (n, 2)."""
        every = zip(self.sites, self.shown, strict=True)
        return {at: s.possible & ~shown for at, (s, shown) in enumerate(every) if s.population in self.compared}

    def exercised(self, at: int) -> np.ndarray:
        """Of a site, which parameters: all faults that there are have shown, bool (n,)."""
        site = self.sites[at]
        return np.asarray(site.possible.any(axis=1) & (self.shown[at] | ~site.possible).all(axis=1))

    def coverage(self) -> Coverage:
        held = taken(self.network)
        sources = tuple(
            InputCoverage(
                name=name,
                channels=int(np.prod(held[name].sent(shape))),
                active=int(self.active[name].sum()),
                codes=len(self.codes[name]),
                possible=held[name].top + 1,
            )
            for name, shape in self.network.inputs
        )
        populations = tuple(self._population(p.name) for p in self.network.populations)
        return Coverage(self.steps, self.samples, sources, populations)

    def _population(self, name: str) -> PopulationCoverage:
        population = self.network.population(name)
        known = isinstance(population, IntegerPopulation)
        spikes, why = int(self.spikes[name].sum()), ""
        if not known:
            why = "neurons of the target's own"
        elif name not in self.compared:
            why = "not compared"
        parts = [self._part(at) for at, site in enumerate(self.sites) if site.population == name]
        return PopulationCoverage(
            population=name,
            neurons=population.size,
            fired=int(self.active[name].sum()),
            spikes=spikes,
            resets=(0 if population.reset == "none" else spikes) if known else None,
            saturated=int(self.saturated[name].sum()) if known else None,
            parts=tuple(parts),
            why=why,
            spiking=population.spiking,
        )

    def _part(self, at: int) -> Part:
        site, exercised = self.sites[at], self.exercised(at)
        judged = len(site.which) if site.population in self.compared else 0
        source = "" if site.projection is None else self.network.projections[site.projection].source
        left: dict[str, int] = {}
        for why in self._reasons(site)[~exercised] if judged else ():
            left[str(why)] = left.get(str(why), 0) + 1
        return Part(site.kind, site.total, judged, int(exercised.sum()), source, left)

    def _reasons(self, site: Site) -> np.ndarray:
        """Why each parameter of a site may not be exercised: str (n,)."""
        name = site.population
        silent = ~self.active[name]
        dead = silent & ~reached(self.network, name)
        if site.projection is None:
            return np.where(dead[site.which], DEAD, np.where(silent[site.which], SILENT, FAR))
        projection = self.network.projections[site.projection]
        active = self.active[projection.source]
        if site.kind != WEIGHTS:
            return np.full(1, FAR if active.any() else SOURCE)
        if projection.pool is not None:
            active = projection.pool.apply(active.astype(np.float64)) > 0
        to = outputs(projection.operator, site.which)
        read = reads(projection.operator, site.which[:, None], to)
        sends = ((read >= 0) & active[np.maximum(read, 0)]).any(axis=1)
        if projection.maximum is not None:
            return np.where(sends, FAR, SOURCE)
        return np.where(sends, np.where(silent[to].all(axis=1), SILENT, FAR), SOURCE)


def taken(network: IntegerNetwork) -> dict[str, InputEncoding]:
    """What each input was built for; where a chip's own neurons step the network, events of so many bits."""
    plain = InputEncoding(network.input_bits)
    return {name: network.encodings.get(name, plain) for name, _ in network.inputs}


def reached(network: IntegerNetwork, name: str) -> np.ndarray:
    """Which neurons of a population any weight that is not 0 leads to: bool (size,)."""
    found = np.zeros(network.population(name).size, dtype=bool)
    for projection in network.into(name):
        ones = np.ones(projection.operator.inputs)
        many = projection.connected.apply(ones)
        found |= (many if projection.maximum is None else projection.maximum.apply(many)) > 0
    return found
