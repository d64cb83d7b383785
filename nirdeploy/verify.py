"""verify: two records of one network on one stimulus, compared spike for spike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError, UnknownPopulation
from nirdeploy.spikes import SpikeRecord


@dataclass(frozen=True)
class Divergence:
    """Where two records part: the earliest step, there the first population in the network's order.

    ``neuron``: index in the population's shape; ``expected`` and ``measured``: spike counts, or membrane
    values in the records' own units.
    """

    population: str
    neuron: tuple[int, ...]
    step: int
    sample: int
    expected: float
    measured: float

    def __str__(self) -> str:
        index = self.neuron[0] if len(self.neuron) == 1 else self.neuron
        return (
            f"population {self.population!r}, neuron {index}, step {self.step}, sample {self.sample}: "
            f"expected {self.expected:g}, measured {self.measured:g}"
        )


@dataclass(frozen=True)
class PopulationVerdict:
    """One population compared. ``kind``: "spikes" or "membrane"; ``cells``: step x sample x neuron.

    ``neurons``: how many neurons differ anywhere. ``worst_neuron``: the one with the most differences.
    ``decides``: False where values of different kinds (float against integer membranes) are only measured.
    ``max_error``, ``rms_error``: of membrane potentials, in the graph's units.
    """

    population: str
    kind: str
    cells: int
    spikes_expected: int
    spikes_measured: int
    mismatches: int
    neurons: int
    worst_neuron: tuple[int, ...] | None
    first: Divergence | None
    decides: bool = True
    max_error: float = 0.0
    rms_error: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The comparison as data. ``missing``: populations that only one of the two records holds."""

    expected: str
    measured: str
    steps: int
    samples: int
    populations: tuple[PopulationVerdict, ...]
    missing: tuple[str, ...] = ()
    manifests: Mapping[str, Any] | None = None

    @property
    def equal(self) -> bool:
        """Every compared cell agrees and neither record lacks a population of the other."""
        return not self.mismatches and not self.missing

    @property
    def mismatches(self) -> int:
        return sum(p.mismatches for p in self.populations if p.decides)

    @property
    def cells(self) -> int:
        """Compared cells: population x step x sample x neuron."""
        return sum(p.cells for p in self.populations if p.decides)

    @property
    def first_divergence(self) -> Divergence | None:
        """Of all populations the earliest step; within a step the network's order."""
        firsts = [p.first for p in self.populations if p.first is not None and p.decides]
        return min(firsts, key=lambda d: d.step) if firsts else None

    def summary(self) -> str:
        """One line."""
        if self.equal:
            return f"{self.measured} equals {self.expected}: {self.cells:,} cells compared, 0 differ"
        text = f"{self.measured} differs from {self.expected} in {self.mismatches:,} of {self.cells:,} cells"
        if self.first_divergence:
            text += f"; first at {self.first_divergence}"
        if self.missing:
            text += f"; only one of them has {', '.join(self.missing)}"
        return text

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "equal": self.equal,
            "expected": self.expected,
            "measured": self.measured,
            "steps": self.steps,
            "samples": self.samples,
            "cells": self.cells,
            "mismatches": self.mismatches,
            "missing": list(self.missing),
            "first_divergence": asdict(self.first_divergence) if self.first_divergence else None,
            "populations": [asdict(p) for p in self.populations],
        }

    def to_html(self, path: Path | str) -> None:
        """Write the verdict as one self-contained page."""
        from nirdeploy.report import html  # templates load only when a page is asked for

        html.write(Path(path), html.Report(title=f"{self.expected} against {self.measured}", verdicts=(self,)))

    def to_junit(self, path: Path | str) -> None:
        """Write the verdict as JUnit XML, one test case per population."""
        from nirdeploy.report import junit

        junit.write(Path(path), [self])


