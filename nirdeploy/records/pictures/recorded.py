"""recorded: pictures of a record, or of two compared: rasters of what spikes, membranes of what does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from markupsafe import Markup

from nirdeploy.errors import UnknownPopulation, UsageProblem
from nirdeploy.records.pictures import still
from nirdeploy.records.pictures.figure import Figure
from nirdeploy.records.pictures.fragment import fragment, table
from nirdeploy.records.pictures.raster import Compared, rasters
from nirdeploy.records.pictures.traces import Membrane, membranes

_NEURONS = 4  # of a read-out's membranes, where none is asked for


class Recorded(Protocol):
    """What a record has: :class:`nirdeploy.records.spikes.SpikeRecord`."""

    @property
    def spikes(self) -> Mapping[str, np.ndarray]: ...
    @property
    def membrane(self) -> Mapping[str, np.ndarray]: ...
    @property
    def outputs(self) -> Mapping[str, str]: ...
    @property
    def source(self) -> str: ...
    @property
    def steps(self) -> int: ...
    @property
    def samples(self) -> int: ...
    def volts(self, name: str) -> np.ndarray: ...


def drawn(
    populations: str | Sequence[str] | None,
    sample: int,
    record: Recorded,
    other: Recorded | None = None,
    first: tuple[str, tuple[int, ...]] | None = None,
) -> Figure:
    """A raster of each population; where none of them spikes, the membranes of some of their neurons.

    Args:
        populations: names of populations or Outputs; None: all.
        other: what was measured, where two are compared; both step by step of the graph.
        first: (population, neuron) whose membrane is drawn where it does not spike.

    Raises:
        UnknownPopulation: a record holds no such population. UsageProblem: no such sample, or no step.
    """
    names = _names(populations, record, other)
    if not 0 <= sample < record.samples:
        raise UsageProblem(f"there is no sample {sample} to draw", hint=f"the record holds {record.samples}, from 0 on")
    if not record.steps:
        raise UsageProblem("there is nothing to draw: the record has no steps", hint="give the stimulus a step")
    spiking = [name for name in names if name in record.spikes]
    if spiking and not (first and first[0] in names and first[0] not in spiking):
        return rasters([of_spikes(name, sample, record, other) for name in spiking])
    lines = [
        of_membrane(name, sample, neuron, record, other) for name in names for neuron in _some(name, record, first)
    ]
    return membranes(lines)


def of_spikes(name: str, sample: int, record: Recorded, other: Recorded | None = None) -> Compared:
    """A population's spikes in one sample."""
    shape = record.spikes[name].shape[2:]
    title = f"{name}{'' if len(shape) == 1 else f' {shape}'}, sample {sample}"
    if other is None:
        return Compared(title, _flat(record.spikes[name], sample))
    names = _sources(record, other)
    return Compared(title, _flat(record.spikes[name], sample), _flat(other.spikes[name], sample), names)


def of_membrane(name: str, sample: int, neuron: int, record: Recorded, other: Recorded | None = None) -> Membrane:
    """One neuron's membrane in one sample, by its number in the flattened population."""
    lines = {record.source: _flat(record.volts(name), sample)[:, neuron]}
    first = None
    if other is not None:
        own, theirs = _sources(record, other)
        lines = {own: lines[record.source], theirs: _flat(other.volts(name), sample)[:, neuron]}
        held, measured = (_flat(one.membrane[name], sample)[:, neuron] for one in (record, other))
        same_kind = (held.dtype.kind == "f") == (measured.dtype.kind == "f")
        differs = np.flatnonzero(held != measured) if same_kind else np.empty(0, dtype=np.int64)
        first = int(differs[0]) if len(differs) else None
    return Membrane(f"{name}, neuron {neuron}, sample {sample}", lines, first=first)


def shown(record: Recorded) -> str:
    """For a notebook: a table of populations, and the first that spikes as a raster of its first sample."""
    size = f"{record.steps:,} steps x {record.samples:,} samples" if [*record.spikes, *record.membrane] else "nothing"
    rows = [
        {"population": name, "shape": str(values.shape[2:]), "spikes": int(values.sum(dtype=np.int64))}
        for name, values in record.spikes.items()
    ]
    rows += [{"population": n, "shape": str(v.shape[2:]), "spikes": "membrane"} for n, v in record.membrane.items()]
    drawn_of = [name for name, values in record.spikes.items() if values.size]
    parts = [table(rows)]
    if drawn_of:
        one = of_spikes(drawn_of[0], 0, record)
        parts.append(still.raster(one.expected, None, one.title))
    return fragment(f"{record.source}, {size}", *parts)


def compared(expected: Recorded, measured: Recorded, name: str, sample: int) -> Markup:
    """A still raster of two records, around where they part first."""
    one = of_spikes(name, sample, expected, measured)
    return still.raster(one.expected, one.measured, one.title)


def _sources(record: Recorded, other: Recorded) -> tuple[str, str]:
    """What two records are called, apart from each other."""
    if record.source != other.source:
        return record.source, other.source
    return f"{record.source} (expected)", f"{other.source} (measured)"


def _flat(values: np.ndarray, sample: int) -> np.ndarray:
    """(T, neurons) of one sample."""
    return values[:, sample].reshape(len(values), -1)


def _names(asked: str | Sequence[str] | None, record: Recorded, other: Recorded | None) -> list[str]:
    held = list(dict.fromkeys([*record.spikes, *record.membrane]))
    if other is not None:
        theirs = {*other.spikes, *other.membrane}
        held = [name for name in held if name in theirs]
    wanted = held if asked is None else [asked] if isinstance(asked, str) else list(asked)
    names = [name if name in held else record.outputs.get(name, name) for name in wanted]
    if unknown := [name for name in names if name not in held]:
        raise UnknownPopulation(
            f"there is no population {', '.join(map(repr, unknown))} to draw", hint=f"there are {', '.join(held)}"
        )
    return names


def _some(name: str, record: Recorded, first: tuple[str, tuple[int, ...]] | None) -> list[int]:
    """Neurons whose membranes are drawn: the one that differs, or the first few."""
    if name not in record.membrane:
        return []
    shape = record.membrane[name].shape[2:]
    if first is not None:
        return [int(np.ravel_multi_index(first[1], shape))] if first[0] == name else []
    return list(range(min(int(np.prod(shape)), _NEURONS)))
