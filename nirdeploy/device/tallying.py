"""tallying: what samples come to, as the device's counters give it: the probe table to ask with, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.device.protocol import MAX_PROBES, SAME_GROUP, SAMPLE_STEPS, Probe
from nirdeploy.errors import TransferError
from nirdeploy.records.spikes import counts
from nirdeploy.records.tally import OF_MEMBRANES, OF_SPIKES
from nirdeploy.targets.slots import Readout, ReadoutPart

_PROBES = {
    **{"count": Probe.COUNT, "first": Probe.FIRST},
    **{"last": Probe.LAST, "largest": Probe.LARGEST, "sum": Probe.SUM},
}
_MOST_STEPS = 0xFFFF
_MOST_SUMMED = 256  # steps: membranes of 24 bits, in sums of 32


@dataclass(frozen=True)
class _Entry:
    """One read of one part of a population; ``items`` are its bits, or values."""

    read: str
    readout: Readout
    part: ReadoutPart
    items: int
    width: int  # bytes of each


class Tallying:
    """What is asked of the probed populations.

    Args:
        reads: of :data:`nirdeploy.records.tally.READS`; each population is asked for those that it has.
        time: steps of a sample.
    """

    def __init__(self, readouts: Sequence[Readout], reads: Sequence[str], time: int) -> None:
        self._time, self._reads = time, reads
        self._parts = [
            [self._entry(read, readout, part) for read in reads if read in _reads_of(readout)]
            for readout in readouts
            for part in readout.parts
        ]
        self._entries = [entry for entries in self._parts for entry in entries]

    def _entry(self, read: str, readout: Readout, part: ReadoutPart) -> _Entry:
        if readout.kind == "spikes":
            return _Entry(read, readout, part, part.bits, 1 if self._time < 256 else 2)
        return _Entry(read, readout, part, part.count, 4)

    def fits(self, counters: int) -> bool:
        """Whether a device of so many counters can do it, exactly."""
        counted = sum(entry.items for entry in self._entries if entry.read != "last")
        most = _MOST_SUMMED if "sum" in self._reads else _MOST_STEPS
        late = any(entry.readout.late for entry in self._entries)
        return 0 < len(self._entries) < MAX_PROBES and 0 < counters >= counted and self._time <= most and not late

    @property
    def probes(self) -> list[tuple[int, int, int, int]]:
        """The probe table: (group, kind, address, size)."""
        table = [(0, SAMPLE_STEPS, 0, self._time)]
        for entries in self._parts:
            for entry in entries:
                kind = _PROBES[entry.read] + (SAME_GROUP if entry is not entries[-1] else 0)
                table.append((entry.part.group, kind, entry.part.address, entry.items))
        return table

    @property
    def size(self) -> int:
        """Bytes of a sample's answer."""
        return sum(entry.items * entry.width for entry in self._entries)

    def scale(self) -> dict[str, np.ndarray]:
        """Of the membranes that are read."""
        readouts = [entry.readout for entry in self._entries if entry.readout.kind == "membrane"]
        return {one.population: np.array(one.scale).reshape(one.shape) for one in readouts}

    def values(self, answers: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        """``values`` of a :class:`~nirdeploy.records.tally.Tally`, from uint8 (B, size)."""
        ends = np.cumsum([entry.items * entry.width for entry in self._entries])
        pieces: dict[str, dict[str, list[np.ndarray]]] = {read: {} for read in self._reads}
        readouts = {}
        for entry, raw in zip(self._entries, np.split(answers, ends[:-1], axis=1), strict=True):
            name = entry.readout.population
            readouts[name] = entry.readout
            pieces[entry.read].setdefault(name, []).append(self._numbers(entry, np.ascontiguousarray(raw)))
        return {
            read: {
                name: _typed(read, readouts[name].arranged(np.concatenate(parts, axis=1)))
                for name, parts in found.items()
            }
            for read, found in pieces.items()
        }

    def _numbers(self, entry: _Entry, raw: np.ndarray) -> np.ndarray:
        """Of each neuron of the part, from its bytes uint8 (B, items x width)."""
        if entry.width == 4:
            return raw.view("<i4").astype(np.int32)
        items = raw.view(f"<u{entry.width}").astype(np.int64)
        if items.size and items.max() > self._time:
            raise TransferError(
                f"the device says {entry.read} {items.max()} of {entry.readout.population!r}, in {self._time} steps",
                hint="reset the board, flash and run again; check that its bitstream is the target's",
            )
        planes = [items[:, entry.part.places() + k * entry.part.plane_bits] for k in range(entry.part.planes)]
        if entry.read == "count":
            return np.asarray(sum(plane << k for k, plane in enumerate(planes)))
        steps = np.stack([np.where(plane > 0, plane - 1, self._time) for plane in planes])
        return np.asarray(steps.min(axis=0))


def _reads_of(readout: Readout) -> Sequence[str]:
    return tuple(OF_SPIKES if readout.kind == "spikes" else OF_MEMBRANES)


def _typed(read: str, values: np.ndarray) -> np.ndarray:
    """As :meth:`~nirdeploy.records.tally.Tally.of` has it."""
    if read == "count":
        return counts(values)
    return values.astype(np.int32 if read != "sum" else np.int64)
