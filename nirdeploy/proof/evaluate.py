"""evaluate: what a record says of a task: the class that is read out of each sample, and what finding it took."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError, UnknownPopulation, UsageProblem, meant
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.proof.energy.events import operations
from nirdeploy.records.brief import brief
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.tally import Tally


def _by_first_spike(spikes: np.ndarray) -> np.ndarray:
    """Who spiked first is above the others, who has not spiked yet below all."""
    steps = np.arange(len(spikes))[:, None, None]
    first = np.where(spikes.any(axis=0), (spikes > 0).argmax(axis=0), len(spikes))
    return np.where(steps >= first, -first.astype(np.float64), -np.inf)


#: Scores (T, B, classes) after each step, of spike counts or membranes (T, B, classes): the largest is the class.
_OF_SPIKES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "count": lambda spikes: np.cumsum(spikes, axis=0, dtype=np.float64),
    "first": _by_first_spike,
}
_OF_MEMBRANES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sum": lambda v: np.cumsum(v, axis=0),
    "last": lambda v: v,
    "largest": lambda v: np.maximum.accumulate(v, axis=0),
}
#: How a class is read: by most spikes, first spike, largest sum of membranes, last or largest membrane.
READERS = (*_OF_SPIKES, *_OF_MEMBRANES)
_NUMBER = "a label is the number of a neuron of the output, from 0"


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """A record against labels.

    ``labels``: int (B,). ``scores``: float64 (T, B, classes), after each step; of a tally (``whole``) one, after all;
    of parts that were joined none. ``decisions``: the class after each step, (T, B); of equal scores the first.
    ``ranks``: how many classes are before the label in the end, (B,); of equal scores the first classes are before.
    ``decided``: whether the last scores of a sample differ at all, bool (B,). ``spikes``: of each population, per
    sample. ``operations``: weights taken for a spike (or number) that arrived, per sample; None where no network was
    given.
    """

    source: str
    output: str
    reader: str
    labels: np.ndarray
    scores: np.ndarray
    decisions: np.ndarray
    ranks: np.ndarray
    decided: np.ndarray
    spikes: Mapping[str, float] = field(default_factory=dict)
    operations: float | None = None
    whole: bool = False

    def __repr__(self) -> str:
        low, high = self.interval
        read = f"{self.reader} of {self.output}, {len(self.labels):,} samples"
        return brief(
            self, f"{self.source}: accuracy {100 * self.accuracy:.2f} % ({100 * low:.2f} to {100 * high:.2f}), {read}"
        )

    @property
    def classes(self) -> int:
        return int(self.scores.shape[2])

    @property
    def accuracy(self) -> float:
        return self.top(1)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy lies with 95 % confidence (Wilson's score interval, 1927)."""
        n, z = len(self.labels), 1.959964
        middle = (self.accuracy + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.accuracy * (1 - self.accuracy) / n + z * z / (4 * n * n))
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def top(self, k: int) -> float:
        """How often the label is among the ``k`` largest scores; of equal scores the first classes are larger."""
        return float((self.ranks < k).mean())

    @property
    def undecided(self) -> int:
        """Samples that decide nothing: all classes' last scores are equal, and class 0 is read."""
        return int(np.count_nonzero(~self.decided))

    @property
    def vacuous(self) -> bool:
        """No sample decides anything: the accuracy is how many labels are 0."""
        return not self.decided.any()

    @property
    def doubt(self) -> str:
        """That samples decide nothing, in a sentence; nothing where all of them do."""
        if not self.undecided:
            return ""
        many = f"{self.undecided:,} of {len(self.labels):,} samples decide nothing"
        text = f"{many}: all classes of {self.output!r} come to the same by {self.reader!r}, and class 0 is read"
        return f"{text}; the accuracy only says how many labels are 0" if self.vacuous else text

    @property
    def over_steps(self) -> np.ndarray:
        """The accuracy after each step: float64 (T,)."""
        return np.asarray((self.decisions == self.labels).mean(axis=1))

    @property
    def steps_needed(self) -> int | None:
        """After how many steps no later decision is better or worse, by half a point and more, than the last; None of a
        tally, which does not tell."""
        if self.whole:
            return None
        away = np.flatnonzero(np.abs(self.over_steps - self.over_steps[-1]) >= 0.005)
        return int(away[-1]) + 2 if len(away) else 1

    @property
    def confusion(self) -> np.ndarray:
        """int64 (classes, classes): samples of each label (row), by what was read (column)."""
        found = np.zeros((self.classes, self.classes), dtype=np.int64)
        np.add.at(found, (self.labels, self.decisions[-1]), 1)
        return found

    @property
    def per_class(self) -> np.ndarray:
        """The accuracy on the samples of each label: float64 (classes,); NaN where there is none."""
        total = self.confusion.sum(axis=1)
        return np.where(total > 0, self.confusion.diagonal() / np.maximum(total, 1), np.nan)

    def as_dict(self, top: int = 1) -> dict[str, Any]:
        return {
            "source": self.source,
            "output": self.output,
            "reader": self.reader,
            "samples": len(self.labels),
            "undecided": self.undecided,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            **({f"top{top}": self.top(top)} if top > 1 else {}),
            "over_steps": self.over_steps.tolist(),
            "steps_needed": self.steps_needed,
            "per_class": self.per_class.tolist(),
            "confusion": self.confusion.tolist(),
            "spikes_per_sample": dict(self.spikes),
            "operations_per_sample": self.operations,
        }


