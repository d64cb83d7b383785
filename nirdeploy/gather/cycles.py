"""How long the cores take: each job by what it walks and updates, a step by the cores' dance around the bitmaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nirdeploy.gather.floorplan import Floorplan
from nirdeploy.gather.hardware import Hardware
from nirdeploy.gather.jobs import Job, PlacedSegment
from nirdeploy.gather.program import Program
from nirdeploy.place import Slice
from nirdeploy.target import Target

#: Spikes per neuron and step assumed where nobody says how many there are.
ASSUMED_ACTIVITY = 0.1

_FILL = 12  # cycles from a job's start to its first weight row
_DRAIN = 9  # from its last row's sums to the last of its neurons on the bus


@dataclass(frozen=True)
class Cost:
    """Cycles of a job: fetching words, walking bits, updating neurons; ``total`` of them overlapped."""

    fetch: float
    walk: float
    update: float
    total: float


def job(work: Job, hardware: Hardware, activity: float = ASSUMED_ACTIVITY) -> Cost:
    """What a job costs at so many spikes per neuron and step."""
    rows = work.columns * work.lines
    fetch = walk = 0.0
    passes = 1 + sum(segment.ends_plane for segment in work.segments)
    for segment in work.segments:
        words, bits = _seen(segment, work.columns)
        fetch += words
        walk += bits * activity
    per_row = math.ceil(work.neurons / hardware.update) + 1
    update = rows * per_row * passes
    fetch, walk = fetch * work.lines, walk * work.lines + rows * passes
    slowest = max(fetch, walk, update)
    return Cost(fetch, walk, update, slowest + min(per_row, slowest / rows))


def _seen(segment: PlacedSegment, columns: int) -> tuple[float, float]:
    """Words and bits that a line's rows read of a segment."""
    words = bits = 0.0
    for column in range(columns):
        start = segment.first + column * segment.column_step
        low, high = max(start, 0), min(start + segment.bits, segment.line_bits)
        at = segment.address + low
        words += max((segment.address + high - 1) // 32 - at // 32 + 1, 1) if high > low else 1
        bits += max(high - low, 0)
    return words, bits


@dataclass(frozen=True)
class Prediction:
    """``period``: cycles per step, sustained; ``busy``: of them, by core; ``limits``: what each core's come from."""

    period: float
    busy: Mapping[int, float]
    limits: Mapping[int, str]

    def of(self, core: int) -> tuple[float, str]:
        return round(self.busy.get(core, 0.0), 1), self.limits.get(core, "")


def predict(
    plan: Floorplan, target: Target, slices: Sequence[Slice], activity: float | Mapping[str, float] = ASSUMED_ACTIVITY
) -> Prediction:
    busy: dict[int, float] = {}
    limits: dict[int, str] = {}
    for core in range(target.hardware.cores):
        program = Program(plan, target, [s for s in slices if s.core == core])
        costs = [job(work, target.hardware) for work in program.jobs]
        if costs:
            busy[core] = sum(cost.total for cost in costs)
            sums = {name: sum(getattr(cost, name) for cost in costs) for name in ("fetch", "walk", "update")}
            limits[core] = max(sums, key=lambda name: sums[name])
    return Prediction(max(busy.values(), default=0.0), busy, limits)
