"""The player in plain Python: what a program in external memory means (docs/player.md), without clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nirdeploy.device.protocol import MAX_PROBES
from nirdeploy.targets.tables import Target
from tests.doubles.fabric import GatherFabric, Reader

END, LOAD, PROBE, RUN, COPY, SUM = range(6)
ZEROS = 15  # the stream that is no stream
MOST_SOURCES = 15


class Stopped(Exception):
    """The program makes no sense; the player stops and says that it failed."""


@dataclass(frozen=True)
class _Stream:
    base: int
    per_sample: int
    per_step: int
    delay: int


@dataclass(frozen=True)
class _Bits:
    """What a gather list says, bit by bit: from which stream, and how far from where it stands."""

    streams: np.ndarray
    offsets: np.ndarray


class Player:
    """A program at work.

    Args:
        target: the hardware.
        memory: the words of the external memory.
        read: gives words of the device's own memories.
        write: writes words to an address of them, as WRITE does; raises KeyError outside of them.
    """

    def __init__(
        self, target: Target, memory: np.ndarray, read: Reader, write: Callable[[int, np.ndarray], None]
    ) -> None:
        self._target, self._memory, self._read, self._write = target, memory, read, write
        self._probes: list[tuple[int, int]] = []  # first word and words of each entry
        self.steps = self.saturations = 0

    def play(self, at: int) -> Iterator[None]:
        """Play the program at a word address; pauses after every step of the cores. Raises :class:`Stopped`."""
        pc = at
        while True:
            code, arg = self._word(pc) >> 24, self._word(pc) & 0xFFFFFF
            pc += 1
            if code == END:
                return
            if code == LOAD:
                self._load(self._word(pc))
                pc += 1
            elif code == PROBE:
                self._take_probes(arg, pc)
                pc += 2 * arg
            elif code in (RUN, COPY):
                samples, tiles, to, load, table, count = self._words(pc, 6).tolist()
                streams = [_Stream(*self._words(pc + 6 + 4 * n, 4).tolist()) for n in range(count)]
                if count > ZEROS:
                    raise Stopped("more streams than there may be")
                pc += 6 + 4 * count
                lists = [self._gather_list(self._word(table + tile), count) for tile in range(tiles)]
                if code == COPY:
                    self._copy(samples, arg, streams, lists, to)
                else:
                    yield from self._run(samples, arg, streams, lists, to, load)
            elif code == SUM:
                records, values, to, count = self._words(pc, 4).tolist()
                if count > MOST_SOURCES or not 1 <= arg <= 32:
                    raise Stopped("a sum of too much")
                sources = self._words(pc + 4, 3 * count).reshape(count, 3).tolist()
                self._sum(arg, records, values, to, sources)
                pc += 4 + 3 * count
            else:
                raise Stopped(f"there is no operation {code}")

    # --- words ----------------------------------------------------------------------------

    def _words(self, at: int, count: int) -> np.ndarray:
        if at + count > len(self._memory):
            raise Stopped("beyond the memory")
        return self._memory[at : at + count]

    def _word(self, at: int) -> int:
        return int(self._words(at, 1)[0])

    def _store(self, at: int, words: np.ndarray) -> int:
        self._words(at, len(words))[:] = words
        return at + len(words)

    # --- operations -----------------------------------------------------------------------

    def _load(self, at: int) -> None:
        while count := self._word(at):
            address, source = self._words(at + 1, 2).tolist()
            try:
                self._write(address, self._words(source, count))
            except KeyError:
                raise Stopped("a load list names what is no memory") from None
            at += 3

    def _take_probes(self, count: int, at: int) -> None:
        if count > MAX_PROBES:
            raise Stopped("more probes than there may be")
        self._probes = []
        for low, high in self._words(at, 2 * count).reshape(count, 2).tolist():
            address, size, kind = low >> 16, high & 0xFFFF, low >> 8 & 0xFF
            if kind > 1 or size % 4 or address + size // 4 > self._target.hardware.out_words:
                raise Stopped("no probe of whole words in every step")
            self._probes.append((address, size // 4))

    def _gather_list(self, at: int, streams: int) -> _Bits:
        found: list[np.ndarray] = []
        of: list[np.ndarray] = []
        while self._word(at + 1) & 0xFFFF:
            words = self._words(at, 5).tolist()
            stream, first = words[0] >> 28, words[0] & 0xFFFFFFF
            if stream != ZEROS and stream >= streams:
                raise Stopped("there is no such stream")
            bits, within, without = words[1] & 0xFFFF, words[1] >> 16, words[3]
            step, outer = _signed(words[2]), _signed(words[4])
            places = (
                first
                + outer * np.arange(without)[:, None, None]
                + step * np.arange(within)[None, :, None]
                + np.arange(bits)[None, None, :]
            ).ravel()
            found.append(places)
            of.append(np.full(len(places), stream))
            at += 5
        if not found:
            return _Bits(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        return _Bits(np.concatenate(of), np.concatenate(found))

    def _gathered(self, bits: _Bits, streams: list[_Stream], sample: int, step: int) -> np.ndarray:
        """The words that a gather list makes in a step of a sample."""
        stands = np.full(ZEROS + 1, -1, dtype=np.int64)
        for number, stream in enumerate(streams):
            if step >= stream.delay:
                stands[number] = stream.base + sample * stream.per_sample + (step - stream.delay) * stream.per_step
        stand = stands[bits.streams]
        at = np.where(stand < 0, 0, 32 * stand + bits.offsets)
        if (at < 0).any() or (at >> 5 >= len(self._memory)).any():
            raise Stopped("a gather list reads beyond the memory")
        made = self._memory[at >> 5] >> (at & 31).astype(np.uint32) & 1
        made = np.where(stand < 0, 0, made).astype(np.uint8)
        packed = np.packbits(made, bitorder="little")
        return np.pad(packed, (0, -len(packed) % 4)).view(np.uint32)

    def _run(
        self, samples: int, steps: int, streams: list[_Stream], lists: list[_Bits], to: int, load: int
    ) -> Iterator[None]:
        """What is loaded meanwhile is loaded first here: it must not matter."""
        if load:
            self._load(load)
        words = int(self._read(0xFF << 24, 1)[0])
        fabric = GatherFabric(self._target, lambda a, n: self._read(a, n) if n else np.zeros(0, dtype=np.uint32))
        before = self.saturations
        for sample in range(samples):
            for bits in lists:
                if len(bits.offsets) != 32 * words:
                    raise Stopped("a gather list does not fill the input bitmap")
                for step in range(steps):
                    out = fabric.step(self._gathered(bits, streams, sample, step), step == 0)
                    for address, count in self._probes:
                        to = self._store(to, out[address : address + count])
                    self.steps += 1
                    self.saturations = before + fabric.saturations
                    yield

    def _copy(self, samples: int, steps: int, streams: list[_Stream], lists: list[_Bits], to: int) -> None:
        for sample in range(samples):
            for bits in lists:
                for step in range(steps):
                    to = self._store(to, self._gathered(bits, streams, sample, step))

    def _sum(self, planes: int, records: int, values: int, to: int, sources: list[list[int]]) -> None:
        words = -(-values // 32)
        for record in range(records):
            total = np.zeros(values, dtype=np.int64)
            for address, stride, held in sources:
                at = address + record * stride
                if held == 0:
                    total += self._words(at, values).view(np.int32)
                else:
                    own = self._words(at, held * words).reshape(held, words)
                    for plane in range(held):
                        total += _bits(own[plane])[:values].astype(np.int64) << plane
            for plane in range(planes):
                to = self._store(to, _packed(total >> plane & 1, words))


def _signed(word: int) -> int:
    return word - (word >> 31 << 32)


def _bits(words: np.ndarray) -> np.ndarray:
    return np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little")


def _packed(bits: np.ndarray, words: int) -> np.ndarray:
    packed = np.packbits(bits.astype(np.uint8), bitorder="little")
    return np.pad(packed, (0, 4 * words - len(packed))).view(np.uint32)