def evaluate(
    record: SpikeRecord | Tally,
    labels: np.ndarray,
    reader: str | None = None,
    output: str | None = None,
    network: IntegerNetwork | None = None,
    x: Any = None,
) -> Evaluation:
    """Read the class of each sample, and compare it with the label.

    Args:
        labels: int (B,), numbers of neurons of the output.
        reader: one of :data:`READERS`; else by spike count, or by the sum of membranes where the output has no spikes.
        output: population or Output name; by default the graph's first output.
        network, x: what was run on which stimulus (T, B, ...), for the synaptic operations that it took; a tally does
            not tell them.

    Raises:
        UsageProblem: no such reader, the record does not hold what it reads, or names no output.
        InputShapeError: labels that are none, no samples, or what is read is no finite number. UnknownPopulation: no
            such output.
    """
    name = _read(record, output)
    if isinstance(record, Tally):
        return _of_tally(record, labels, reader, name)
    if name not in record.spikes and name not in record.membrane:
        raise UnknownPopulation(
            f"the record holds no population {name!r}", hint=meant(name, [*record.spikes, *record.membrane], "it holds")
        )
    labels = class_numbers(labels, record.samples, record.steps)
    aligned = record.aligned()
    if not (labels.size and aligned.steps):
        raise InputShapeError(
            "there is nothing to read: the record has no samples or no steps",
            hint="run a stimulus of at least one sample and one step",
        )
    chosen = reader or ("count" if name in record.spikes else "sum")
    scores = _scores(aligned, name, chosen)
    _check_classes(labels, scores, name)
    spikes = {population: float(values.sum()) / len(labels) for population, values in record.spikes.items()}
    took = None if network is None else operations(network, record, x) / len(labels)
    read = (scores.argmax(axis=2), _ranks(scores[-1], labels), _decided(scores[-1]))
    return Evaluation(record.source, name, chosen, labels, scores, *read, spikes, took)


def _read(record: SpikeRecord | Tally, output: str | None) -> str:
    """The population to read: of that name, of the Output of that name, or of the first Output."""
    if not output and not record.outputs:
        held = record.populations if isinstance(record, Tally) else [*record.spikes, *record.membrane]
        named = "nirdeploy evaluate RECORD --labels LABELS --output NAME, in Python output='NAME'"
        raise UsageProblem(
            "the record does not say which of its populations is the network's output",
            hint=f"name it: {named}; {meant('', held, 'it holds')}",
        )
    name = output or next(iter(record.outputs.values()))
    return record.outputs.get(name, name)


def _of_tally(tally: Tally, labels: np.ndarray, reader: str | None, name: str) -> Evaluation:
    """As :func:`evaluate`, of what the samples came to."""
    reads = [read for read, held in tally.values.items() if name in held]
    if not reads:
        raise UnknownPopulation(
            f"the tally holds no population {name!r}", hint=meant(name, tally.populations, "it holds")
        )
    labels = class_numbers(labels, tally.samples, tally.steps)
    if not labels.size:
        raise InputShapeError(
            "there is nothing to read: the tally has no samples", hint="run a stimulus of at least one sample"
        )
    chosen = reader or next((read for read in ("count", "sum") if read in reads), reads[0])
    if chosen not in READERS:
        raise UsageProblem(f"there is no reader {chosen!r}", hint=meant(chosen, READERS, "readers:"))
    if chosen not in reads:
        raise UsageProblem(
            f"the tally does not hold what {chosen!r} reads of {name!r}", hint=f"read it by {', '.join(reads)}"
        )
    held = tally.values[chosen][name].astype(np.float64) if chosen in _OF_SPIKES else tally.volts(chosen, name)
    _check_numbers(held[None], name)
    scores = np.where(held < tally.steps, -held, -np.inf) if chosen == "first" else held
    scores = scores.reshape(1, len(labels), -1)
    _check_classes(labels, scores, name)
    spikes = {one: float(values.sum()) / len(labels) for one, values in tally.values.get("count", {}).items()}
    read = (scores.argmax(axis=2), _ranks(scores[-1], labels), _decided(scores[-1]))
    return Evaluation(tally.source, name, chosen, labels, scores, *read, spikes, whole=True)


