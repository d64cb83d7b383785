"""stream: a stimulus through a device that holds one image, step by step, and its spikes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from nirdeploy.device.client import Device, Progress
from nirdeploy.device.frame import OVERHEAD, Frame, encode
from nirdeploy.device.protocol import MAX_EVENTS, NEW_SAMPLE, RAW, REPLY, Kind, Status
from nirdeploy.errors import TransferError
from nirdeploy.records import spikes
from nirdeploy.targets.image import Image, Readout, input_bitmap, record_of

_RESTARTS = 50  # a restart costs at most the samples under way
_FRUITLESS = 4  # restarts in a row that gain nothing


class _Lost(Exception):
    """A frame is missing; the run goes on from the first sample that is not whole."""


class Stream:
    """One stimulus on its way through a device, which holds the image.

    Args:
        stimulus: what the image's inputs take, whole numbers, (T, B, *shape of the input).
        probed: populations to read.
        progress: called with (samples done, samples in all).
    """

    def __init__(
        self,
        device: Device,
        image: Image,
        stimulus: dict[str, np.ndarray],
        probed: tuple[str, ...],
        progress: Progress | None,
    ) -> None:
        self.device, self.image, self.progress = device, image, progress
        self.readouts = [readout for readout in image.readouts if readout.population in probed]
        self.time, self.batch = next(iter(stimulus.values())).shape[:2]
        self.samples = encode_samples(image, stimulus)
        self.decoder = _OutputDecoder(self.readouts, self.time)
        self.whole: list[np.ndarray] = []  # per sample: bytes of all probed groups, step by step

    def record(self) -> spikes.SpikeRecord:
        """Run it. Raises :class:`TransferError` if frames are lost more often than restarts mend."""
        restarts = fruitless = 0
        totals = {"cycles": 0.0, "busy_cycles": 0.0, "steps": 0.0, "saturations": 0.0}
        begin_cycles = self.device.status().cycles
        while len(self.whole) < self.batch:
            had = len(self.whole)
            try:
                self._stream(had)
            except _Lost as lost:
                restarts += 1
                fruitless = 0 if len(self.whole) > had else fruitless + 1
                if restarts > _RESTARTS or fruitless > _FRUITLESS:
                    raise TransferError(
                        f"the run lost frames {restarts} times, {len(self.whole)} of {self.batch} samples came through",
                        where=f"port {self.device.name}" if self.device.name else "",
                        hint=f"check the cable or lower the baud rate ({lost})",
                    ) from lost
            status = self.device.status()
            for name in ("busy_cycles", "steps", "saturations"):
                totals[name] += getattr(status, name)
        totals["cycles"] = float(status.cycles - begin_cycles)
        totals["restarts"] = float(restarts)
        return record_of(self.image, self._read(), "device", totals)

    def _stream(self, first: int) -> None:
        """Run from sample ``first`` on until all samples are whole. Raises :class:`_Lost`."""
        device = self.device
        seq = device.begin(_probe_table(self.readouts))
        self.decoder.restart()
        frames = _frames(self.samples[first:], device.max_body - OVERHEAD)
        waiting: deque[tuple[int, int]] = deque()  # (seq, encoded bytes) not yet answered
        in_flight, next_output, upcoming = 0, 0, next(frames, None)
        while len(self.whole) < self.batch:
            while upcoming is not None:
                wire = encode(Frame(Kind.STEPS, (seq + 1) % 256, upcoming))
                if waiting and in_flight + len(wire) > device.window:
                    break
                seq = device.next_seq()
                device.send(wire)
                waiting.append((seq, len(wire)))
                in_flight += len(wire)
                upcoming = next(frames, None)
            frame = device.receive(device.timeout * 2)
            if frame is None:
                raise _Lost("the device fell silent")
            if frame.kind == Kind.OUTPUT:
                if frame.seq != next_output:
                    raise _Lost("an OUTPUT frame is missing")
                next_output = (next_output + 1) % 256
                done = self.decoder.feed(frame.payload)
                self.whole += done
                if done and self.progress:
                    self.progress(len(self.whole), self.batch)
            elif frame.kind == Kind.STEPS | REPLY:
                if not waiting or frame.seq != waiting[0][0] or frame.payload[:1] != bytes([Status.OK]):
                    raise _Lost("a STEPS frame is missing")
                in_flight -= waiting.popleft()[1]

    def _read(self) -> dict[str, list[np.ndarray]]:
        """The bytes of a step, cut into the parts of every probed population."""
        data = np.stack(self.whole, axis=1)  # (T, B, bytes of a step)
        ends = np.cumsum([readout.part_bytes(part) for readout in self.readouts for part in readout.parts])
        pieces = iter(np.split(data, ends[:-1], axis=2))
        return {readout.population: [next(pieces) for _ in readout.parts] for readout in self.readouts}


def encode_samples(image: Image, stimulus: dict[str, np.ndarray]) -> list[bytes]:
    """The input stream of each sample (docs/link.md): per step the shorter of bitmap and events."""
    bits = input_bitmap(image, stimulus)
    batch, time = bits.shape[:2]
    bitmaps = np.packbits(bits, axis=2, bitorder="little")
    counts = bits.sum(axis=2, dtype=np.int64)
    samples = []
    for b in range(batch):
        stream = bytearray([NEW_SAMPLE])
        for t in range(time):
            count = int(counts[b, t])
            if count <= MAX_EVENTS and 2 * count < bitmaps.shape[2]:
                stream.append(count)
                stream += np.flatnonzero(bits[b, t]).astype("<u2").tobytes()
            else:
                stream.append(RAW)
                stream += bitmaps[b, t].tobytes()
        samples.append(bytes(stream))
    return samples


class _OutputDecoder:
    """The output stream back to fixed-size bytes per step, sample by sample."""

    def __init__(self, readouts: Sequence[Readout], time: int) -> None:
        self._sizes = [readout.part_bytes(part) for readout in readouts for part in readout.parts]
        self._time = time
        self.restart()

    def restart(self) -> None:
        """Forget what is incomplete: the stream starts with a new sample."""
        self._buffer = bytearray()
        self._steps: list[bytes] = []
        self._entries: list[bytes] = []

    def feed(self, data: bytes) -> list[np.ndarray]:
        """The samples that ``data`` completes, each uint8 (T, bytes of a step)."""
        self._buffer += data
        buffer, position, done = self._buffer, 0, []
        while position < len(buffer):
            size, head = self._sizes[len(self._entries)], buffer[position]
            length = size if head == RAW else 2 * head
            if position + 1 + length > len(buffer):
                break
            body = bytes(buffer[position + 1 : position + 1 + length])
            self._entries.append(body if head == RAW else _from_events(body, size))
            position += 1 + length
            if len(self._entries) == len(self._sizes):
                self._steps.append(b"".join(self._entries))
                self._entries = []
                if len(self._steps) == self._time:
                    done.append(np.frombuffer(b"".join(self._steps), dtype=np.uint8).reshape(self._time, -1))
                    self._steps = []
        del buffer[:position]
        return done


def _from_events(events: bytes, size: int) -> bytes:
    bitmap = bytearray(size)
    for low, high in zip(events[::2], events[1::2], strict=True):
        index = low | high << 8
        if index >> 3 >= size:
            raise _Lost("an event lies outside its group")
        bitmap[index >> 3] |= 1 << (index & 7)
    return bytes(bitmap)


def _frames(samples: list[bytes], size: int) -> Iterator[bytes]:
    """The samples' streams cut into payloads of at most ``size`` bytes."""
    pending = bytearray()
    for sample in samples:
        pending += sample
        while len(pending) >= size:
            yield bytes(pending[:size])
            del pending[:size]
    if pending:
        yield bytes(pending)


def _probe_table(readouts: Sequence[Readout]) -> list[tuple[int, int, int, int]]:
    return [
        (part.group, int(readout.kind == "membrane"), part.address, readout.part_bytes(part))
        for readout in readouts
        for part in readout.parts
    ]
