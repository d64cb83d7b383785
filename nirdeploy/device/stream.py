"""stream: a stimulus through a device that holds one image; every step comes back, or what samples came to."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from nirdeploy.device.client import Device, Progress
from nirdeploy.device.decoding import Decoder, NotBelieved, SampleDecoder, StepDecoder
from nirdeploy.device.encoding import encode_samples
from nirdeploy.device.frame import OVERHEAD, Frame, encode
from nirdeploy.device.protocol import REPLY, Kind, Probe, Status
from nirdeploy.device.tallying import Tallying
from nirdeploy.errors import TransferError
from nirdeploy.records import spikes
from nirdeploy.records.tally import Tally
from nirdeploy.targets.image import Image, record_of

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

    What the line loses is asked for again; :class:`TransferError` is raised if it loses more than restarts mend.
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
        self.samples = encode_samples(image, stimulus, held=0 < image.input_words <= device.held_words)
        self.whole: list[np.ndarray] = []  # per sample: bytes of all probed groups, step by step, or in all
        self._patience = 1  # times that the device may be silent as long as it takes for a request

    def record(self) -> spikes.SpikeRecord:
        """Every step of the probed populations."""
        parts = [(readout, part) for readout in self.readouts for part in readout.parts]
        sizes = [readout.part_bytes(part) for readout, part in parts]
        kinds = [Probe.VALUES if readout.kind == "membrane" else Probe.BITS for readout, _ in parts]
        self._probes = [(p.group, int(k), p.address, n) for (_, p), k, n in zip(parts, kinds, sizes, strict=True)]
        self._decoder: Decoder = StepDecoder(sizes, self.time)
        totals = self._play()
        pieces = iter(np.split(np.stack(self.whole, axis=1), np.cumsum(sizes)[:-1], axis=2))  # (T, B, bytes)
        read = {readout.population: [next(pieces) for _ in readout.parts] for readout in self.readouts}
        return record_of(self.image, read, "device", totals)

    def tally(self, reads: Sequence[str]) -> Tally:
        """What each sample comes to: counted on the device where it can, which sends far less then, else here."""
        asked = Tallying(self.readouts, reads, self.time)
        if not asked.fits(self.device.counters):
            return Tally.of(self.record(), reads)
        self._probes, self._decoder = asked.probes, SampleDecoder(asked.size)
        self._patience = self.time  # nothing needs to come before a whole sample
        totals = self._play()
        image = self.image
        return Tally(
            values=asked.values(np.stack(self.whole)),
            steps=self.time,
            scale=asked.scale(),
            source="device",
            dt=image.dt,
            outputs=dict(image.outputs),
            manifest=image.manifest(),
            stats=totals,
        )

    def _play(self) -> dict[str, float]:
        """Run until all samples are whole; what it took."""
        restarts = fruitless = 0
        totals = {"cycles": 0.0, "busy_cycles": 0.0, "steps": 0.0, "saturations": 0.0}
        begin_cycles = self.device.status().cycles
        while len(self.whole) < self.batch:
            had = len(self.whole)
            try:
                self._stream(had)
            except (_Lost, NotBelieved) as lost:
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
        return totals

    def _stream(self, first: int) -> None:
        """Run from sample ``first`` on until all samples are whole. Raises :class:`_Lost`."""
        device = self.device
        seq = device.begin(self._probes)
        self._decoder.restart()
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
            frame = self._receive()
            if frame.kind == Kind.OUTPUT:
                if frame.seq != next_output:
                    raise _Lost("an OUTPUT frame is missing")
                next_output = (next_output + 1) % 256
                done = self._decoder.feed(frame.payload)
                self.whole += done
                if done and self.progress:
                    self.progress(len(self.whole), self.batch)
            elif frame.kind == Kind.STEPS | REPLY:
                if not waiting or frame.seq != waiting[0][0] or frame.payload[:1] != bytes([Status.OK]):
                    raise _Lost("a STEPS frame is missing")
                in_flight -= waiting.popleft()[1]

    def _receive(self) -> Frame:
        """The next frame; how long they take says what silence is from then on. Raises :class:`_Lost`."""
        started, once = time.monotonic(), 2 * self.device.timeout
        for _ in range(self._patience):
            frame = self.device.receive(once)
            if frame is not None:
                if self.whole:
                    self._patience = max(1, math.ceil(4 * (time.monotonic() - started) / once))
                return frame
        raise _Lost("the device fell silent")


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