def _decided(last: np.ndarray) -> np.ndarray:
    """Whether scores (B, classes) differ: bool (B,)."""
    return np.asarray((last != last[:, :1]).any(axis=1))


def _ranks(last: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes are before the label by scores (B, classes), of equal ones by their number: (B,)."""
    own = last[np.arange(len(labels)), labels][:, None]
    before = np.arange(last.shape[1]) < labels[:, None]
    return np.asarray(((last > own) | ((last == own) & before)).sum(axis=1))


def _check_classes(labels: np.ndarray, scores: np.ndarray, name: str) -> None:
    if not 0 <= labels.min() <= labels.max() < scores.shape[2]:
        raise InputShapeError(
            f"the labels go from {labels.min()} to {labels.max()}, the output {name!r} has {scores.shape[2]} neurons",
            hint=_NUMBER,
        )


def _check_numbers(values: np.ndarray, name: str) -> None:
    """Raises :class:`InputShapeError` where what is read, (T, B, *shape), holds what is no finite number."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        step, sample, *neuron = np.argwhere(~np.isfinite(values))[0].tolist()
        where = f"neuron {neuron[0] if len(neuron) == 1 else tuple(neuron)}"
        where = f"step {step}, sample {sample}, {where}" if len(values) > 1 else f"sample {sample}, {where}"
        raise InputShapeError(
            f"no class can be read of {name!r}: it holds {values[(step, sample, *neuron)]} in {where}",
            hint="look at the network and the stimulus that were run, or read another output",
        )


def accuracy(record: SpikeRecord | Tally, labels: np.ndarray, output: str | None = None) -> float:
    """Task accuracy: the class is the output neuron with the most spikes (or the largest sum of its membrane).

    Args, errors: as :func:`evaluate`.
    """
    return evaluate(record, labels, output=output).accuracy


def class_numbers(labels: np.ndarray, samples: int, steps: int) -> np.ndarray:
    """Labels as int64 (samples,), for a stimulus of so many samples and steps. Raises :class:`InputShapeError`."""
    labels = np.asarray(labels)
    if labels.shape != (samples,):
        swapped = labels.shape == (steps,)
        raise InputShapeError(
            f"the labels have the shape {labels.shape}, the stimulus holds {samples} samples of {steps} steps",
            hint="the stimulus is (T, B, ...), steps first: np.swapaxes(x, 0, 1)" if swapped else "one for each sample",
        )
    if labels.dtype.kind not in "iuf" or (labels % 1 != 0).any():
        raise InputShapeError("the labels are no whole numbers", hint="save the class of each sample as one")
    holds = np.iinfo(np.int64)
    if labels.size and not holds.min <= int(labels.min()) <= int(labels.max()) <= holds.max:
        raise InputShapeError(f"the labels go from {labels.min()} to {labels.max()}, which no class has", hint=_NUMBER)
    return labels.astype(np.int64)


def _scores(record: SpikeRecord, name: str, reader: str) -> np.ndarray:
    if reader not in READERS:
        raise UsageProblem(f"there is no reader {reader!r}", hint=meant(reader, READERS, "readers:"))
    of_spikes = reader in _OF_SPIKES
    if name not in (record.spikes if of_spikes else record.membrane):
        held = ", ".join(_OF_SPIKES if name in record.spikes else _OF_MEMBRANES)
        what = "spikes" if of_spikes else "membrane"
        raise UsageProblem(f"the record holds no {what} of {name!r}, which {reader!r} reads", hint=f"read it by {held}")
    values = record.spikes[name] if of_spikes else record.volts(name)
    _check_numbers(values, name)
    with np.errstate(over="ignore"):  # which is refused below
        scores = (_OF_SPIKES | _OF_MEMBRANES)[reader](values.reshape(record.steps, record.samples, -1))
    if reader != "first":  # whose -inf is who has not spiked
        _check_numbers(scores, name)
    return scores
