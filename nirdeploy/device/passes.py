"""passes: a network of several passes played on a device, one after the other, each over all steps of a batch.

What a pass gives is kept; the next ones read boxes of it as their inputs. Where parts of a population are the same
network, they are samples of one run: the image is written once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nirdeploy.device.client import Device, Progress
from nirdeploy.device.flash import flash
from nirdeploy.device.stream import Stream
from nirdeploy.errors import DeviceMismatch
from nirdeploy.records import spikes, store
from nirdeploy.records.trains import Kept, Trains
from nirdeploy.targets.image import Image
from nirdeploy.targets.wiring import Form, Given, Taken, cropped, formed

_CHUNK = 1 << 25  # values of one signal, or of one run, that are held at once, about


@dataclass(frozen=True)
class _Piece:
    """What a pass gives of a signal, and under which name it is kept."""

    name: str
    given: Given
    shape: tuple[int, ...]  # of a box
    kept: Kept


class Played:
    """One stimulus on its way through all passes.

    Args:
        image: of several passes.
        stimulus: what the network's inputs take, whole numbers, (T, B, *shape) with their borders.
        probed: populations to record.
        progress: called with (runs of a tile done, all of them).
        on_pass: called with (a pass that is played now, all of them), counted from 1.
        folder: to keep what passes give in, if not in memory.
    """

    def __init__(
        self,
        device: Device,
        image: Image,
        stimulus: Mapping[str, np.ndarray],
        probed: Sequence[str],
        progress: Progress | None,
        on_pass: Progress | None,
        folder: Path | str | None,
    ) -> None:
        self._device, self._image, self._stimulus = device, image, stimulus
        self._progress, self._on_pass = progress, on_pass
        self._probed = tuple(probed)
        self._steps, self._samples = next(iter(stimulus.values())).shape[:2]
        self._last = self._last_readers()
        self._pieces = [self._pieces_of(number) for number in range(len(image.passes))]
        run = {
            "image": image.digest(),
            "stimulus": store.digest({}, stimulus),
            "probed": list(self._probed),
        }
        size = sum(piece.kept.nbytes for own in self._pieces for piece in own)
        self._trains = Trains(None if folder is None else Path(folder), run, size)
        counted = ("cycles", "busy_cycles", "steps", "saturations", "restarts", "bytes_flashed")
        self._totals = dict.fromkeys(counted, 0.0)  # of this run, without what an earlier one had done

    def record(self) -> spikes.SpikeRecord:
        """Play all passes that are not there yet, and read what was probed."""
        if self._device.hello().signature.hex() != self._image.signature:
            raise DeviceMismatch(
                f"the image is for hardware {self._image.signature}, the device is another",
                where=f"port {self._device.name}" if self._device.name else "",
                hint="build the network for the target whose bitstream is loaded",
            )
        with closing(self._trains):
            done, total = 0, self._samples * sum(self._tiles(one) for one in self._image.passes)
            first = self._first_to_play()
            for number, one in enumerate(self._image.passes):
                runs = self._samples * self._tiles(one)
                if number >= first:
                    self._play(number, partial(self._tell, total, done))
                done += runs
                self._tell(total, done)
            self._device.image = self._image
            return self._recorded()

    def _tell(self, total: int, done: int, more: int = 0) -> None:
        if self._progress:
            self._progress(done + more, total)

    @staticmethod
    def _tiles(one: Image) -> int:
        assert one.wiring is not None
        return one.wiring.tiles

    def _last_readers(self) -> dict[str, int]:
        """The last pass that reads a signal; a probed one is read after all of them."""
        last: dict[str, int] = {}
        for number, one in enumerate(self._image.passes):
            assert one.wiring is not None
            last |= {signal: number for taken in one.wiring.takes for signal in taken.signals}
        return last | dict.fromkeys(self._probed, len(self._image.passes))

    def _pieces_of(self, number: int) -> list[_Piece]:
        """What is kept of a pass: what a later one reads, or the record."""
        one = self._image.passes[number]
        assert one.wiring is not None
        readouts = {readout.population: readout for readout in one.readouts}
        found = []
        for at, given in enumerate(one.wiring.gives):
            if self._last.get(given.signal, -1) > number:
                readout = readouts[given.population]
                planes = readout.parts[0].planes if readout.kind == "spikes" else 0
                kept = Kept(self._samples, one.wiring.tiles, self._steps, math.prod(readout.shape), planes)
                found.append(_Piece(f"pass{number:05}.{at}", given, _box(readout.shape, given.grid), kept))
        return found

    def _first_to_play(self) -> int:
        """The first pass that is not there, or of which something is missing that is still read."""
        for number, own in enumerate(self._pieces):
            if not all(self._trains.is_done(piece.name) for piece in own):
                return self._intact(number)
        return self._intact(len(self._pieces))

    def _intact(self, end: int) -> int:
        """``end``, or the first pass before it whose bytes are damaged though they are still read."""
        for number, own in enumerate(self._pieces[:end]):
            for piece in own:
                if self._last[piece.given.signal] >= end and not self._trains.check(piece.name, piece.kept):
                    return self._intact(number)
        return end

    # --- one pass -------------------------------------------------------------------------

    def _play(self, number: int, tell: Callable[[int], None]) -> None:
        one, pieces = self._image.passes[number], self._pieces[number]
        assert one.wiring is not None
        if not pieces:
            return
        if self._on_pass:
            self._on_pass(number + 1, len(self._image.passes))
        arrays = {piece.name: self._trains.make(piece.name, piece.kept) for piece in pieces}
        saturations = -self._totals["saturations"]
        report = flash(one, self._device)
        self._totals["bytes_flashed"] += report.bytes_sent
        probed, done = tuple(piece.given.population for piece in pieces), 0
        for samples in self._chunks(one):
            read = {taken.input: self._taken(taken, samples) for taken in one.wiring.takes}
            for tiles in _spans(one.wiring.tiles, self._at_once(one, samples)):
                stimulus = {name: self._boxes(one, name, read[name], tiles) for name in read}
                record = Stream(self._device, one, stimulus, probed, None).record()
                for piece in pieces:
                    arrays[piece.name][samples, tiles] = piece.kept.packed(self._values(record, piece, tiles))
                self._add(record.stats)
                done += (samples.stop - samples.start) * (tiles.stop - tiles.start)
                tell(done)
        saturations += self._totals["saturations"]
        for at, piece in enumerate(pieces):
            self._trains.finish(piece.name, saturations if at == 0 else 0)
        self._drop(number)

    def _drop(self, number: int) -> None:
        """What this pass was the last to read."""
        for own in self._pieces[:number]:
            for piece in own:
                if self._last[piece.given.signal] == number:
                    self._trains.drop(piece.name)

    def _chunks(self, one: Image) -> Iterator[slice]:
        """Samples whose signals are held at once."""
        assert one.wiring is not None
        each = self._steps * sum(math.prod(taken.grid) for taken in one.wiring.takes)
        yield from _spans(self._samples, max(_CHUNK // max(each, 1), 1))

    def _at_once(self, one: Image, samples: slice) -> int:
        """Tiles that are run at once."""
        bits = 32 * one.input_words + sum(part.bits for readout in one.readouts for part in readout.parts)
        runs = samples.stop - samples.start
        return max(int(_CHUNK // (self._steps * runs * bits)), 1)

    def _taken(self, taken: Taken, samples: slice) -> np.ndarray:
        """A signal as a pass takes it: (T, samples, *grid)."""
        channels = taken.grid[0] // (2 if taken.form is Form.BOTH else 1)
        grid = channels, *taken.grid[1:]
        values = self._signal(taken.signals[0], grid, samples)
        for signal in taken.signals[1:]:
            values = values + self._signal(signal, grid, samples).astype(np.int32)
        values = formed(values, taken.form, taken.of_sum)
        if taken.delay:
            late = np.zeros_like(values)
            late[taken.delay :] = values[: -taken.delay]
            return late
        return values

    def _signal(self, name: str, grid: tuple[int, ...], samples: slice) -> np.ndarray:
        """What an input or a population sends: (T, samples, *grid), from all that passes gave of it."""
        if name in self._stimulus:
            return self._stimulus[name][:, samples].reshape(self._steps, -1, *grid)
        pieces = [piece for own in self._pieces for piece in own if piece.given.signal == name]
        own = pieces[0].given.grid
        planes = pieces[0].kept.planes
        made = np.zeros((samples.stop - samples.start, self._steps, *own), dtype=np.uint8 if planes else np.int32)
        for piece in pieces:
            values = piece.kept.unpacked(np.asarray(self._trains.get(piece.name, piece.kept)[samples]))
            for tile, first in enumerate(piece.given.firsts):
                at = (slice(a, a + size) for a, size in zip(first, piece.shape, strict=True))
                made[(slice(None), slice(None), *at)] += values[:, tile].reshape(
                    *values.shape[:1], self._steps, *piece.shape
                )
        return made.swapaxes(0, 1).reshape(self._steps, -1, *grid)

    def _boxes(self, one: Image, name: str, values: np.ndarray, tiles: slice) -> np.ndarray:
        """The boxes of some tiles, as samples of one run: (T, tiles x samples, *shape)."""
        assert one.wiring is not None
        shape = next(slot.shape for slot in one.inputs if slot.name == name)
        firsts = next(taken for taken in one.wiring.takes if taken.input == name).firsts[tiles]
        return np.concatenate([cropped(values, first, shape) for first in firsts], axis=1)

    def _values(self, record: spikes.SpikeRecord, piece: _Piece, tiles: slice) -> np.ndarray:
        """What a run gave, (samples, tiles, T, size)."""
        name = piece.given.population
        values = record.spikes[name] if name in record.spikes else record.membrane[name]
        runs = values.reshape(self._steps, tiles.stop - tiles.start, -1, piece.kept.size)
        return np.moveaxis(runs, 0, 2).swapaxes(0, 1)

    def _add(self, stats: Mapping[str, float]) -> None:
        for name in stats:
            self._totals[name] += stats[name]

    # --- all ------------------------------------------------------------------------------

    def _recorded(self) -> spikes.SpikeRecord:
        made: dict[str, dict[str, np.ndarray]] = {"spikes": {}, "membrane": {}}
        scale = {}
        for readout in self._image.readouts:
            if readout.population in self._probed:
                values = self._signal(readout.population, readout.shape, slice(0, self._samples))
                made[readout.kind][readout.population] = np.ascontiguousarray(values)
                if readout.kind == "membrane":
                    scale[readout.population] = np.array(readout.scale).reshape(readout.shape)
        return spikes.SpikeRecord(
            spikes=made["spikes"],
            membrane=made["membrane"],
            scale=scale,
            source="device",
            dt=self._image.dt,
            outputs=dict(self._image.outputs),
            manifest=self._image.manifest(),
            stats={
                **self._totals,
                "saturations": self._trains.saturations,
                "passes": float(len(self._image.passes)),
            },
        )


def _box(shape: tuple[int, ...], grid: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what a population gives as a box of a grid; one that has all of it has a shape of its own."""
    return grid if math.prod(shape) == math.prod(grid) else shape


def _spans(count: int, most: int) -> Iterator[slice]:
    for first in range(0, count, most):
        yield slice(first, min(first + most, count))
