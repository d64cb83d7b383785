"""The program of one core: jobs, segments, weights and neuron parameters of the slices that stand on it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.backends.fpga import dialects, memory, rows
from nirdeploy.backends.fpga import jobs as words
from nirdeploy.backends.fpga.floorplan import Floorplan, Reader
from nirdeploy.backends.fpga.jobs import Job, PlacedSegment
from nirdeploy.backends.fpga.layout import WORD, Block
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.segments import Segment
from nirdeploy.integers.parts import IntegerPopulation
from nirdeploy.targets.placement import Slice


@dataclass(frozen=True)
class _Line:
    """What the rows of one line read, and whom they wait for."""

    segments: tuple[PlacedSegment, ...]
    wait: frozenset[int]
    wait_before: frozenset[int]


@dataclass(frozen=True)
class _Rows:
    """Weight rows of a block that follow each other: of its ``neurons`` (None: of all in common), ``together`` at a
    place."""

    block: Block
    readers: list[Reader]
    neurons: np.ndarray | None
    together: int

    def weights(self) -> np.ndarray:
        """int64 (rows, width of the block); shorter rows end in zeros."""
        made = [reader.reading.shared_weights() for reader in self.readers if reader.reading.shared]
        if self.neurons is not None:
            made = [
                reader.reading.moving_weights(own)
                for own in _rows_of(self.neurons, self.block)
                for reader in self.readers
                if reader.reading.moving
            ]
        return np.concatenate([np.pad(one, ((0, 0), (0, self.block.width - one.shape[1]))) for one in made])


#: A segment of a source's lowest bit plane, and bits from one plane to the next.
_InPlanes = tuple[PlacedSegment, int]


class Program:
    """Jobs are made at once; weights and parameters when they are asked for.

    Args:
        plan: the whole network's.
        slices: those on this core.
    """

    def __init__(self, plan: Floorplan, target: FpgaTarget, slices: Iterable[Slice]) -> None:
        self._plan, self._hardware, self._formats = plan, target.hardware, plan.network.formats
        self._words = memory.parameter_words(target)
        self.jobs: list[Job] = []
        self.segments: list[PlacedSegment] = []
        self.weight_rows = self.rows = self.slots = self.parameter_slots = 0
        self._shared: dict[tuple[str, int], int] = {}  # of a population's block: first of its shared weight rows
        self._weights: list[_Rows] = []
        self._parameters: list[np.ndarray] = []
        for part in slices:
            self._add(part)

    @property
    def neurons(self) -> int:
        """State that is taken, in neurons."""
        return self.slots * int(self._hardware.update)

    @property
    def parameters(self) -> int:
        """Parameters that are taken, in neurons."""
        return self.parameter_slots * int(self._hardware.update)

    def weights(self) -> np.ndarray:
        """int64 (places of weight rows, lanes)."""
        places = np.zeros((self.weight_rows, self._hardware.lanes), dtype=np.int64)
        at = 0
        for one in self._weights:
            made = rows.packed(one.weights(), one.together, self._formats.weight_bits)
            places[at : at + len(made), : made.shape[1]] = made
            at += len(made)
        return places

    def parameter_words(self) -> np.ndarray:
        """uint32 (neurons, words)."""
        return np.concatenate(self._parameters)

    def _add(self, part: Slice) -> None:
        network, plan = self._plan.network, self._plan
        population = network.neurons(part.population)
        resident = next(r for r in plan.residents(part.population) if r.group == part.group)
        block = resident.part.block
        neurons = plan.layouts[part.population].order()[part.first : part.first + part.count]
        readers = plan.readers(part.population, block)
        together = plan.together(part.population)
        shared_at = self._add_shared(part.population, block, readers)
        moving, height = sum(reader.reading.moving for reader in readers), math.ceil(part.count / block.width)
        moving_at = self._add_rows(_Rows(block, readers, neurons, together), height * moving)
        shares, parameter_slot = self._add_parameters(population, neurons, block)
        lines = [
            self._line(resident.part.first_line + line, line * block.columns * moving, readers, shared_at, moving_at)
            for line in range(resident.part.lines)
        ]
        slots = math.ceil(block.width / self._hardware.update)
        made = []
        for first, count in _runs(lines, neurons, block, words.MOST_STEP if self._hardware.spatial else 0):
            done = first * block.columns
            job = self._job(population, part, lines[first : first + count], block.columns)
            job.neurons = min(block.width, part.count - done * block.width)
            job.row_step = moving
            job.slot = self.slots + done * slots
            job.parameter_slot = parameter_slot + (0 if shares else done * slots)
            job.destination = resident.word + (self._hardware.spike_words if not population.spiking else 0)
            job.flags |= words.SHARES if shares else 0
            if self._hardware.looks_ahead:
                job.look_ahead()
            job.plane_words = resident.plane_words if job.planes > 1 else 0
            made.append(job)
        made[0].flags |= words.FIRST_JOB
        made[-1].flags |= words.LAST_JOB
        self.jobs += made
        self.slots += height * slots

    def _job(self, population: IntegerPopulation, part: Slice, lines: list[_Line], columns: int) -> Job:
        flags = words.FIRES if population.spiking else words.VALUES
        flags |= 0 if population.reset == "zero" else words.SUBTRACT  # no reset: nothing is subtracted
        flags |= words.SYNAPTIC if population.synaptic else 0
        flags |= dialects.flags(population)
        together = self._plan.together(part.population)
        segments = tuple(replace(s, together=together) for s in lines[0].segments)
        if columns == 1:
            segments = tuple(replace(s, column_step=0) for s in segments)
        if len(lines) > 1:
            steps = [b.address - a.address for a, b in zip(segments, lines[1].segments, strict=True)]
            segments = tuple(replace(s, line_step=step) for s, step in zip(segments, steps, strict=True))
        at = _find(self.segments, segments)
        if at is None:
            at = len(self.segments)
            self.segments += segments
        wait = frozenset[int]().union(*(line.wait for line in lines)) or frozenset({words.INPUT_GROUP})
        return Job(
            wait=wait,
            wait_before=frozenset[int]().union(*(line.wait_before for line in lines)),
            flags=flags,
            shift=population.shift,
            group=part.group,
            segments=segments,
            columns=columns,
            lines=len(lines),
            neurons=0,
            slot=0,
            parameter_slot=0,
            destination=0,
            row_step=0,
            first_segment=at,
            most=dialects.most_spikes(population.rules) if population.spiking else 0,
        )

    def _add_shared(self, name: str, block: Block, readers: list[Reader]) -> int:
        """Weight rows that all slices of a block on this core have in common."""
        key = (name, block.first)
        if key not in self._shared:
            shared = sum(reader.reading.shared for reader in readers)
            self._shared[key] = self._add_rows(_Rows(block, readers, None, self._plan.together(name)), shared)
        return self._shared[key]

    def _add_rows(self, made: _Rows, count: int) -> int:
        """So many weight rows, behind those that are there; the number of the first one."""
        at = rows.number(self.weight_rows, made.together, self._hardware)
        if count:
            self._weights.append(made)
            self.weight_rows += rows.places(count, made.together)
            self.rows += count
        return at

    def _add_parameters(self, population: IntegerPopulation, neurons: np.ndarray, block: Block) -> tuple[bool, int]:
        """Whether all rows have the same ones, and the first slot."""
        at, update = self.parameter_slots, self._hardware.update
        slots = math.ceil(block.width / update)
        packed = memory.pack_parameters(population, neurons, self._formats, self._hardware, self._words)
        count = math.ceil(len(neurons) / block.width)
        padded = np.zeros((count * block.width, self._words), dtype=np.uint32)
        padded[: len(packed)] = packed
        by_row = padded.reshape(count, block.width, self._words)
        full = by_row if len(packed) == len(padded) else by_row[:-1]
        tail = packed[len(full) * block.width :]
        shares = count > 1 and bool((full == full[0]).all()) and bool((tail == full[0][: len(tail)]).all())
        kept = by_row[:1] if shares else by_row
        made = np.zeros((len(kept), slots * update, self._words), dtype=np.uint32)
        made[:, : block.width] = kept
        self._parameters.append(made.reshape(-1, self._words))
        self.parameter_slots += len(kept) * slots
        return shares, at

    def _line(self, line: int, offset: int, readers: list[Reader], shared_at: int, moving_at: int) -> _Line:
        """All segments of one line."""
        wait, wait_before = set[int](), set[int]()
        reads: list[tuple[Reader, list[list[_InPlanes]]]] = []
        shared, moving = shared_at, moving_at + offset
        for reader in readers:
            positions = reader.reading.segments(line)
            sources = {reader.sources[segment.part].group for segments in positions for segment in segments}
            (wait_before if reader.late else wait).update(sources)
            reads.append((reader, [[_placed(reader, s, moving if s.moves else shared) for s in p] for p in positions]))
            shared += reader.reading.shared
            moving += reader.reading.moving
        return _Line(_passes(reads), frozenset(wait), frozenset(wait_before))


def _placed(reader: Reader, segment: Segment, first_row: int) -> _InPlanes:
    source = reader.sources[segment.part]
    placed = PlacedSegment(
        address=source.word * WORD + segment.at,
        before=reader.late,
        ends_plane=False,
        moves=segment.moves,
        row=first_row + segment.row,
        bits=segment.bits,
        first=segment.first,
        line_bits=segment.line_bits,
        column_step=segment.column_step,
        absent=segment.absent,
    )
    return placed, source.plane_words * WORD


def _passes(reads: list[tuple[Reader, list[list[_InPlanes]]]]) -> tuple[PlacedSegment, ...]:
    """In the order in which sums come about: window by window, position by position, then what is summed up only."""
    placed: list[PlacedSegment] = []
    for reader, positions in reads:
        for nth, own in enumerate(positions if reader.reading.windowed else ()):
            *others, last = _plane_by_plane([(reader, own)])
            closes = nth == len(positions) - 1
            placed += [*others, replace(last, ends_position=not closes, ends_window=closes)]
    summed = [(reader, positions[0]) for reader, positions in reads if not reader.reading.windowed]
    if any(own for _, own in summed) or not placed:
        placed += _plane_by_plane(summed)
    return tuple(placed)


def _plane_by_plane(reads: list[tuple[Reader, list[_InPlanes]]]) -> list[PlacedSegment]:
    """Bit plane by bit plane, the highest first."""
    most = max((reader.lift + reader.planes for reader, own in reads if own), default=1)
    placed: list[PlacedSegment] = []
    for plane in range(most - 1, -1, -1):
        here: list[PlacedSegment] = []
        for reader, own in reads:
            if 0 <= (of_source := plane - reader.lift) < reader.planes:
                here += [replace(segment, address=segment.address + of_source * bits) for segment, bits in own]
        # Nothing of the image is seen, or nothing of this plane read: a run of no bits.
        here = here or [PlacedSegment(0, False, False, False, 0, 0, 0, 0, 0)]
        placed += [*here[:-1], replace(here[-1], ends_plane=plane > 0)]
    return placed


def _runs(lines: list[_Line], neurons: np.ndarray, block: Block, most_step: int) -> list[tuple[int, int]]:
    """(first, count) of lines that one job can work off: alike but for addresses that move evenly, not too far."""
    runs, first = [], 0
    for i in range(1, len(lines) + 1):
        tail = i == len(lines) - 1 and len(neurons) < len(lines) * block.line_neurons
        if i == len(lines) or tail or i - first == words.MOST_LINES or not _continues(lines, first, i, most_step):
            runs.append((first, i - first))
            first = i
    return runs


def _continues(lines: list[_Line], first: int, i: int, most_step: int) -> bool:
    before, now = lines[i - 1].segments, lines[i].segments
    if len(before) != len(now):
        return False
    steps = [b.address - a.address for a, b in zip(before, now, strict=True)]
    alike = all(
        replace(b, address=a.address, row=a.row if b.moves else b.row) == a for a, b in zip(before, now, strict=True)
    )
    if not alike or not all(0 <= step <= most_step for step in steps):
        return False
    if i - first == 1:
        return True
    earlier = lines[i - 2].segments
    return steps == [b.address - a.address for a, b in zip(earlier, before, strict=True)]


def _find(known: list[PlacedSegment], wanted: tuple[PlacedSegment, ...]) -> int | None:
    """Where the same segments stand already."""
    for at in range(len(known) - len(wanted) + 1):
        if known[at] == wanted[0] and tuple(known[at : at + len(wanted)]) == wanted:
            return at
    return None


def _rows_of(neurons: np.ndarray, block: Block) -> list[np.ndarray]:
    return [neurons[i : i + block.width] for i in range(0, len(neurons), block.width)]
