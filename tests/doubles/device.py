"""A device in plain Python: the reference of the protocol (docs/link.md) that the RTL is tested against."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
import zlib
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from nirdeploy.backends.fpga import memory
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.protocol import (
    EXTERNAL,
    HELD,
    MAX_PROBES,
    MOST_READ,
    NEW_SAMPLE,
    PACKED,
    PLAYING,
    PLAYS,
    PROTOCOL,
    RAW,
    REPLY,
    STOP,
    DeviceStatus,
    Hello,
    Kind,
    Status,
)
from nirdeploy.targets.tables import Target
from tests.doubles import memories
from tests.doubles.fabric import GatherFabric
from tests.doubles.outputs import Outputs
from tests.doubles.player import Player, Stopped

_MAX_BODY = 512
_OUTPUT_BYTES = 480
_NO_IMAGE, _READY, _RUNNING = 0, 1, 2


class DeviceModel:
    """What the hardware does with the bytes of the line: :meth:`feed` bytes, get bytes.

    Args:
        target: whose hardware to be. Memories hold what was written, like the real ones'.
        pace: steps of the cores that a play comes forward whenever the device is asked for its status.
    """

    def __init__(self, target: Target, pace: int = 1000) -> None:
        self.target, self._pace = target, pace
        sizes = memories.memory_map(target)
        self._memories = {address: np.zeros(words, dtype=np.uint32) for address, words in sizes.items()}
        self._decoder = Decoder(_MAX_BODY)
        self._image_hash = b""
        self._fabric: GatherFabric | None = None
        self._expected_seq = self._output_seq = self._steps = self._saturations = self._cycles = 0
        self._new_sample, self._more = False, 0
        self._pending = bytearray()  # input stream, not yet a whole step
        self._output = bytearray()
        self.external = np.zeros(getattr(target.hardware, "external", 0) << 18, dtype=np.uint32)
        self._playing: Iterator[None] | None = None
        self._player: Player | None = None
        self._failed = False

    def feed(self, data: bytes) -> bytes:
        """Bytes from the host; what goes back on the line."""
        self._cycles += len(data)
        return b"".join(self._answer(frame) for frame in self._decoder.feed(data))

    def read(self, address: int, count: int) -> np.ndarray:
        """Words of a memory (raises KeyError outside of the memories)."""
        if self._is_external(address):
            offset = address - EXTERNAL
            if count < 1 or offset + count > len(self.external):
                raise KeyError(address)
            return self.external[offset : offset + count]
        start = address & ~0xFFFFF
        held, offset = self._memories[start], address - start
        if count < 1 or offset + count > len(held):
            raise KeyError(address)
        return held[offset : offset + count]

    # --- requests -------------------------------------------------------------------------

    def _answer(self, frame: Frame) -> bytes:
        handlers: dict[int, Callable[[Frame], bytes]] = {
            Kind.HELLO: lambda _: self._hello().pack(),
            Kind.WRITE: self._write,
            Kind.DIGEST: self._digest,
            Kind.COMMIT: self._commit,
            Kind.BEGIN: self._begin,
            Kind.STEPS: self._take_steps,
            Kind.STATUS: lambda _: self._status().pack(),
        }
        if len(self.external):
            handlers |= {Kind.PLAY: self._play, Kind.READ: self._read_external}
        if self._playing and frame.kind not in (Kind.HELLO, Kind.STATUS, Kind.PLAY):
            handlers = dict.fromkeys(handlers, lambda frame: _refused(frame, Status.BUSY))
        handler = handlers.get(frame.kind)
        payload = handler(frame) if handler else bytes([Status.BAD_REQUEST])
        return self._output_frames() + encode(Frame(frame.kind | REPLY, frame.seq, payload))

    def _hello(self) -> Hello:
        hardware = self.target.hardware
        return Hello(
            protocol=PLAYS if len(self.external) else PROTOCOL,
            state=self._state(),
            window=hardware.window,
            max_body=_MAX_BODY,
            cores=hardware.cores,
            groups=hardware.groups,
            lanes=hardware.lanes,
            counters=hardware.counters,
            held_words=hardware.spike_words if hardware.held else 0,
            weight_rows=hardware.weight_rows,
            neurons=hardware.neurons,
            signature=self.target.signature,
            image_hash=self._image_hash or bytes(32),
        )

    def _status(self) -> DeviceStatus:
        self._come_forward()
        bad = min(self._decoder.bad_frames, 0xFFFF)
        return DeviceStatus(self._state(), bad, self._cycles, 0, self._steps, self._saturations, self._failed)

    def _state(self) -> int:
        if self._playing:
            return PLAYING
        return _RUNNING if self._fabric else _READY if self._image_hash else _NO_IMAGE

    def _write(self, frame: Frame) -> bytes:
        address = int.from_bytes(frame.payload[:4], "little")
        data = frame.payload[4:]
        try:
            if len(data) % 4:
                raise KeyError(address)
            held = self.read(address, len(data) // 4)
        except KeyError:
            return bytes([Status.BAD_REQUEST]) + address.to_bytes(4, "little")
        if not self._is_external(address):
            self._image_hash, self._fabric = b"", None
        self._put(address, np.frombuffer(data, dtype="<u4"))
        return bytes([Status.OK]) + ((address + len(held)) & 0xFFFFFFFF).to_bytes(4, "little")

    def _put(self, address: int, words: np.ndarray) -> None:
        """Write into any memory. Raises KeyError outside of them."""
        held = self.read(address, len(words))
        held[:] = words if self._is_external(address) else words & memories.present(self.target, address, len(words))

    def _is_external(self, address: int) -> bool:
        return address >> 28 == EXTERNAL >> 28 and len(self.external) > 0

    def _digest(self, frame: Frame) -> bytes:
        if len(frame.payload) != 8:
            return bytes([Status.BAD_REQUEST]) + bytes(4)
        found = self._crc(frame.payload)
        if found is None:
            return bytes([Status.BAD_REQUEST]) + bytes(4)
        self._fabric = None
        return bytes([Status.OK]) + found.to_bytes(4, "little")

    def _crc(self, span: bytes) -> int | None:
        address, count = int.from_bytes(span[:4], "little"), int.from_bytes(span[4:8], "little")
        if count > 1 << 20:
            return None
        try:
            return zlib.crc32(self.read(address, count).astype("<u4").tobytes())
        except KeyError:
            return None

    def _commit(self, frame: Frame) -> bytes:
        self._image_hash, self._fabric = b"", None
        hash_, entries = frame.payload[:32], frame.payload[32:]
        if len(hash_) < 32:
            return bytes([Status.BAD_REQUEST, 0])
        for index in range(len(entries) // 12):
            entry = entries[12 * index : 12 * index + 12]
            found = self._crc(entry[:8])
            if found is None:
                return bytes([Status.BAD_REQUEST, index])
            if found != int.from_bytes(entry[8:], "little"):
                return bytes([Status.DIGEST_MISMATCH, index])
        if len(entries) % 12:
            return bytes([Status.BAD_REQUEST, len(entries) // 12])
        self._image_hash = hash_
        return bytes([Status.OK, len(entries) // 12])

    # --- external memory ------------------------------------------------------------------

    def _read_external(self, frame: Frame) -> bytes:
        address, count = int.from_bytes(frame.payload[:4], "little"), int.from_bytes(frame.payload[4:], "little")
        if len(frame.payload) != 6 or not self._is_external(address) or count > MOST_READ:
            return bytes([Status.BAD_REQUEST])
        try:
            return bytes([Status.OK]) + self.read(address, count).astype("<u4").tobytes()
        except KeyError:
            return bytes([Status.BAD_REQUEST])

    def _play(self, frame: Frame) -> bytes:
        at = int.from_bytes(frame.payload, "little")
        if len(frame.payload) == 4 and at == STOP:
            self._playing = None
            return bytes([Status.OK])
        if self._playing:
            return bytes([Status.BUSY])
        if len(frame.payload) != 4 or at >= len(self.external):
            return bytes([Status.BAD_REQUEST])
        self._image_hash, self._fabric, self._failed = b"", None, False
        self._steps = self._saturations = 0
        self._player = Player(self.target, self.external, self.read, self._put)
        self._playing = self._player.play(at)
        return bytes([Status.OK])

    def _come_forward(self) -> None:
        """Play on for a while."""
        if self._playing and self._player:
            steps, going_on = 0, self._playing
            try:
                steps = sum(1 for _ in islice(going_on, self._pace))
            except Stopped:
                self._failed = True
            self._steps, self._saturations = self._player.steps, self._player.saturations
            if steps < self._pace:
                self._playing = None

    # --- run ------------------------------------------------------------------------------

    def _begin(self, frame: Frame) -> bytes:
        self._fabric = None
        if not self._image_hash:
            return bytes([Status.NO_IMAGE])
        if len(frame.payload) % 6 or len(frame.payload) > 6 * MAX_PROBES:
            return bytes([Status.BAD_REQUEST])
        self._outputs = Outputs(frame.payload, self.target.hardware.counters)
        self._fabric = GatherFabric(self.target, lambda a, n: self.read(a, n) if n else np.zeros(0, dtype=np.uint32))
        self._expected_seq = (frame.seq + 1) % 256
        self._output_seq = self._steps = self._saturations = 0
        self._new_sample, self._more = False, 0
        self._pending.clear()
        self._output.clear()
        return bytes([Status.OK])

    def _take_steps(self, frame: Frame) -> bytes:
        if self._fabric is None:
            return bytes([Status.NO_IMAGE])
        if frame.seq != self._expected_seq:
            return bytes([Status.OUT_OF_SEQUENCE])
        self._expected_seq = (self._expected_seq + 1) % 256
        self._pending += frame.payload
        while (bitmap := self._next_bitmap()) is not None:
            for _ in range(self._more + 1):
                self._output += self._outputs.of_step(self._fabric.step(bitmap, self._new_sample))
                self._new_sample = False
                self._steps += 1
            self._more = 0
            self._saturations = self._fabric.saturations
        return bytes([Status.OK])

    def _next_bitmap(self) -> np.ndarray | None:
        """The next whole step of the input stream, uint32 words."""
        pending, holds = self._pending, self.target.hardware.held
        while pending and (pending[0] == NEW_SAMPLE or (holds and pending[0] == HELD and len(pending) > 1)):
            if pending[0] == NEW_SAMPLE:
                self._new_sample = True
                del pending[0]
            else:
                self._more = pending[1]
                del pending[:2]
        if not pending or (holds and pending[0] == HELD):
            return None
        words = int(self.read(memory.address(memory.GLOBAL, memory.CONTROL), 1)[0])
        head, body = pending[0], pending[1:]
        if holds and head == PACKED:
            return self._unpacked(words)
        size = 4 * words if head == RAW else 2 * head
        if len(body) < size:
            return None
        del pending[: 1 + size]
        if head == RAW:
            return np.frombuffer(bytes(body[:size]), dtype="<u4").astype(np.uint32)
        bits = np.zeros(32 * words, dtype=np.uint8)
        events = np.frombuffer(bytes(body[:size]), dtype="<u2")
        bits[events[events < len(bits)]] = 1
        return np.packbits(bits, bitorder="little").view(np.uint32)

    def _unpacked(self, words: int) -> np.ndarray | None:
        """A packed bitmap, where all of it has come."""
        bitmap, at = bytearray(), 1
        while len(bitmap) < 4 * words:
            mask = self._pending[at : at + 1]
            at += 1
            for bit in range(min(8, 4 * words - len(bitmap))):
                if not mask:
                    return None
                here = mask[0] >> bit & 1
                if at + here > len(self._pending):
                    return None
                bitmap += self._pending[at : at + 1] if here else b"\0"
                at += here
        del self._pending[:at]
        return np.frombuffer(bytes(bitmap), dtype="<u4").astype(np.uint32)

    def _output_frames(self) -> bytes:
        wire = b""
        while self._output:
            wire += encode(Frame(Kind.OUTPUT, self._output_seq, bytes(self._output[:_OUTPUT_BYTES])))
            self._output_seq = (self._output_seq + 1) % 256
            del self._output[:_OUTPUT_BYTES]
        return wire


def _refused(frame: Frame, status: Status) -> bytes:
    """An answer of the usual length whose rest means nothing."""
    rest = {Kind.WRITE: 4, Kind.DIGEST: 4, Kind.COMMIT: 1}
    return bytes([status]) + bytes(rest.get(Kind(frame.kind), 0))


class ServedModel:
    """A device model behind a real pseudo-terminal, in a thread. ``port`` is what to open."""

    def __init__(self, model: DeviceModel) -> None:
        self._model = model
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._wake_out, self._wake_in = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> ServedModel:
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._wake_in, b"x")
        self._thread.join()
        for fd in (self._master, self._slave, self._wake_in, self._wake_out):
            os.close(fd)

    def _serve(self) -> None:
        while True:
            readable, _, _ = select.select([self._master, self._wake_out], [], [])
            if self._wake_out in readable:
                return
            reply = self._model.feed(os.read(self._master, 65536))
            while reply:
                reply = reply[os.write(self._master, reply) :]
