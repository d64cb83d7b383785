"""stream: a stimulus through a device that holds one image; every step comes back, or what samples came to."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nirdeploy.device.client import Device, Progress
from nirdeploy.device.counting import Counting
from nirdeploy.device.decoding import MORE, Decoder, NotBelieved, SampleDecoder, StepDecoder, bits_of
from nirdeploy.device.encoding import Encoder
from nirdeploy.device.feeding import Refused, TooLong
from nirdeploy.device.patchwork import Patchwork
from nirdeploy.device.protocol import DeviceStatus, Probe
from nirdeploy.device.running import Rest, Run
from nirdeploy.device.tallying import Tallying
from nirdeploy.errors import TransferError
from nirdeploy.records import spikes
from nirdeploy.records.tally import Tally
from nirdeploy.targets.image import Image, record_of

_FRUITLESS = 20  # runs in a row that gain nothing
_NONSENSE = 3  # runs that brought what cannot be
_BAD = 0.7  # faults per sample beyond which samples are played in pieces
_MUCH = 1 << 60
_PIECES = 4  # of a sample, where little is to be under way
_PER_STEP = 0.25  # s that a device may be silent for each step of a sample of which nothing else comes


class _Lost(Exception):
    """A frame is missing; the run goes on from the first sample that is not whole."""


class Stream:
    """One stimulus on its way through a device, which holds the image.

    Args:
        stimulus: what the image's inputs take, whole numbers, (T, B, *shape of the input).
        probed: populations to read.
        progress: called with (samples done, samples in all).

    What the line loses is asked for again; :class:`TransferError` is raised if it loses more than that mends.
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
        self._encoder = Encoder(image, stimulus, held=0 < image.input_words <= device.held_words)
        self.whole: list[np.ndarray] = []  # per sample: bytes of all probed groups, step by step, or in all
        self._bits: list[int] | None = None  # of each entry of the probe table, if every step comes back
        self._per_sample = 0.0  # bytes of a sample's output, about
        self._patched: Patchwork | None = None
        self._patience = 0.0

    def record(self) -> spikes.SpikeRecord:
        """Every step of the probed populations."""
        parts = [(readout, part) for readout in self.readouts for part in readout.parts]
        sizes = [readout.part_bytes(part) for readout, part in parts]
        bits = [bits_of(readout, part) for readout, part in parts]
        kinds = [Probe.VALUES if readout.kind == "membrane" else Probe.BITS for readout, _ in parts]
        self._probes = [(p.group, int(k), p.address, n) for (_, p), k, n in zip(parts, kinds, sizes, strict=True)]
        self._decoder: Decoder = StepDecoder(bits, self.time)
        self._bits, self._per_sample = bits, float(self.time * (sum(sizes) + len(sizes)))
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
        self._per_sample, self._patience = float(asked.size), self.time * _PER_STEP
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
        device, restarts, fruitless, nonsense = self.device, 0, 0, 0
        counting = Counting(device)
        while len(self.whole) < self.batch:
            had, first = self._missing(), len(self.whole)
            status, steps = None, None
            try:
                if self._bits and (fruitless > 1 or device.quality.rate * self._per_sample > _BAD):
                    self._patch(self._bits)
                else:
                    status, steps = self._stream()
            except (_Lost, Refused, TooLong, NotBelieved) as lost:
                restarts += 1
                if isinstance(lost, NotBelieved):
                    nonsense += 1
                    del self.whole[first:]  # what came before it may be no better
                    self._patched = None
                fruitless = 0 if self._missing() < had else fruitless + 1
                if nonsense > _NONSENSE:
                    raise TransferError(
                        f"the device sends what cannot be: {lost}",
                        where=device.where,
                        hint="reset the board, flash and run again; check that its bitstream is the target's",
                    ) from lost
                if fruitless > _FRUITLESS:
                    raise TransferError(
                        f"the run lost frames {restarts} times, {len(self.whole)} of {self.batch} samples came through",
                        where=device.where,
                        hint=f"check the cable or lower the baud rate ({lost})",
                    ) from lost
            counting.add(status or device.status(), steps)
        return {**counting.totals, "restarts": float(restarts)}

    def _missing(self) -> tuple[int, int]:
        """Samples, and steps of one of them."""
        return self.batch - len(self.whole), self._patched.missing if self._patched else self.time

    def _done(self, samples: Sequence[np.ndarray]) -> None:
        self.whole += samples
        if samples:
            self._patched = None
            if self.progress:
                self.progress(len(self.whole), self.batch)

    def _stream(self) -> tuple[DeviceStatus, int]:
        """Run from the first sample that is not whole until all are: what was counted then, and steps it was fed.

        Raises :class:`_Lost`, :class:`NotBelieved`.
        """
        narrow = self.device.quality.seen
        run = Run(self.device, self._probes, patience=self._patience, narrow=narrow)
        self._decoder.restart()
        first, came = len(self.whole), 0
        pieces = _PIECES if narrow and self._bits else 1
        cuts = [self.time * n // pieces for n in range(pieces + 1)]
        upcoming = deque((b, at, end) for b in range(first, self.batch) for at, end in pairwise(cuts) if end > at)
        fed = 0.0  # steps
        while len(self.whole) < self.batch:
            ahead = self.device.quality.window(_MUCH) if narrow else _MUCH
            while upcoming and (fed / self.time * self._per_sample - came) < ahead:
                b, at, end = upcoming.popleft()
                run.feed(self._encoder.piece(b, at, end), end - at)
                fed += end - at
            try:
                missing, payload = run.next()
            except Rest:
                raise _Lost("an OUTPUT frame is missing at the end") from None
            if missing:
                raise _Lost("an OUTPUT frame is missing")
            came += len(payload)
            done = self._decoder.feed(payload)
            if len(self.whole) + len(done) > first + fed / self.time:
                raise NotBelieved(MORE)
            self._done(done)
            if done:
                self._per_sample = came / (len(self.whole) - first)
        status = run.ended()
        if not self._decoder.clean:
            raise NotBelieved(MORE)
        return status, run.fed

    def _patch(self, bits: Sequence[int]) -> None:
        """Bring the first sample that is not whole forward, piece by piece."""
        at = len(self.whole)
        if self._patched is None:
            per_step = self._per_sample / self.time
            self._patched = Patchwork(self.device, self._encoder, at, self._probes, bits, per_step)
        self._patched.play()
        if self._patched.missing:
            raise _Lost("steps are missing")
        self._done([self._patched.sample()])