def verify(expected: SpikeRecord, measured: SpikeRecord, *, populations: Sequence[str] | None = None) -> Verdict:
    """Compare two records cell by cell.

    Where populations of one lag behind the graph (its ``latency``) and those of the other do not, they are compared
    step by step of the graph. Spikes must be equal. Membranes must be equal where both are integers of the same scale;
    otherwise their error is measured and decides nothing.

    Args:
        populations: only these; by default all that either record holds.

    Raises:
        InputShapeError: the records are of different stimuli (steps, samples, shapes).
        UnknownPopulation: they have no population in common.
    """
    if dict(expected.latency) != dict(measured.latency) and expected.steps == measured.steps:
        steps = min(expected.aligned().steps, measured.aligned().steps)
        if not steps:
            latency = max([*expected.latency.values(), *measured.latency.values()])
            raise InputShapeError(
                f"a run of {expected.steps} steps shows nothing of populations that lag {latency} steps behind",
                hint="give the stimulus more steps",
            )
        expected, measured = expected.aligned(steps), measured.aligned(steps)
    if (expected.steps, expected.samples) != (measured.steps, measured.samples):
        raise InputShapeError(
            f"the records are of different runs: {expected.source} has {expected.steps} steps x "
            f"{expected.samples} samples, {measured.source} {measured.steps} x {measured.samples}"
        )
    names = list(dict.fromkeys([*_names(expected), *_names(measured)]))
    if populations is not None:
        unknown = sorted(set(populations) - set(names))
        if unknown:
            raise UnknownPopulation(f"no record holds {', '.join(unknown)}", hint=f"there are {', '.join(names)}")
        names = [name for name in names if name in populations]
    compared, missing = [], []
    for name in names:
        if name in expected.spikes and name in measured.spikes:
            compared.append(_compare_spikes(name, expected.spikes[name], measured.spikes[name]))
        elif name in expected.membrane and name in measured.membrane:
            compared.append(_compare_membranes(name, expected, measured))
        else:
            missing.append(name)
    if not compared:
        raise UnknownPopulation(
            "the records have no population in common",
            hint=f"{expected.source}: {', '.join(_names(expected))}; {measured.source}: {', '.join(_names(measured))}",
        )
    return Verdict(
        expected=expected.source,
        measured=measured.source,
        steps=expected.steps,
        samples=expected.samples,
        populations=tuple(compared),
        missing=tuple(missing),
        manifests={expected.source: dict(expected.manifest), measured.source: dict(measured.manifest)},
    )


def accuracy(record: SpikeRecord, labels: np.ndarray, output: str | None = None) -> float:
    """Task accuracy: the class is the output neuron with the most spikes (or the highest summed membrane).

    Args:
        labels: int (B,).
        output: population or Output name; by default the graph's first output.
    """
    name = output or next(iter(record.outputs.values()))
    name = record.outputs.get(name, name)
    values = record.spikes[name] if name in record.spikes else record.volts(name)
    score = values.reshape(record.steps, record.samples, -1).sum(axis=0, dtype=np.float64)
    return float((score.argmax(axis=1) == np.asarray(labels)).mean())


def _names(record: SpikeRecord) -> list[str]:
    return [*record.spikes, *(name for name in record.membrane if name not in record.spikes)]


def _compare_spikes(name: str, expected: np.ndarray, measured: np.ndarray) -> PopulationVerdict:
    return _compare(name, "spikes", expected, measured)


def _compare_membranes(name: str, expected: SpikeRecord, measured: SpikeRecord) -> PopulationVerdict:
    a, b = expected.membrane[name], measured.membrane[name]
    same_units = (
        a.dtype.kind == b.dtype.kind == "i"
        and name in expected.scale
        and name in measured.scale
        and np.array_equal(expected.scale[name], measured.scale[name])
    )
    if same_units or (a.dtype.kind == b.dtype.kind == "f"):
        return _compare(name, "membrane", a, b)
    error = measured.volts(name) - expected.volts(name)
    return PopulationVerdict(
        population=name,
        kind="membrane",
        cells=error.size,
        spikes_expected=0,
        spikes_measured=0,
        mismatches=0,
        neurons=0,
        worst_neuron=None,
        first=None,
        decides=False,
        max_error=float(np.abs(error).max()),
        rms_error=float(np.sqrt((error**2).mean())),
    )


def _compare(name: str, kind: str, expected: np.ndarray, measured: np.ndarray) -> PopulationVerdict:
    if expected.shape != measured.shape:
        raise InputShapeError(
            f"population {name!r} has shape {expected.shape[2:]} in one record and {measured.shape[2:]} in the other"
        )
    differs = expected != measured
    first, worst = None, None
    per_neuron = differs.sum(axis=(0, 1))
    if differs.any():
        step, sample, *neuron = np.argwhere(differs)[0].tolist()
        where = (step, sample, *neuron)
        first = Divergence(name, tuple(neuron), step, sample, float(expected[where]), float(measured[where]))
        worst = tuple(int(i) for i in np.unravel_index(int(per_neuron.argmax()), per_neuron.shape))
    spikes = kind == "spikes"
    return PopulationVerdict(
        population=name,
        kind=kind,
        cells=int(expected.size),
        spikes_expected=int(expected.sum(dtype=np.int64)) if spikes else 0,
        spikes_measured=int(measured.sum(dtype=np.int64)) if spikes else 0,
        mismatches=int(differs.sum()),
        neurons=int((per_neuron > 0).sum()),
        worst_neuron=worst,
        first=first,
    )
