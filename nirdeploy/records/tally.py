"""Tally: what every sample came to, from any simulator or device: a record without its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy.errors import CorruptFile, UnknownPopulation, UsageProblem, meant
from nirdeploy.records import entries, nirdata
from nirdeploy.records.brief import brief, listed
from nirdeploy.records.spikes import SpikeRecord, Witnessed, counts


def first_spike(spikes: np.ndarray) -> np.ndarray:
    """The step of the first spike, int32, of spikes (T, ...): from 0, and T where there is none."""
    return np.where(spikes.any(axis=0), (spikes > 0).argmax(axis=0), len(spikes)).astype(np.int32)


#: What can be read of a sample's spikes, or membranes, (T, B, ...) to (B, ...).
OF_SPIKES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "count": lambda spikes: counts(spikes.sum(axis=0, dtype=np.uint32)),
    "first": first_spike,
}
OF_MEMBRANES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "last": lambda v: v[-1],
    "largest": lambda v: v.max(axis=0),
    "sum": lambda v: v.sum(axis=0, dtype=np.int64 if v.dtype.kind in "iu" else np.float64),
}
READS = (*OF_SPIKES, *OF_MEMBRANES)


@dataclass(frozen=True, repr=False)
class Tally(Witnessed):
    """What every sample came to, over its ``steps`` steps.

    ``values[read][population]``: (B, *shape), for each read of :data:`READS` that was asked for and every population
    that has what it reads: how often a neuron spiked (``count``), the step of its first spike (``first``, from 0,
    ``steps`` where there was none), its last and largest membrane potential and the sum of all (``last``, ``largest``,
    ``sum``), in units of ``scale[population]``. All else as in :class:`~nirdeploy.records.spikes.SpikeRecord`.
    """

    values: Mapping[str, Mapping[str, np.ndarray]]
    steps: int
    scale: Mapping[str, np.ndarray]
    source: str
    dt: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    stats: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        of = f"{', '.join(self.values)} of {listed(self.populations)}"
        return brief(self, f"{self.source}, {self.samples:,} samples of {self.steps:,} steps: {of}")

    @property
    def samples(self) -> int:
        for read in self.values.values():
            for values in read.values():
                return int(values.shape[0])
        raise UnknownPopulation("the tally holds no population", hint="probe one: 'outputs', 'all' or its name")

    @property
    def populations(self) -> tuple[str, ...]:
        """Of which anything was read."""
        return tuple(dict.fromkeys(name for read in self.values.values() for name in read))

    def volts(self, read: str, name: str) -> np.ndarray:
        """A read of membranes in the graph's units, float64 (B, *shape)."""
        values = self.values[read][name]
        return values * self.scale[name] if name in self.scale else np.asarray(values, dtype=np.float64)

    @classmethod
    def of(cls, record: SpikeRecord, reads: Sequence[str]) -> Tally:
        """What a record's samples came to. Raises :class:`UsageProblem` where there is no such read, or no step."""
        check(reads)
        if not record.steps:
            raise UsageProblem("a record without steps comes to nothing", hint="give the stimulus a step")
        values = {
            read: {
                name: (OF_SPIKES | OF_MEMBRANES)[read](held)
                for name, held in (record.spikes if read in OF_SPIKES else record.membrane).items()
            }
            for read in reads
        }
        return cls(
            values,
            record.steps,
            record.scale if set(reads) & set(OF_MEMBRANES) else {},
            record.source,
            record.dt,
            dict(record.outputs),
            dict(record.manifest),
            dict(record.stats),
        )

    def save(self, path: Path | str) -> None:
        """Write as :meth:`~nirdeploy.records.spikes.SpikeRecord.save` does, each sample one step long; raises as it."""
        found = [(name, values) for read in self.values.values() for name, values in read.items()]
        meta = {
            "steps": self.steps,
            "source": self.source,
            "dt": self.dt,
            "outputs": dict(self.outputs),
            "manifest": dict(self.manifest),
            "stats": dict(self.stats),
            "shapes": {name: list(values.shape[1:]) for name, values in found},
        }
        flat = {
            read: {name: values.reshape(len(values), 1, -1) for name, values in held.items()}
            for read, held in self.values.items()
        }
        scale = {name: np.asarray(values).ravel() for name, values in self.scale.items()}
        nirdata.readable(lambda told: _of(flat, scale, told), meta)
        nirdata.write(Path(path), flat, scale, self.dt * self.steps, meta)


def load(path: Path | str) -> SpikeRecord | Tally:
    """A saved record, or a saved tally. Raises :class:`CorruptFile` if the file is neither."""
    observables, scale, meta = nirdata.read(Path(path))
    if "steps" not in meta:
        return SpikeRecord.load(path)
    try:
        return _of(observables, scale, meta)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFile(f"not a tally ({entries.said(error)})", where=str(path), hint="record it again") from error


def _of(
    observables: Mapping[str, Mapping[str, np.ndarray]], scale: Mapping[str, np.ndarray], meta: Mapping[str, Any]
) -> Tally:
    """Of what a file holds. Raises KeyError, TypeError or ValueError where that is no tally."""
    shapes = entries.of_shapes(meta)
    values = {
        read: {name: values.reshape(len(values), *shapes[name]) for name, values in held.items()}
        for read, held in observables.items()
        if read in READS
    }
    if len({len(one) for held in values.values() for one in held.values()}) != 1:
        raise ValueError("it holds no reads, or those of unlike numbers of samples")
    return Tally(
        values=values,
        steps=entries.whole(meta["steps"], "the number of its steps", 1),
        scale={name: values.reshape(shapes[name]) for name, values in scale.items()},
        **entries.of_record(meta),
    )


def check(reads: Sequence[str]) -> None:
    """Raises :class:`UsageProblem` where one is none of :data:`READS`, or there are none."""
    unknown = [read for read in reads if read not in READS]
    if unknown or not reads:
        named = ", ".join(map(repr, unknown)) or "none"
        raise UsageProblem(f"a sample comes to no {named}", hint=meant(unknown or "", READS, "reads:"))
