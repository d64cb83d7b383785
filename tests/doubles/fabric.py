"""The gather cores in plain Python: what the words of an image mean, without clocks.

Reads jobs, segments, weights and parameters out of a device's memories as the Verilog (``core.v``) does, and
works them off step by step. The reference for the packing, and what makes the plain device model run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nirdeploy.backends.fpga import jobs as flags
from nirdeploy.backends.fpga import memory
from nirdeploy.integers import rounding
from nirdeploy.targets.tables import Target

LAST = 2  # position of its window
Reader = Callable[[int, int], np.ndarray]  # (address, words) -> uint32


@dataclass
class _Job:
    """One decoded job; fields as in job_fetch.v."""

    wait: int
    flags: int
    shift: int
    group: int
    first_segment: int
    segments: int
    columns: int
    lines: int
    neurons: int
    slot: int
    parameter_slot: int
    destination: int
    row_step: int
    plane_words: int
    most: int
    planes: int


@dataclass
class _Segment:
    """One decoded segment; fields as in segment_place.v."""

    address: int
    before: bool
    ends_plane: bool
    moves: bool
    row: int
    bits: int
    first: int
    line_bits: int
    column_step: int
    line_step: int
    position: int
    absent: tuple[int, int]


class GatherFabric:
    """Cores with the content of a device's memories.

    Args:
        target: whose parameters the hardware has.
        read: gives words of the device's memories.
    """

    def __init__(self, target: Target, read: Reader) -> None:
        self._hardware, self._formats = target.hardware, target.formats
        self._cores = [_Core(target, read, number) for number in range(target.hardware.cores)]
        self._before = np.zeros(target.hardware.out_words, dtype=np.uint32)
        self.saturations = 0

    def step(self, bitmap: np.ndarray, first: bool) -> np.ndarray:
        """One step: the input bitmap (uint32 words) to all bitmaps and values (uint32, ``out_words``).

        Raises:
            ValueError: the jobs wait for groups that no core completes.
        """
        out = np.zeros(self._hardware.out_words, dtype=np.uint32)
        out[: len(bitmap)] = bitmap
        complete = 1 << flags.INPUT_GROUP
        for core in self._cores:
            core.restart()
        while any(core.pending for core in self._cores):
            progress = False
            for core in self._cores:
                while core.pending and core.pending[0].wait & ~complete == 0:
                    complete |= core.work(out, np.zeros_like(out) if first else self._before, first)
                    progress = True
            if not progress:
                raise ValueError("a job waits for a group that no core completes")
        self.saturations = sum(core.saturations for core in self._cores)
        self._before = out.copy()
        return out


class _Core:
    """One core: its jobs, segments, weights, parameters and membranes."""

    def __init__(self, target: Target, read: Reader, number: int) -> None:
        self._update, self._lanes = target.hardware.update, target.hardware.lanes
        self._formats = target.formats
        jobs = int(read(memory.address(number, memory.CONTROL, 1), 1)[0])
        words = read(memory.address(number, memory.JOBS), jobs * flags.WORDS).reshape(jobs, flags.WORDS)
        self._jobs = [_job([int(word) for word in row]) for row in words]
        self._read, self._number, self._segment_words = read, number, memory.segment_words(target)
        hardware = target.hardware
        words = read(memory.address(number, memory.PARAMETERS), hardware.parameters * memory.parameter_words(target))
        self._parameters = _unpack_parameters(words.reshape(hardware.parameters, -1), target)
        self._v, self._i = np.zeros(hardware.neurons, dtype=np.int64), np.zeros(hardware.neurons, dtype=np.int64)
        self._dialects, self._hardware = bool(hardware.dialects), hardware
        self._left: list[np.ndarray] = []
        self.pending: list[_Job] = []
        self.saturations = 0

    def restart(self) -> None:
        """All jobs of a new step lie ahead."""
        self.pending = list(self._jobs)

    def work(self, out: np.ndarray, before: np.ndarray, first: bool) -> int:
        """Carry out the next job; the mask of the group it completes, or 0. ``before``: the last step's ``out``."""
        job = self.pending.pop(0)
        bits = _bits(out), _bits(before)
        if job.flags & flags.FIRST_JOB:
            self._left = []
        segments = self._segments(job)
        slots = -(-job.neurons // self._update) * self._update
        for row in range(job.lines * job.columns):
            acc = self._sums(job, segments, row, bits)
            state = job.slot * self._update + row * slots
            own = job.parameter_slot * self._update + (0 if job.flags & flags.SHARES else row * slots)
            values, spikes = self._advance(job, acc, state, own, first)
            padding = np.zeros(slots - job.neurons, dtype=np.int64)
            self._left.append(values if job.flags & flags.VALUES else np.concatenate([spikes, padding]))
        if not job.flags & flags.LAST_JOB:
            return 0
        whole = np.concatenate(self._left)
        are_values = bool(job.flags & flags.VALUES)
        for plane in range(job.planes):
            words = whole.astype(np.int32).view(np.uint32) if are_values else _words(whole >> plane & 1)
            at = job.destination + plane * job.plane_words
            out[at : at + len(words)] = words
        return 1 << job.group

    def _segments(self, job: _Job) -> list[_Segment]:
        each = self._segment_words
        at = memory.address(self._number, memory.SEGMENTS, job.first_segment * each)
        words = self._read(at, job.segments * each).reshape(job.segments, each)
        return [_segment([int(word) for word in row]) for row in words]

    def _sums(self, job: _Job, segments: list[_Segment], row: int, bits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """What arrives at the lanes for one row of neurons: int64 (neurons,)."""
        line, column = divmod(row, job.columns)
        acc, windows = np.zeros((2, self._lanes), dtype=np.int64)
        window: list[np.ndarray] = []
        for segment in segments:
            there = segment.absent[0] <= column < job.columns - segment.absent[1]
            for bit, weight_row in _walked(segment, line, column) if there else ():
                if bits[segment.before][bit]:
                    acc += self._weights(weight_row + (row * job.row_step if segment.moves else 0))
            if segment.ends_plane:
                acc = 2 * acc
            if segment.position:
                window += [acc] if there else []
                acc = np.zeros_like(acc)
            if segment.position == LAST:
                windows, window = windows + np.max(window, axis=0), []
        return (acc + windows)[: job.neurons]

    def _weights(self, row: int) -> np.ndarray:
        """Of a row by its number, modulo 2^16: alone at its place, or one of two or four there."""
        bits, held = self._formats.weight_bits, (self._hardware.weight_rows - 1).bit_length()
        per_row, together, row = self._lanes * bits // 32, 1, row & 0xFFFF
        if self._hardware.packs(bits) == 4 and row >= 1 << held + 2:
            row, together = row - (1 << held + 2), 4
        elif self._hardware.packs(bits) > 1 and row >= 1 << held + 1:
            row, together = row - (1 << held + 1), 2
        place, part = divmod(row, together)
        words = self._read(memory.address(self._number, memory.WEIGHTS, place * per_row), per_row).astype(np.uint64)
        fields = (words[:, None] >> (np.arange(32 // bits, dtype=np.uint64) * np.uint64(bits))).ravel()
        own = bits // together
        return _signed(fields.astype(np.int64) >> part * own & (2**own - 1), own)

    def _advance(self, job: _Job, acc: np.ndarray, state: int, own: int, first: bool) -> tuple[np.ndarray, np.ndarray]:
        neurons, named = slice(state, state + job.neurons), slice(own, own + job.neurons)
        at = {name: column[named] for name, column in self._parameters.items()}
        saturated = np.zeros(job.neurons, dtype=bool)
        top, bits = 2 ** (self._formats.state_bits - 1) - 1, self._formats.decay_bits

        def held(total: np.ndarray) -> np.ndarray:
            nonlocal saturated
            inside: np.ndarray = np.clip(total, -top - 1, top)
            saturated = saturated | (inside != total)
            return inside

        def after(v: np.ndarray, spike: np.ndarray) -> np.ndarray:
            lowered = held(v - spike * at["reset"]) if job.flags & flags.SUBTRACT else at["reset"]
            return np.where(spike > 0, lowered, v)

        def left(state: np.ndarray, decay: np.ndarray, bias: np.ndarray, start: np.ndarray) -> np.ndarray:
            """What is there before anything enters; ``start`` is added up already where there are dialects."""
            if first and self._dialects:
                return start
            return rounding.decayed(start if first else state, decay, bits) + bias

        v, entering = self._v[neurons], acc << job.shift
        above = np.zeros(job.neurons, dtype=bool) if first else v > at["threshold"]
        if job.flags & flags.SYNAPTIC:
            none = np.zeros(job.neurons, dtype=np.int64)
            i = none if first else self._i[neurons].copy()
            start = at.get("synapse_initial", none)
            current = held(left(i, at["synapse_decay"], at["synapse_bias"], start) + entering)
            entering = i if job.flags & flags.OLD else current
            self._i[neurons] = current
        v = held(left(v, at["decay"], at["bias"], at["initial"]) + entering)
        if job.flags & flags.LATE:
            v = after(v, above)
        compared = after(v, above) if job.flags & flags.GUARD else v
        spike = self._fired(job, compared - at["threshold"], at.get("size"))
        if not job.flags & flags.LATE:
            v = after(v, spike)
        if job.flags & flags.BOUNDED:
            v = np.maximum(v, -at["size"])
        self.saturations += int(saturated.sum())
        self._v[neurons] = v
        return v.copy(), spike

    def _fired(self, job: _Job, over: np.ndarray, size: np.ndarray | None) -> np.ndarray:
        """int64: how many spikes of that size it takes until nothing is above the threshold, ``most`` at most."""
        if not job.flags & flags.FIRES:
            return np.zeros_like(over)
        if self._hardware.spike_planes == 1 or size is None:
            return (over > 0).astype(np.int64)
        spikes = np.zeros_like(over)
        for _ in range(job.most):
            spikes += over - spikes * size > 0
        return spikes


def _walked(segment: _Segment, line: int, column: int) -> Iterator[tuple[int, int]]:
    """(bit address, weight row) of what a row of neurons reads of a segment."""
    start = segment.first + column * segment.column_step
    base = segment.address + line * segment.line_step
    for k in range(max(-start, 0), min(segment.bits, segment.line_bits - start)):
        yield base + start + k, segment.row + k


def _job(word: list[int]) -> _Job:
    return _Job(
        wait=word[0],
        flags=word[4] & ~0x1F0F00,
        shift=word[4] >> 8 & 0xF,
        group=word[4] >> 16 & 0x1F,
        first_segment=word[5] & 0xFFFF,
        segments=word[5] >> 16,
        columns=word[6] & 0xFFF,
        lines=word[6] >> 12 & 0xFFF,
        neurons=(word[6] >> 24) + 1,
        slot=word[7] & 0xFFFF,
        parameter_slot=word[7] >> 16,
        destination=word[8] & 0xFFFF,
        row_step=word[9] & 0xFFFF,
        plane_words=word[8] >> 16,
        most=word[9] >> 16 & 0x1F,
        planes=(word[9] >> 24) + 1,
    )


def _segment(word: list[int]) -> _Segment:
    """Where the hardware knows no grid, a segment is a run of bits and nothing else."""
    bits = word[1] >> 16
    grid = word[2:] or [bits << 16, 0]
    first = grid[0] & 0xFFFF
    return _Segment(
        address=word[0] & 0xFFFFF,
        before=bool(word[0] & flags.BEFORE),
        ends_plane=bool(word[0] & flags.ENDS_PLANE),
        moves=bool(word[0] & flags.MOVES),
        row=word[1] & 0xFFFF,
        bits=bits,
        first=first - (first >> 15 << 16),
        line_bits=grid[0] >> 16,
        column_step=grid[1] & 0xFFFF,
        line_step=grid[1] >> 16,
        position=word[0] >> 23 & 3,
        absent=(word[0] >> 25 & 7, word[0] >> 28 & 7),
    )


def _unpack_parameters(words: np.ndarray, target: Target) -> dict[str, np.ndarray]:
    """int64 over all neurons, by field."""
    position, columns = 0, {}
    rows = [int.from_bytes(row.astype("<u4").tobytes(), "little") for row in words]
    for name, width in memory.parameter_fields(target.formats.of_network(), target.hardware).items():
        raw = np.array([row >> position & (2**width - 1) for row in rows], dtype=np.int64)
        columns[name] = raw if name.endswith("decay") else _signed(raw, width)
        position += width
    return columns


def _signed(raw: np.ndarray, bits: int) -> np.ndarray:
    return np.asarray(np.where(raw >= 2 ** (bits - 1), raw - 2**bits, raw))


def _words(spikes: np.ndarray) -> np.ndarray:
    packed = np.packbits(spikes, bitorder="little")
    return np.pad(packed, (0, -len(packed) % 4)).view(np.uint32)


def _bits(words: np.ndarray) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), bitorder="little")
