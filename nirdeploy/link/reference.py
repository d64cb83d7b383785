"""A device in plain Python: docs/link.md word for word, without a line's speed. The hardware's link is
tested against it, and it makes a thousand faulted flashes cheap.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nirdeploy.link.frame import OVERHEAD, Decoder, Frame, encode
from nirdeploy.link.protocol import MAX_EVENTS, NEW_SAMPLE, PROTOCOL, RAW, REPLY, DeviceStatus, Hello, Kind, Status

INPUT_WORDS = 0xFF000000  # where a device keeps the number of words of its input bitmap
_ENTRY = 12  # bytes of COMMIT per section
_PROBE = 6  # bytes of BEGIN per group
_PROBES = 32
_HASH = 32
_OUTPUT = 480  # payload bytes of a full OUTPUT frame


class Memory:
    """Word memories at ranges of addresses. ``ranges``: (first address, words) each."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._ranges = [(first, np.zeros(words, dtype="<u4")) for first, words in ranges]

    def view(self, address: int, count: int) -> np.ndarray | None:
        """The ``count`` words from ``address`` on, uint32, writable; None if they leave a memory."""
        for first, words in self._ranges:
            if count and first <= address and address + count <= first + len(words):
                return words[address - first : address - first + count]
        return None


class Fabric(Protocol):
    """What computes a run. ``saturations`` counts since :meth:`begin`."""

    saturations: int

    def begin(self, memory: Memory) -> None:
        """A run starts with what the memories hold."""

    def step(self, bitmap: np.ndarray, first: bool) -> np.ndarray:
        """One step: input words to output words, both uint32; BEGIN's word addresses count in the latter.

        ``first``: a new sample starts, the state returns to rest.
        """


class Idle:
    """A fabric without neurons, for devices that are only flashed."""

    saturations = 0

    def begin(self, memory: Memory) -> None:
        """Nothing to prepare."""

    def step(self, bitmap: np.ndarray, first: bool) -> np.ndarray:
        return np.zeros(1 << 16, dtype=np.uint32)


