"""The gather cores in plain Python: what the words of an image mean, without clocks.

Reads jobs, weights and parameters out of a device's memories as the Verilog (``core.v``) does, and
works them off step by step. The reference for the packing, and what makes the plain device model run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nirdeploy.gather import packing as gather
from nirdeploy.network import Formats
from nirdeploy.sim import integer
from nirdeploy.target import Target

Reader = Callable[[int, int], np.ndarray]  # (address, words) -> uint32


@dataclass
class _Job:
    """One decoded job; fields as in core.v."""

    wait: int
    first_word: int
    words: int
    weight_row: int
    flags: int
    shift: int
    group: int
    neurons: int
    destination: int
    slot: int

    def is_ready(self, complete: int) -> bool:
        return bool(self.flags & gather.PREVIOUS) or self.wait & ~complete == 0


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
        complete = 1 << gather.INPUT_GROUP
        for core in self._cores:
            core.restart()
        while any(core.pending for core in self._cores):
            before = complete
            progress = False
            for core in self._cores:
                while core.pending and core.pending[0].is_ready(complete):
                    complete |= core.work(out, np.zeros_like(out) if first else self._before, first)
                    progress = True
            if not progress and complete == before:
                raise ValueError("a job waits for a group that no core completes")
        self.saturations = sum(core.saturations for core in self._cores)
        self._before = out.copy()
        return out


class _Core:
    """One core: its jobs, weights, parameters and membranes."""

    def __init__(self, target: Target, read: Reader, number: int) -> None:
        self._lanes, self._update = target.hardware.lanes, target.hardware.update
        self._formats = target.formats
        jobs = int(read(gather.address(number, gather.CONTROL, 1), 1)[0])
        words = read(gather.address(number, gather.JOBS), jobs * gather.JOB_WORDS).reshape(jobs, gather.JOB_WORDS)
        self._jobs = [self._decode([int(word) for word in row]) for row in words]
        self._read, self._number = read, number
        neurons = target.hardware.neurons
        parameters = read(gather.address(number, gather.PARAMETERS), neurons * gather.parameter_words(target))
        self._parameters = _unpack_parameters(parameters.reshape(neurons, -1), target)
        self._v, self._i = np.zeros(neurons, dtype=np.int64), np.zeros(neurons, dtype=np.int64)
        self._acc = np.zeros(self._lanes, dtype=np.int64)
        self._spikes: list[np.ndarray] = []
        self.pending: list[_Job] = []
        self.saturations = 0

    def restart(self) -> None:
        """All jobs of a new step lie ahead."""
        self.pending = list(self._jobs)

    def work(self, out: np.ndarray, before: np.ndarray, first: bool) -> int:
        """Carry out the next job; the mask of the group it completes, or 0. ``before``: the last step's ``out``."""
        job = self.pending.pop(0)
        read = before if job.flags & gather.PREVIOUS else out
        bits = np.unpackbits(read[job.first_word : job.first_word + job.words].view(np.uint8), bitorder="little")
        for row in np.flatnonzero(bits):
            self._acc += self._weights(job.weight_row + int(row))
        if not job.flags & gather.ENDS_ROW:
            return 0
        neurons = slice(job.slot * self._update, job.slot * self._update + job.neurons)
        values, spikes = self._advance(job, neurons, first)
        self._acc[:] = 0
        if job.flags & gather.FIRST_ROW:
            self._spikes = []
        self._spikes.append(values if job.flags & gather.VALUES else spikes)
        if not job.flags & gather.LAST_ROW:
            return 0
        whole = np.concatenate(self._spikes)
        words = whole.astype(np.int32).view(np.uint32) if job.flags & gather.VALUES else _words(whole)
        out[job.destination : job.destination + len(words)] = words
        return 1 << job.group

    def _weights(self, row: int) -> np.ndarray:
        bits = self._formats.weight_bits
        per_row = self._lanes * bits // 32
        words = self._read(gather.address(self._number, gather.WEIGHTS, row * per_row), per_row).astype(np.uint64)
        fields = (words[:, None] >> (np.arange(32 // bits, dtype=np.uint64) * np.uint64(bits))).ravel()
        return _signed(fields.astype(np.int64) & (2**bits - 1), bits)

    def _advance(self, job: _Job, neurons: slice, first: bool) -> tuple[np.ndarray, np.ndarray]:
        decay, bias, threshold, reset, initial, *synapse = (column[neurons] for column in self._parameters)
        top = 2 ** (self._formats.state_bits - 1) - 1
        v, bits = initial if first else self._v[neurons], self._formats.decay_bits
        entering = self._acc[: job.neurons] << job.shift
        saturated = np.zeros(job.neurons, dtype=bool)
        if job.flags & gather.SYNAPTIC:
            before = np.zeros(job.neurons, dtype=np.int64) if first else self._i[neurons]
            total = integer.decayed(before, synapse[0], bits) + entering + synapse[1]
            entering = self._i[neurons] = np.clip(total, -top - 1, top)
            saturated = entering != total
        total = integer.decayed(v, decay, bits) + entering + bias
        v = np.clip(total, -top - 1, top)
        saturated = saturated | (v != total)
        spike = (v > threshold) & bool(job.flags & gather.FIRES)
        after = reset
        if job.flags & gather.SUBTRACT:
            after = np.clip(v - reset, -top - 1, top)
            saturated = saturated | (spike & (after != v - reset))
        self.saturations += int(saturated.sum())
        self._v[neurons] = np.where(spike, after, v)
        return self._v[neurons].copy(), spike

    @staticmethod
    def _decode(word: list[int]) -> _Job:
        return _Job(
            wait=word[0],
            first_word=word[2] & 0xFFFF,
            words=word[2] >> 16,
            weight_row=word[3],
            flags=word[4] & (0xFF | gather.SYNAPTIC),
            shift=word[4] >> 8 & 0xF,
            group=word[4] >> 16 & 0x1F,
            neurons=word[5],
            destination=word[6],
            slot=word[7],
        )


def _unpack_parameters(words: np.ndarray, target: Target) -> list[np.ndarray]:
    """decay, bias, threshold, reset, initial (where there is room, the synapse too): int64 over all neurons."""
    position, columns = 0, []
    rows = [int.from_bytes(row.astype("<u4").tobytes(), "little") for row in words]
    widths = gather.parameter_widths(Formats(**target.formats.model_dump()))
    for index, width in enumerate(widths if target.hardware.synapse else widths[:5]):
        raw = np.array([row >> position & (2**width - 1) for row in rows], dtype=np.int64)
        columns.append(raw if index in (0, 5) else _signed(raw, width))
        position += width
    return columns


def _signed(raw: np.ndarray, bits: int) -> np.ndarray:
    return np.asarray(np.where(raw >= 2 ** (bits - 1), raw - 2**bits, raw))


def _words(spikes: np.ndarray) -> np.ndarray:
    packed = np.packbits(spikes, bitorder="little")
    return np.pad(packed, (0, -len(packed) % 4)).view(np.uint32)
