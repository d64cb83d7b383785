"""onboard: a network of several passes played by the board itself, from a program in its external memory.

What the program is, nirdeploy.targets.player says. Samples go in batches, as many as the memory holds at once; of each,
the stimulus goes over the link once, and what was probed comes back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path

import numpy as np

from nirdeploy.device.client import WORDS_PER_SECOND, Device, Progress
from nirdeploy.device.counting import Counting
from nirdeploy.device.external import ensure, section
from nirdeploy.device.pieces import Piece, assembled, recorded
from nirdeploy.device.protocol import EXTERNAL, PLAYING, DeviceStatus
from nirdeploy.errors import DeviceMismatch, TransferError
from nirdeploy.records import spikes, store
from nirdeploy.records.trains import Trains
from nirdeploy.targets.image import Image, record_of
from nirdeploy.targets.player.compiling import Compiled, Kept, Sent, compiled
from nirdeploy.targets.player.standing import words_of
from nirdeploy.targets.slots import Section

_WORDS = 1 << 18  # in a MiB
_GAP = 8  # words that are read though nobody wants them rather than asked around
_SOON, _LATER, _OF_ALL = 1e-3, 0.25, 0.02  # s between two questions for the status: a part of what has gone by


def prepared(image: Image, stimulus: Mapping[str, np.ndarray], probed: Sequence[str]) -> Compiled | str:
    """The program for a stimulus, or why the board cannot play it. ``stimulus`` as :class:`OnBoard` takes it."""
    if not image.external:
        return "the target has no external memory"
    steps = next(iter(stimulus.values())).shape[0]
    still = [name for name, values in stimulus.items() if steps > 1 and bool((values == values[:1]).all())]
    found, size = compiled(image, steps, probed, still), image.external * _WORDS
    if found.most_samples(size) < 1:
        found = compiled(image, steps, probed, still, copies=False)
    if found.most_samples(size) >= 1:
        return found
    if found.most_samples(1 << 32) < 1:
        return f"{steps:,} steps of so many values are more than a program can say"
    once, each = 4 * (found.program_at + found.program_size), 4 * found.room
    return (
        f"{once:,} bytes of images and program and {each:,} of a sample of {steps:,} steps are more than the "
        f"{4 * size:,} of external memory"
    )


class OnBoard:
    """One stimulus on its way through all passes.

    Args:
        image: of several passes, for a target that has external memory.
        made: what :func:`prepared` gave for these.
        stimulus: what the network's inputs take, whole numbers, (T, B, *shape) with their borders.
        probed: populations to record.
        progress: called with (runs of a tile done, all of them).
        on_pass: called with (a pass that is played now, all of them), counted from 1.
        folder: to keep what samples gave in, if not in memory.
        size: words of the memory to take, if not all.
    """

    def __init__(
        self,
        device: Device,
        image: Image,
        made: Compiled,
        stimulus: Mapping[str, np.ndarray],
        probed: Sequence[str],
        progress: Progress | None,
        on_pass: Progress | None,
        folder: Path | str | None,
        *,
        size: int = 0,
    ) -> None:
        self._device, self._image, self._made, self._stimulus = device, image, made, stimulus
        self._probed, self._progress, self._on_pass = tuple(probed), progress, on_pass
        self._steps, self._samples = next(iter(stimulus.values())).shape[:2]
        self._batches = list(_evenly(self._samples, made.most_samples(size or image.external * _WORDS)))
        self._pieces = [self._pieces_of(number, batch) for number, batch in enumerate(self._batches)]
        run = {
            "image": image.digest(),
            "stimulus": store.digest({}, stimulus),
            "probed": list(self._probed),
            "batches": len(self._batches),
        }
        size = sum(piece.kept.nbytes for own in self._pieces for piece in own)
        self._trains = Trains(None if folder is None else Path(folder), run, size)
        counted = ("cycles", "busy_cycles", "steps", "saturations", "restarts", "bytes_flashed")
        self._totals = dict.fromkeys(counted, 0.0)

    def record(self) -> spikes.SpikeRecord:
        """Play all batches that are not there yet, and read what was probed.

        Raises:
            DeviceMismatch: the device is other hardware, or plays nothing.
            TransferError: the player stopped before its end; the memory does not keep what is written.
        """
        hello = self._device.hello()
        if hello.signature.hex() != self._image.signature or not self._device.plays:
            raise DeviceMismatch(
                f"the image is for hardware {self._image.signature} with {self._image.external} MiB of external memory,"
                " the device is another",
                where=self._where,
                hint="build the network for the target whose bitstream is loaded",
            )
        with closing(self._trains):
            ready = False
            for number, batch in enumerate(self._batches):
                if not self._is_done(number):
                    self._play(number, batch, ready)
                    ready = True
                self._tell(number, len(batch) * self._steps * sum(tiles for _, tiles in self._made.runs()))
            self._device.image = self._image
            return self._recorded()

    @property
    def _where(self) -> str:
        return f"port {self._device.name}" if self._device.name else ""

    def _is_done(self, number: int) -> bool:
        trains = self._trains
        return all(trains.is_done(one.name) and trains.check(one.name, one.kept) for one in self._pieces[number])

    def _pieces_of(self, number: int, batch: range) -> list[Piece]:
        return [
            Piece.of(f"batch{number:05}.{at}", one.given, one.readout, len(batch), self._steps)
            for at, one in enumerate(self._made.kept)
        ]

    # --- a batch --------------------------------------------------------------------------

    def _play(self, number: int, batch: range, ready: bool) -> None:
        """``ready``: what no play changes is in the memory."""
        device, made, count = self._device, self._made, len(batch)
        if not ready:
            self._totals["bytes_flashed"] += ensure(device, [section("the passes' words", 0, made.words)])
            device.committed = None
        changing = [section("the program", made.program_at, made.program(count))]
        changing += [self._section(one, batch) for one in made.sent]
        ensure(device, changing)
        pieces = self._pieces[number]
        arrays = {piece.name: self._trains.make(piece.name, piece.kept) for piece in pieces}
        counting = Counting(device)
        device.play(made.program_at)
        try:
            status = self._watched(number)
            counting.add(status)
        except BaseException:
            device.stop()
            raise
        for name, value in counting.totals.items():
            self._totals[name] += value
        for at, (piece, one) in enumerate(zip(pieces, made.kept, strict=True)):
            arrays[piece.name][:] = piece.kept.packed(self._read(one, piece, count))
            self._trains.finish(piece.name, status.saturations if at == 0 else 0)

    def _section(self, one: Sent, batch: range) -> Section:
        """The stimulus of a batch as it stands in memory."""
        values = self._stimulus[one.input][: 1 if one.region.still else None, batch.start : batch.stop]
        flat = values.reshape(*values.shape[:2], -1).swapaxes(0, 1)[..., one.order]
        planes = np.stack([flat >> plane & 1 for plane in range(one.planes)], axis=2).astype(np.uint8)
        padded = np.zeros((*planes.shape[:3], -(-planes.shape[3] // 32) * 32), dtype=np.uint8)
        padded[..., : planes.shape[3]] = planes
        words = np.packbits(padded, axis=3, bitorder="little").view("<u4").ravel()
        return section(f"the stimulus of {one.input}", self._made.at(one.region, len(batch)), words)

    def _watched(self, number: int) -> DeviceStatus:
        """The status at the end. Between two steps the device may go through all of its memory that is used, once."""
        names = [name for name, _ in self._made.runs()]
        ends = list(accumulate(tiles * len(self._batches[number]) * self._steps for _, tiles in self._made.runs()))
        used = self._made.program_at + self._made.program_size + self._made.room * len(self._batches[number])
        stuck, done, told = self._device.endurance(used / WORDS_PER_SECOND), 0, -1
        began = looked = time.monotonic()
        while True:
            status = self._device.status()
            at = next((n for n, end in enumerate(ends) if status.steps < end), len(ends) - 1)
            if status.state != PLAYING or status.steps > ends[-1]:
                break
            now = time.monotonic()
            if status.steps > done:
                done = status.steps
                stuck.progressed()
            elif stuck.silent(now - looked):
                break
            looked = now
            if self._on_pass and at != told:
                self._on_pass(names[at] + 1, len(self._image.passes))
            told = at
            self._tell(number, status.steps)
            time.sleep(min(max(_OF_ALL * (time.monotonic() - began), _SOON), _LATER))
        if status.state == PLAYING:
            raise TransferError(
                f"the player does not come to an end: it says {status.steps:,} of {ends[-1]:,} steps",
                where=self._where,
                hint="reset the board and run again; check that its bitstream is the target's",
            )
        if status.failed or status.steps != ends[-1]:
            raise TransferError(
                f"the player stopped after {status.steps:,} of {ends[-1]:,} steps, in pass {names[at] + 1} of "
                f"{len(self._image.passes)}: a word of its program made no sense to it, or named what is no memory",
                where=self._where,
                hint="run again, for all that is in external memory is checked first; else check the board",
            )
        return status

    def _read(self, one: Kept, piece: Piece, samples: int) -> np.ndarray:
        """What a piece gave, (samples, tiles, T, size)."""
        region, image = one.region, self._image.passes[one.number]
        records = samples * region.tiles * self._steps
        start = EXTERNAL | self._made.at(region, samples)
        if region.words - one.words <= _GAP:
            (data,) = self._device.read([(start, records * region.words)])
            words = np.frombuffer(data, dtype="<u4").reshape(records, region.words)[
                :, one.first : one.first + one.words
            ]
        else:
            ranges = [(start + at * region.words + one.first, one.words) for at in range(records)]
            words = np.frombuffer(b"".join(self._device.read(ranges)), dtype="<u4").reshape(records, one.words)
        raw = np.ascontiguousarray(words).view(np.uint8).reshape(-1, self._steps, 4 * one.words).swapaxes(0, 1)
        ends = np.cumsum([4 * size for size in words_of(one.readout)])
        parts = [
            part[..., : one.readout.part_bytes(of)]
            for part, of in zip(np.split(raw, ends[:-1], axis=2), one.readout.parts, strict=True)
        ]
        record = record_of(image, {one.given.population: parts}, "device", {})
        values = piece.values(record)
        return np.moveaxis(values.reshape(self._steps, samples, region.tiles, -1), 0, 2)

    # --- all ------------------------------------------------------------------------------

    def _tell(self, number: int, steps: int) -> None:
        """``steps``: of a batch that are done."""
        if self._progress:
            tiles = sum(tiles for _, tiles in self._made.runs())
            self._progress(self._batches[number].start * tiles + steps // self._steps, self._samples * tiles)

    def _recorded(self) -> spikes.SpikeRecord:
        stats = {
            **self._totals,
            "saturations": self._trains.saturations,
            "passes": float(len(self._image.passes)),
            "batches": float(len(self._batches)),
        }
        return recorded(self._image, self._probed, self._signal, stats)

    def _signal(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """What a population sends: (T, B, *shape)."""
        found = []
        for batch, own in zip(self._batches, self._pieces, strict=True):
            pieces = [piece for piece in own if piece.given.signal == name]
            made = assembled(pieces, lambda p: np.asarray(self._trains.get(p.name, p.kept)), len(batch), self._steps)
            found.append(made.swapaxes(0, 1).reshape(self._steps, -1, *shape))
        return np.concatenate(found, axis=1)


def _evenly(count: int, most: int) -> Iterator[range]:
    """As few batches as there can be, about as large as each other."""
    batches = -(-count // most)
    for number in range(batches):
        yield range(count * number // batches, count * (number + 1) // batches)