class DeviceModel:
    """Bytes in, bytes out.

    Args:
        signature: 8 bytes that name the hardware.
        memories: (first word address, words) of each memory; one must hold :data:`INPUT_WORDS`.
        fabric: what computes the steps.
        sizes: further fields of :class:`Hello`: window, max_body, cores, groups, lanes, ...
    """

    def __init__(
        self,
        signature: bytes,
        memories: Sequence[tuple[int, int]],
        fabric: Fabric | None = None,
        **sizes: int,
    ) -> None:
        defaults = {"window": 4096, "max_body": 512, "cores": 1, "groups": 32, "lanes": 32}
        self._sizes = {**defaults, "weight_rows": 0, "neurons": 0, **sizes}
        self._signature = signature
        self._fabric: Fabric = fabric or Idle()
        self._decoder = Decoder(self._sizes["max_body"])
        self._too_long = 0
        self.memory = Memory(memories)
        self.image_hash = b""
        self._streams: _Streams | None = None
        self._next_steps = 0
        self._cycles = self._steps = 0

    @property
    def running(self) -> bool:
        """Whether STEPS are welcome."""
        return self._streams is not None

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the line; what the device sends in turn."""
        self._cycles += len(data)
        sent = b""
        for frame in self._decoder.feed(data):
            if len(frame.payload) + OVERHEAD > self._sizes["max_body"]:
                self._too_long += 1
                continue
            reply = self._answer(frame)
            if self._streams:
                sent += self._streams.take_frames()
            sent += encode(Frame(frame.kind | REPLY, frame.seq, reply))
        return sent

    def _answer(self, frame: Frame) -> bytes:
        answers: dict[int, Callable[[Frame], bytes]] = {
            Kind.HELLO: self._hello,
            Kind.WRITE: self._write,
            Kind.DIGEST: self._digest,
            Kind.COMMIT: self._commit,
            Kind.BEGIN: self._begin,
            Kind.STEPS: self._take_steps,
            Kind.STATUS: self._status,
        }
        answer = answers.get(frame.kind)
        return answer(frame) if answer else bytes([Status.BAD_REQUEST])

    @property
    def _state(self) -> int:
        return 2 if self.running else 1 if self.image_hash else 0

    def _hello(self, _: Frame) -> bytes:
        return Hello(
            protocol=PROTOCOL,
            state=self._state,
            signature=self._signature,
            image_hash=self.image_hash or bytes(_HASH),
            **self._sizes,
        ).pack()

    def _status(self, _: Frame) -> bytes:
        return DeviceStatus(
            state=self._state,
            bad_frames=min(self._decoder.bad_frames + self._too_long, 0xFFFF),
            cycles=self._cycles,
            busy_cycles=self._steps,
            steps=self._steps + (self._streams.steps if self._streams else 0),
            saturations=self._fabric.saturations,
        ).pack()

    def _end_run(self) -> None:
        if self._streams:
            self._steps += self._streams.steps
            self._streams = None

    def _write(self, frame: Frame) -> bytes:
        payload, address = frame.payload, _u32(frame.payload, 0)
        words = None
        if len(payload) >= 8 and len(payload) % 4 == 0:
            words = self.memory.view(address, len(payload) // 4 - 1)
        if words is None:
            return _status_and_word(Status.BAD_REQUEST, address)
        self._end_run()
        self.image_hash = b""
        words[:] = np.frombuffer(payload, dtype="<u4", offset=4)
        return _status_and_word(Status.OK, address + len(words))

    def _digest(self, frame: Frame) -> bytes:
        words = None
        if len(frame.payload) == 8:
            words = self.memory.view(_u32(frame.payload, 0), _u32(frame.payload, 4))
        if words is None:
            return _status_and_word(Status.BAD_REQUEST, 0)
        self._end_run()
        return _status_and_word(Status.OK, zlib.crc32(words.tobytes()))

    def _commit(self, frame: Frame) -> bytes:
        self._end_run()
        self.image_hash = b""
        entries = frame.payload[_HASH:]
        for index in range(len(entries) // _ENTRY):
            address, count, expected = (_u32(entries, _ENTRY * index + offset) for offset in (0, 4, 8))
            words = self.memory.view(address, count)
            if words is None:
                return bytes([Status.BAD_REQUEST, index])
            if zlib.crc32(words.tobytes()) != expected:
                return bytes([Status.DIGEST_MISMATCH, index])
        sections = len(entries) // _ENTRY
        if len(frame.payload) < _HASH or len(entries) % _ENTRY:
            return bytes([Status.BAD_REQUEST, sections])
        self.image_hash = frame.payload[:_HASH]
        return bytes([Status.OK, sections])

    def _begin(self, frame: Frame) -> bytes:
        self._end_run()
        if not self.image_hash:
            return bytes([Status.NO_IMAGE])
        self._steps = 0
        self._fabric.begin(self.memory)
        table = frame.payload
        if len(table) % _PROBE or len(table) > _PROBE * _PROBES:
            return bytes([Status.BAD_REQUEST])
        probes = [_Probe.parse(table[i : i + _PROBE]) for i in range(0, len(table), _PROBE)]
        held = self.memory.view(INPUT_WORDS, 1)
        self._streams = _Streams(self._fabric, probes, 0 if held is None else int(held[0]))
        self._next_steps = (frame.seq + 1) % 256
        return bytes([Status.OK])

    def _take_steps(self, frame: Frame) -> bytes:
        if self._streams is None:
            return bytes([Status.NO_IMAGE])
        if frame.seq != self._next_steps:
            return bytes([Status.OUT_OF_SEQUENCE])
        self._next_steps = (frame.seq + 1) % 256
        self._streams.feed(frame.payload)
        return bytes([Status.OK])


@dataclass(frozen=True)
class _Probe:
    """An entry of BEGIN's table."""

    values: bool
    address: int
    size: int

    @classmethod
    def parse(cls, entry: bytes) -> _Probe:
        return cls(bool(entry[1] & 1), entry[2] | entry[3] << 8, entry[4] | entry[5] << 8)

    def encode(self, words: np.ndarray) -> bytes:
        """The group's part of a step of the output stream."""
        raw = words[self.address : self.address - (-self.size // 4)].astype("<u4").tobytes()[: self.size]
        if not self.values:
            events = np.flatnonzero(np.unpackbits(np.frombuffer(raw, dtype=np.uint8), bitorder="little"))
            if 2 * len(events) < self.size and len(events) <= MAX_EVENTS:
                return bytes([len(events)]) + events.astype("<u2").tobytes()
        return bytes([RAW]) + raw


class _Streams:
    """A run: the input stream to steps of the fabric, those to the output stream."""

    def __init__(self, fabric: Fabric, probes: Sequence[_Probe], input_words: int) -> None:
        self._fabric, self._probes, self._input_words = fabric, probes, input_words
        self._input = bytearray()
        self._output = bytearray()
        self._first = False
        self._number = 0  # of the next OUTPUT frame
        self.steps = 0

    def feed(self, data: bytes) -> None:
        """Take a piece of the input stream and do the steps that it completes."""
        self._input += data
        while self._input:
            head = self._input[0]
            if head == NEW_SAMPLE:
                self._first = True
                del self._input[0]
                continue
            length = 1 + (4 * self._input_words if head == RAW else 2 * head)
            if len(self._input) < length:
                return
            self._step(head, bytes(self._input[1:length]))
            del self._input[:length]

    def _step(self, head: int, body: bytes) -> None:
        bitmap = np.zeros(self._input_words, dtype="<u4")
        if head == RAW:
            bitmap[:] = np.frombuffer(body, dtype="<u4")
        else:
            events = np.frombuffer(body, dtype="<u2").astype(np.int64)
            bits = np.zeros(32 * self._input_words, dtype=np.uint8)
            bits[events[events < len(bits)]] = 1
            bitmap[:] = np.packbits(bits, bitorder="little").view("<u4")
        words = self._fabric.step(bitmap, self._first)
        self._first = False
        self.steps += 1
        for probe in self._probes:
            self._output += probe.encode(words)

    def take_frames(self) -> bytes:
        """The output stream so far, as OUTPUT frames."""
        sent = b""
        while self._output:
            sent += encode(Frame(Kind.OUTPUT, self._number, bytes(self._output[:_OUTPUT])))
            self._number = (self._number + 1) % 256
            del self._output[:_OUTPUT]
        return sent


def _u32(payload: bytes, offset: int) -> int:
    return int.from_bytes(payload[offset : offset + 4], "little")


def _status_and_word(status: Status, word: int) -> bytes:
    return bytes([status]) + word.to_bytes(4, "little")
