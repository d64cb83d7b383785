"""verdict: what the comparison of two records found, population by population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nirdeploy.errors import UsageProblem
from nirdeploy.proof.causes.cause import Cause
from nirdeploy.proof.coverage.report import Coverage
from nirdeploy.records.brief import brief
from nirdeploy.records.spikes import SpikeRecord

if TYPE_CHECKING:
    import plotly.graph_objects

#: Kinds of what is compared that are of spikes.
OF_SPIKES = ("spikes", "count", "first")


@dataclass(frozen=True)
class Divergence:
    """Where two records part: the earliest step, there the first population in the network's order.

    ``neuron``: index in the population's shape; ``step``: None where samples as a whole are compared; ``expected`` and
    ``measured``: spike counts, or membrane values in the records' own units.
    """

    population: str
    neuron: tuple[int, ...]
    step: int | None
    sample: int
    expected: float
    measured: float

    @property
    def index(self) -> int | tuple[int, ...]:
        """The neuron as it is said: a number where the population has one dimension."""
        return self.neuron[0] if len(self.neuron) == 1 else self.neuron

    def __str__(self) -> str:
        step = "" if self.step is None else f"step {self.step}, "
        return (
            f"population {self.population!r}, neuron {self.index}, {step}sample {self.sample}: "
            f"expected {_exactly(self.expected)}, measured {_exactly(self.measured)}"
        )


def _exactly(value: float) -> str:
    """A number in all its digits: two that differ are never written alike."""
    return str(int(value)) if value.is_integer() and abs(value) < 1 << 63 else repr(value)


@dataclass(frozen=True)
class PopulationVerdict:
    """One population compared; true where it was judged and is equal.

    ``kind``: "spikes" or "membrane"; ``cells``: step x sample x neuron. Of samples as a whole, what is read of them
    (:data:`nirdeploy.records.tally.READS`), and sample x neuron.
    ``neurons``: how many neurons differ anywhere. ``worst_neuron``: the one with the most differences.
    ``decides``: False where values of different kinds (float against integer membranes) are only measured.
    ``max_error``, ``rms_error``: of membrane potentials, in the graph's units.
    ``unlike``: what of the two records' form does not agree (type, scale), or that there is no cell to compare;
    where it decides, such a population is not equal, whatever its values. ``silent``: nothing but zeros in either.
    ``by_neuron``: of each neuron, the cells that differ; ``squares``: of each sample, the sum of the squares of its
    errors: by these, verdicts of parts of the samples are joined.
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
    unlike: str = ""
    silent: bool = False
    by_neuron: np.ndarray | None = field(default=None, repr=False, compare=False)
    squares: np.ndarray | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Without what it is joined by."""
        found = asdict(replace(self, by_neuron=None, squares=None))
        del found["by_neuron"], found["squares"]
        return found

    @property
    def equal(self) -> bool:
        """Judged, alike in form, and every cell agrees."""
        return self.decides and not self.unlike and not self.mismatches

    def __bool__(self) -> bool:
        return self.equal


@dataclass(frozen=True, repr=False)
class Verdict:
    """The comparison as data; true where it is equal.

    ``missing``: populations of which only one of the two records holds the spikes, or anything. ``left_out``: what of
    which population was not compared because one record lacks it: of these, and membranes recorded besides spikes.
    ``outputs``: the compared populations that are the graph's outputs. ``allow_silent``: equal though nothing spiked.
    ``reads``: what was compared of samples as a whole; empty: every step was. ``apart``: why the records are not of one
    network and one run, or that nothing was measured. ``notes``: what is to be known besides. ``coverage``: what the
    stimulus exercised, where that was looked at; ``cover``: the percentage that is asked of it. ``cause``: what would
    make a device differ so, where that was looked for. ``records``: what was compared, step by step of the graph, for
    pictures of it; a verdict that is sent or kept is without.
    """

    expected: str
    measured: str
    steps: int
    samples: int
    populations: tuple[PopulationVerdict, ...]
    missing: tuple[str, ...] = ()
    manifests: Mapping[str, Any] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    allow_silent: bool = False
    reads: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    coverage: Coverage | None = None
    cover: float | None = None
    cause: Cause | None = None
    records: tuple[SpikeRecord, SpikeRecord] | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return brief(self, f"{'equal' if self else 'not equal'}: {self.summary()}")

    def _repr_html_(self) -> str:
        from nirdeploy.records.pictures import recorded
        from nirdeploy.records.pictures.fragment import fragment, table

        told = ("population", "kind", "cells", "mismatches")
        rows = [{**{name: getattr(p, name) for name in told}, "first": str(p.first or "")} for p in self.populations]
        parts = [table(rows)]
        names = [] if self.records is None else [n for n in self.records[0].spikes if n in self.records[1].spikes]
        if self.records is not None and names and self.steps and self.samples:
            at = self.first_divergence
            name = at.population if at and at.population in names else names[-1]
            parts.append(recorded.compared(*self.records, name, at.sample if at else 0))
        return fragment(self.summary(), *parts)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "records": None}

    @property
    def equal(self) -> bool:
        """Something was compared, outputs among it if there are any, all of it agrees, the records are of one run and
        neither lacks a population of the other, and (unless that is allowed) there was something to agree on; the
        stimulus exercised what is asked."""
        judged = [p for p in self.populations if p.decides]
        agree = self.cells > 0 and all(p.equal for p in judged) and not self.missing and not self.apart
        return agree and not self.undecided and (self.allow_silent or not self.vacuous) and not self.uncovered

    @property
    def uncovered(self) -> str:
        """That the stimulus did not exercise as much as is asked; nothing where it did."""
        if self.cover is None or (self.coverage is not None and self.coverage.reaches(self.cover)):
            return ""
        found = "" if self.coverage is None else f": {self.coverage.summary()}"
        return f"the coverage is below the {self.cover:g} % asked for{found}"

    @property
    def silent(self) -> tuple[str, ...]:
        """The populations that never spiked, and the read-outs whose membrane was never but 0, in either record."""
        spiking = {p.population for p in self.populations if p.kind in OF_SPIKES}
        judged = [p for p in self.populations if p.cells and p.decides]
        silent = [p.population for p in judged if p.silent and (p.kind in OF_SPIKES or p.population not in spiking)]
        return tuple(dict.fromkeys(silent))

    @property
    def undecided(self) -> str:
        """That an output was compared and not judged; nothing where each of them was."""
        judged = {p.population for p in self.populations if p.decides}
        outputs = [p.population for p in self.populations if p.population in self.outputs]
        names = ", ".join(dict.fromkeys(repr(name) for name in outputs if name not in judged))
        return names and f"what the network gives ({names}) is measured and not judged, in floats against integers"

    @property
    def vacuous(self) -> bool:
        """Nothing that was compared spiked in either record (of read-outs alone: moved): that they agree shows
        nothing, though a read-out's own bias may move it."""
        judged = [p for p in self.populations if p.cells and p.decides]
        spiking = {p.population for p in judged if p.kind in OF_SPIKES}
        return bool(self.silent) and (spiking or {p.population for p in judged}) <= {*self.silent}

    @property
    def silence(self) -> str:
        """That no population, or no output, spiked in either record; nothing where one did."""
        if self.vacuous:
            return "nothing spiked in either record"
        outputs = {p.population for p in self.populations if p.cells and p.decides}.intersection(self.outputs)
        return "no output spiked in either record" if outputs and outputs <= {*self.silent} else ""

    def __bool__(self) -> bool:
        return self.equal

    @property
    def mismatches(self) -> int:
        return sum(p.mismatches for p in self.populations if p.decides)

    @property
    def cells(self) -> int:
        """Compared cells: population x step x sample x neuron; of samples as a whole, read x population x sample x
        neuron."""
        return sum(p.cells for p in self.populations if p.decides)

    @property
    def first_divergence(self) -> Divergence | None:
        """Of all populations the earliest step; within a step the network's order."""
        firsts = [p.first for p in self.populations if p.first is not None and p.decides]
        return min(firsts, key=lambda d: d.step or 0) if firsts else None

    def plot(
        self, populations: str | Sequence[str] | None = None, *, sample: int | None = None
    ) -> plotly.graph_objects.Figure:
        """Rasters of both records over each other, as a Plotly figure, which zooms: what agrees, and what only one has.

        Args:
            populations, sample: by default all, of the sample that differs first; that of a membrane shows the neuron.

        Raises:
            UsageProblem: the verdict holds no records of steps. ToolMissing: Plotly is not installed.
            UnknownPopulation: there is no such population.
        """
        from nirdeploy.records.pictures import recorded

        if self.records is None:
            raise UsageProblem(
                "this verdict holds no steps to draw: it is of samples as a whole, of parts, or was kept",
                hint="compare two records of steps: nirdeploy.verify(expected, measured)",
            )
        first = self.first_divergence
        chosen = (first.sample if first else 0) if sample is None else sample
        place = (first.population, first.neuron) if first and populations in (None, first.population) else None
        return recorded.drawn(populations, chosen, *self.records, first=place).plotly()

    def summary(self) -> str:
        """One line."""
        if self.equal:
            text = f"{self.measured} equals {self.expected}: {self.cells:,} cells compared, 0 differ"
        elif self.mismatches:
            text = f"{self.measured} differs from {self.expected} in {self.mismatches:,} of {self.cells:,} cells"
            text += f"; first at {self.first_divergence}"
            text += "" if self.cause is None else f"; {self.cause.summary()}"
        elif not self.populations:
            text = f"nothing was compared with {self.expected}"
        else:
            compared = f"{self.cells:,} cells compared, 0 differ" if self.cells else "nothing was compared"
            text = f"{self.measured} is not shown to equal {self.expected}: {compared}"
            if self.vacuous and not self.allow_silent:
                remedy = "give a stimulus that makes it spike, or allow silence (--allow-silent, allow_silent=True)"
                text += f", but {self.silence}, so nothing is shown: {remedy}"
            elif self.cells and self.undecided:
                text += f", but {self.undecided}"
            elif self.cells and self.uncovered:
                remedy = "make a stimulus that exercises more (nirdeploy stimulus)"
                text += f", but the stimulus did not exercise enough: {remedy}"
        return "; ".join([text, *self.remarks()])

    def remarks(self) -> list[str]:
        """What was not compared, or could not be as it is, and what was silent."""
        never = f"never spiked: {', '.join(map(repr, self.silent))}" if self.silent else ""
        if self.silence and (self.allow_silent or self.mismatches or not self.vacuous):
            never = f"{self.silence} ({never})"
        said = [
            f"{p.kind} of {p.population!r} {'cannot be equal' if p.decides else 'measured, not judged'}: {p.unlike}"
            for p in self.populations
            if p.unlike
        ]
        whole = f"compared sample by sample ({', '.join(self.reads)}), not step by step" if self.reads else ""
        covered = self.uncovered or ("" if self.coverage is None else self.coverage.summary())
        left_out = [*self.left_out.values()]
        return [*self.apart, *filter(None, [whole]), *said, *left_out, *filter(None, [never, covered]), *self.notes]

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
            "left_out": dict(self.left_out),
            "apart": list(self.apart),
            "notes": list(self.notes),
            "silent": list(self.silent),
            "silence": self.silence,
            "vacuous": self.vacuous,
            "allow_silent": self.allow_silent,
            **({} if self.coverage is None else {"coverage": self.coverage.as_dict(), "cover": self.cover}),
            **({"reads": list(self.reads)} if self.reads else {}),
            "cause": None if self.cause is None else self.cause.as_dict(),
            "first_divergence": asdict(self.first_divergence) if self.first_divergence else None,
            "populations": [p.as_dict() for p in self.populations],
        }
