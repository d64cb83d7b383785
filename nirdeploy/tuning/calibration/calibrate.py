"""calibrate: a checked graph whose weights, biases and thresholds are those that lose least once they are integers.

The product is a graph again. Its weights lie on grids, which rounding keeps exactly (:mod:`nirdeploy.integers.grid`):
what was chosen on the samples is what every target's integers hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from nirdeploy.errors import CorruptFile, DoesNotFit
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.processes import progress
from nirdeploy.records import store
from nirdeploy.records.brief import brief
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics import neuron
from nirdeploy.targets import losses, registry
from nirdeploy.targets.fit import refuse
from nirdeploy.targets.fitting import rounded
from nirdeploy.targets.tables import Target
from nirdeploy.tuning.calibration import arriving
from nirdeploy.tuning.calibration.population import Way, on_grid, with_threshold
from nirdeploy.tuning.calibration.task import Loss, Task

#: What is tried of every population, in this order; of equal losses the first is taken.
WAYS = (
    Way(clipping=False, adaptive=False, correcting=True),
    Way(clipping=True, adaptive=False, correcting=False),
    Way(clipping=True, adaptive=False, correcting=True),
    Way(clipping=True, adaptive=True, correcting=False),
    Way(clipping=True, adaptive=True, correcting=True),
)
#: Factors that are tried of every threshold; each that helps is gone on with.
THRESHOLDS = (0.97, 1.03)
_ROUNDS = 3  # of thresholds


@dataclass(frozen=True)
class Row:
    """Of one population: its bits, how its weights were put on their grid, and what its threshold was moved by."""

    population: str
    weight_bits: int
    weights: str
    threshold: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """``graph``: what is rounded in the place of the one that was calibrated, whose digest is ``source``.

    ``before`` and ``after``: what the integers of either lose on the samples. ``samples``: how many they were;
    ``labelled``: whether their classes were known.
    """

    FILE: ClassVar[str] = "calibration.npz"  # in a build's folder

    graph: CheckedGraph
    source: str
    samples: int
    labelled: bool
    before: Loss
    after: Loss
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return brief(self, str(self))

    def __str__(self) -> str:
        """What it was worth, in one sentence."""
        before, after = self.before, self.after
        wrong = f"{before.wrong} wrong became {after.wrong}, " if self.labelled else ""
        return f"calibrated on {self.samples} samples: {wrong}the loss of {before.value:.4g} became {after.value:.4g}"

    def as_dict(self) -> dict[str, Any]:
        """All but the graph."""
        told = {name: getattr(self, name) for name in ("source", "samples", "labelled")}
        before, after = asdict(self.before), asdict(self.after)
        return {**told, "before": before, "after": after, "rows": [row.as_dict() for row in self.rows]}

    def digest(self) -> str:
        """SHA-256 (hex) of everything that decides the integers."""
        return self.graph.digest()

    def save(self, path: Path) -> None:
        meta, arrays = self.graph.parts()
        store.write_atomic(path, store.pack({"graph": meta, **self.as_dict()}, arrays))

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Raises :class:`CorruptFile` if the file is not a saved Calibration."""
        meta, arrays = store.load(path)
        try:
            return cls(
                graph=CheckedGraph.of_parts(meta["graph"], arrays, where=str(path)),
                source=meta["source"],
                samples=meta["samples"],
                labelled=meta["labelled"],
                before=Loss(**meta["before"]),
                after=Loss(**meta["after"]),
                rows=tuple(Row(**row) for row in meta["rows"]),
            )
        except (KeyError, TypeError) as error:
            raise CorruptFile(f"not a calibration ({error})", where=str(path), hint="build it again") from error


def calibrated(graph: CheckedGraph, target: Target, task: Task) -> Calibration:
    """Choose, population after population, what loses least on the samples of ``task``.

    On them the integers of the result lose no more than those of the graph as it is: neither more samples are wrong
    (where there are labels) nor is the loss higher. The same samples give the same result.

    Raises:
        DoesNotFit: what keeps the graph from the target. InputShapeError, UsageProblem: the samples.
    """
    search = _Search(graph, target, task)
    for name in progress.each("choosing weights, populations", search.names):
        search.weights(name)
    for _ in range(_ROUNDS):
        moved = [search.threshold(name) for name in progress.each("choosing thresholds, populations", search.names)]
        if not any(moved):
            break
    return search.result()


@dataclass(frozen=True, eq=False)
class _Found:
    """A graph, its integers, what they do on the samples and lose there; how each population's weights came on their
    grid, and by what its threshold was moved."""

    graph: CheckedGraph
    network: IntegerNetwork
    record: SpikeRecord
    loss: Loss
    ways: Mapping[str, str]
    factors: Mapping[str, float]


class _Search:
    """The best graph so far; each step tries others, and takes the one that loses least."""

    def __init__(self, graph: CheckedGraph, target: Target, task: Task) -> None:
        self._target, self._task, self._source = target, task, graph
        self.names = [p.name for p in graph.populations if p.model != "Input"]
        names = self.names
        self._before = self._best = self._of(graph, dict.fromkeys(names, "to nearest"), dict.fromkeys(names, 1.0))
        self._never_worse = self._before  # in neither of what a loss says
        chosen = registry.backend_of(target)
        self._together = (False, True) if chosen.dynamics is not None else (False,)
        self._bits = {name: self._before.network.weight_bits(name) for name in self.names}

    def _of(self, graph: CheckedGraph, ways: Mapping[str, str], factors: Mapping[str, float]) -> _Found:
        network = rounded(graph, self._target)
        refuse(losses.problems(graph, network), self._target.name)
        record = self._task.record(network)
        return _Found(graph, network, record, self._task.lost(record), ways, factors)

    def _try(self, graph: CheckedGraph, way: Mapping[str, str], factor: Mapping[str, float]) -> bool:
        """Take a graph, if the target holds it and it loses less than the best so far."""
        best = self._best
        try:
            found = self._of(graph, {**best.ways, **way}, {**best.factors, **factor})
        except DoesNotFit:
            return False
        if not found.loss.value < best.loss.value:
            return False
        self._best = found
        if found.loss.wrong <= self._before.loss.wrong and found.loss.value <= self._never_worse.loss.value:
            self._never_worse = found
        return True

    def weights(self, name: str) -> None:
        """Put the weights into a population on their grid."""
        now = arriving.sent(self._source, self._best.record, self._task.x)
        start = self._best.graph
        for way in (replace(way, together=together) for together in self._together for way in WAYS):
            made = on_grid(start, name, self._bits[name], way, self._task.sent, now)
            if made is not start:
                self._try(made, {name: str(way)}, {})

    def threshold(self, name: str) -> bool:
        """Move the threshold of a population, if that helps; not of logic, whose sums are few whole numbers."""
        if self._source.population(name).model not in neuron.RESETS:
            return False
        for factor in THRESHOLDS:
            moved = with_threshold(self._best.graph, name, factor)
            if self._try(moved, {}, {name: self._best.factors[name] * factor}):
                return True
        return False

    def result(self) -> Calibration:
        found = self._never_worse
        rows = [Row(name, self._bits[name], found.ways[name], found.factors[name]) for name in self.names]
        return Calibration(
            graph=found.graph,
            source=self._source.digest(),
            samples=self._task.exact.samples,
            labelled=self._task.labels is not None,
            before=self._before.loss,
            after=found.loss,
            rows=tuple(rows),
        )
