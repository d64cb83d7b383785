"""differences: the rasters of a verdict, that of the first difference before all others, and its membrane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.proof.report.charts import Chart, Charts
from nirdeploy.proof.verdict import Divergence, Verdict
from nirdeploy.records.pictures import recorded
from nirdeploy.records.pictures.traces import Membrane, membrane
from nirdeploy.records.spikes import SpikeRecord

_SAMPLES = 2  # rasters per population


@dataclass(frozen=True)
class Drawn:
    """A verdict's pictures: ``first``: of its first difference; ``others``: of all populations, sample by sample."""

    verdict: Verdict
    first: Sequence[Chart]
    others: Sequence[Chart]
    left: Sequence[str]


def drawn(verdict: Verdict, charts: Charts, membranes: Sequence[Membrane] = ()) -> Drawn:
    """The pictures of what a verdict compared; none where it holds no records, or these no steps.

    Args:
        membranes: of the neuron that differs first, as they were computed again.
    """
    if verdict.records is None or not all(one.steps and one.samples for one in verdict.records):
        return Drawn(verdict, (), (), ())
    expected, measured = verdict.records
    left = len(charts.left)
    at = verdict.first_divergence
    first = [] if at is None or at.step is None else _first(verdict, at, charts, membranes)
    shown = (at.population, at.sample) if at and first else None
    others = _rasters(expected, measured, charts, shown) + _readouts(verdict, charts)
    return Drawn(verdict, first, others, charts.left[left:])


def of_record(record: SpikeRecord, charts: Charts) -> list[Chart]:
    """One record's: every population's spikes in its first samples, and the read-outs' membranes."""
    found = [
        chart
        for name in record.spikes
        for sample in range(min(record.samples, _SAMPLES))
        if (chart := charts.raster(recorded.of_spikes(name, sample, record))) is not None
    ]
    for name in record.membrane:
        sizes = int(np.prod(record.membrane[name].shape[2:]))
        for neuron in range(min(sizes, _SAMPLES)):
            one = recorded.of_membrane(name, 0, neuron, record)
            found.append(charts.add(membrane(one), one.title))
    return found


def _first(verdict: Verdict, at: Divergence, charts: Charts, membranes: Sequence[Membrane]) -> list[Chart]:
    assert verdict.records is not None
    expected, measured = verdict.records
    found = []
    if at.population in expected.spikes and at.population in measured.spikes:
        compared = recorded.of_spikes(at.population, at.sample, expected, measured)
        found = [chart for chart in [charts.raster(compared, always=True)] if chart is not None]
    else:
        neuron = int(np.ravel_multi_index(at.neuron, expected.membrane[at.population].shape[2:]))
        membranes = [recorded.of_membrane(at.population, at.sample, neuron, expected, measured), *membranes]
    return found + [charts.add(membrane(one), one.title) for one in membranes]


def _rasters(
    expected: SpikeRecord, measured: SpikeRecord, charts: Charts, shown: tuple[str, int] | None
) -> list[Chart]:
    found = []
    for name in expected.spikes:
        if name not in measured.spikes:
            continue
        differs = (expected.spikes[name] != measured.spikes[name]).reshape(expected.steps, expected.samples, -1)
        for sample in _interesting(differs.any(axis=(0, 2))):
            if (name, sample) != shown:
                found.append(charts.raster(recorded.of_spikes(name, sample, expected, measured)))
    return [chart for chart in found if chart is not None]


def _interesting(differs: np.ndarray) -> list[int]:
    """The samples that differ first, then the first ones."""
    order = sorted(range(len(differs)), key=lambda sample: (not differs[sample], sample))
    return order[:_SAMPLES]


def _readouts(verdict: Verdict, charts: Charts) -> list[Chart]:
    """Membranes that both hold: of the neuron that differs most, or the first."""
    assert verdict.records is not None
    expected, measured = verdict.records
    worst = {p.population: p for p in verdict.populations if p.kind == "membrane"}
    found = []
    for name in expected.membrane:
        if name not in measured.membrane or name not in worst:
            continue
        at = worst[name]
        where = at.worst_neuron or (0,) * (expected.membrane[name].ndim - 2)
        neuron = int(np.ravel_multi_index(where, expected.membrane[name].shape[2:])) if where else 0
        one = recorded.of_membrane(name, at.first.sample if at.first else 0, neuron, expected, measured)
        found.append(charts.add(membrane(one), one.title))
    return found
