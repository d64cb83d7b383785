"""compiling: an image of several passes, and a number of steps, as a program in external memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from nirdeploy.targets.image import Image
from nirdeploy.targets.player.allocation import allocate
from nirdeploy.targets.player.arena import Arena
from nirdeploy.targets.player.gathering import GatherList, gather_list
from nirdeploy.targets.player.loading import Lists, Loading
from nirdeploy.targets.player.operations import (
    MOST_SOURCES,
    MOST_STREAMS,
    ZEROS,
    Gather,
    Load,
    Operation,
    Probe,
    Region,
    Source,
    Sum,
    program,
    reads,
)
from nirdeploy.targets.player.standing import NOWHERE, Entry, Standing, given_by, in_order, words_of
from nirdeploy.targets.player.taking import Bitmap, Bits, Streams, bits_of, numbers_in_order
from nirdeploy.targets.slots import Readout
from nirdeploy.targets.wiring import Form, Given, Taken

_BITS, _VALUES = 0, 1  # kinds of probes
#: What the words of operations can say.
_MOST_STEPS, _MOST_TILES, _MOST_VALUES, _MOST_RECORDS = (1 << 16) - 1, (1 << 16) - 1, (1 << 21) - 1, (1 << 24) - 1


@dataclass(frozen=True, eq=False)
class Sent:
    """An input of the network as the host writes it: ``planes`` of bits, the values in this ``order``."""

    input: str
    region: Region
    planes: int
    order: np.ndarray


@dataclass(frozen=True, eq=False)
class Kept:
    """What a pass gives that the host reads: words ``first`` on of each record of a region."""

    number: int
    given: Given
    readout: Readout
    region: Region
    first: int

    @property
    def words(self) -> int:
        return sum(words_of(self.readout))


@dataclass(frozen=True, eq=False)
class Compiled:
    """A program for any number of samples.

    ``words``: what no play changes, from address 0 on; ``room``: words that a sample takes of the rest. ``loaded``:
    words that go to the cores' memories, and how many of them while something runs.
    """

    steps: int
    operations: tuple[Operation, ...]
    words: np.ndarray
    room: int
    sent: tuple[Sent, ...]
    kept: tuple[Kept, ...]
    loaded: tuple[int, int]

    @property
    def program_at(self) -> int:
        return len(self.words)

    @property
    def program_size(self) -> int:
        return len(program(self.operations, 1, lambda region: 0))

    def most_samples(self, size: int) -> int:
        """How many a memory of so many words holds, and a program can say; 0: it cannot be played."""
        sums = [one for one in self.operations if isinstance(one, Sum)]
        tiles = max((one.tiles for one in self.operations if isinstance(one, Gather)), default=0)
        values = max((one.values for one in sums), default=0)
        if self.steps > _MOST_STEPS or tiles > _MOST_TILES or values > _MOST_VALUES:
            return 0
        most = min((_MOST_RECORDS // (one.to.tiles * self.steps) for one in sums), default=_MOST_RECORDS)
        return min((size - self.program_at - self.program_size) // self.room, most)

    def at(self, region: Region, samples: int) -> int:
        """The word address of a region."""
        return self.program_at + self.program_size + samples * region.offset

    def program(self, samples: int) -> np.ndarray:
        """Its words."""
        return program(self.operations, samples, lambda region: self.at(region, samples))

    def runs(self) -> list[tuple[int, int]]:
        """(pass, tiles) in the order in which they are played."""
        return [
            (one.number, one.tiles) for one in self.operations if isinstance(one, Gather) and one.number is not None
        ]


def compiled(
    image: Image, steps: int, probed: Collection[str], still: Collection[str] = (), *, copies: bool = True
) -> Compiled:
    """An image of several passes as a program.

    Args:
        steps: of each sample.
        probed: populations that are read in the end.
        still: inputs that are the same in all steps of a sample.
        copies: signals are copied into another order where those who read them are faster with it. It takes room.
    """
    return _Compiling(image, steps, probed, still, copies).done()


class _Compiling:
    def __init__(self, image: Image, steps: int, probed: Collection[str], still: Collection[str], copies: bool) -> None:
        self._image, self._steps, self._probed, self._still, self._copies = image, steps, probed, still, copies
        self._arena, self._operations = Arena(), list[Operation]()
        self._last = self._last_readers()
        played = [number for number, one in enumerate(image.passes) if self._given(number, one)]
        self._passes = [(number, image.passes[number]) for number in played]
        self._sent: dict[str, Sent] = {}
        self._kept: list[Kept] = []
        self._regions: list[Region] = []
        self._gives: dict[str, dict[str, list[tuple[Given, Readout, Entry, tuple[int, ...]]]]] = {}
        self._made: dict[tuple[tuple[str, ...], int], Standing] = {}

    def done(self) -> Compiled:
        loading = Loading(self._arena, [one for _, one in self._passes])
        before, lists = None, list[Lists]()
        for _, one in self._passes:
            lists.append(loading.lists(one, before))
            before = one
        ahead = [*((own.ahead_at, own.ahead) for own in lists[1:]), (0, 0)]
        for (number, one), own, upcoming in zip(self._passes, lists, ahead, strict=True):
            bitmap = self._bitmap(one)
            if own.after_at:
                self._operations.append(Load(own.after_at, own.after))
            self._run(number, one, bitmap, upcoming)
        # What is sent stays, so that a play which is asked for twice is the same both times.
        for region in (*(one.region for one in self._kept), *(one.region for one in self._sent.values())):
            region.last = len(self._operations)
        loaded = sum(own.ahead + own.after for own in lists), sum(own.ahead for own in lists)
        room = allocate(self._regions)
        words = self._arena.words()
        sent, kept_ = tuple(self._sent.values()), tuple(self._kept)
        return Compiled(self._steps, tuple(self._operations), words, room, sent, kept_, loaded)

    def _last_readers(self) -> dict[str, int]:
        """The last pass that reads a signal; a probed one is read after all of them."""
        last: dict[str, int] = {}
        for number, one in enumerate(self._image.passes):
            assert one.wiring is not None
            last |= {signal: number for taken in one.wiring.takes for signal in taken.signals}
        return last | dict.fromkeys(self._probed, len(self._image.passes))

    def _given(self, number: int, one: Image) -> list[Given]:
        """What a pass gives that is read by a later one or in the end."""
        assert one.wiring is not None
        return [given for given in one.wiring.gives if self._last.get(given.signal, -1) > number]

    def _region(self, tiles: int, words: int, *, still: bool = False, born: int | None = None) -> Region:
        born = len(self._operations) if born is None else born
        self._regions.append(Region(tiles, self._steps, words, still, born, born))
        return self._regions[-1]

    def _add(self, operation: Operation) -> None:
        for region in reads(operation):
            region.last = len(self._operations)
        self._operations.append(operation)

    # --- what a pass takes ----------------------------------------------------------------

    def _bitmap(self, one: Image) -> Bitmap:
        assert one.wiring is not None
        planes = {slot.name: slot.planes for slot in one.inputs}
        channels_last = {slot.name for slot in one.inputs if slot.grid}
        standing = {
            taken.input: self._taken(taken, planes[taken.input], taken.input in channels_last)
            for taken in one.wiring.takes
        }
        return Bitmap(one, standing)

    def _taken(self, taken: Taken, planes: int, channels_last: bool) -> Standing:
        """The signal that an input takes, as bit planes."""
        channels = taken.grid[0] // (2 if taken.form is Form.BOTH else 1)
        grid = channels, *taken.grid[1:]
        layers = [layer for name in taken.signals for layer in self._layers(name, grid, channels_last)]
        if len(layers) == 1 and layers[0].planes:
            return self._quickest(taken.signals, layers[0])
        key = taken.signals, planes if taken.form is Form.AS_IT_IS else taken.of_sum
        if key not in self._made:
            self._made[key] = self._added(layers, key[1])
        return self._made[key]

    def _quickest(self, signals: tuple[str, ...], held: Standing) -> Standing:
        """A signal as it stands; or copied into its own order, where all who read it together are quicker with that."""
        key = signals, 0
        if key not in self._made:
            copy = in_order(Region(1, self._steps, held.planes * -(-held.size // 32)), held.size, held.planes)
            bits, _ = numbers_in_order(held)
            direct, copied = 0, _list(*bits).chunks
            for _, one in self._passes if self._copies else ():
                assert one.wiring is not None
                for taken in (own for own in one.wiring.takes if own.signals == signals):
                    direct += one.wiring.tiles * _list(*bits_of(one, taken, held)).chunks
                    copied += one.wiring.tiles * _list(*bits_of(one, taken, copy)).chunks
            self._made[key] = self._copied(held) if copied < direct else held
        return self._made[key]

    def _layers(self, name: str, grid: tuple[int, ...], channels_last: bool) -> list[Standing]:
        """What a signal is the sum of: mostly itself. Numbers of several populations where it is a sum."""
        size = math.prod(grid)
        if name in self._gives:
            return [given_by(pieces, size) for pieces in self._gives[name].values()]
        if name not in self._sent:
            slot = next(slot for slot in self._image.inputs if slot.name == name)
            order = np.arange(size)
            if channels_last:
                order = np.moveaxis(order.reshape(grid), 0, -1).ravel()
            region = self._region(1, slot.planes * -(-size // 32), still=name in self._still, born=-1)
            self._sent[name] = Sent(name, region, slot.planes, order)
        sent = self._sent[name]
        return [in_order(sent.region, size, sent.planes, sent.order)]

    def _added(self, layers: Sequence[Standing], planes: int) -> Standing:
        """The bits of the sum of layers, as they stand where they stand alike, else in order."""
        alike = all(layer.adds_up and layer.is_like(layers[0]) for layer in layers)
        if not alike:
            layers = [self._copied(layer) for layer in layers]
        first = layers[0].entries[0]
        values = first.plane_words * (32 if layers[0].planes else 1) if alike else layers[0].size
        words = -(-values // 32)
        sources = [Source(one.region, one.first, one.planes) for layer in layers for one in layer.entries]
        while True:
            now, sources = sources[:MOST_SOURCES], sources[MOST_SOURCES:]
            region = self._region(first.region.tiles, planes * words)
            self._add(Sum(planes, values, region, tuple(now)))
            if not sources:
                break
            sources.insert(0, Source(region, 0, planes))
        entry = Entry(region, 0, planes * words, planes, words, first.late)
        if not alike:
            return in_order(region, layers[0].size, planes)
        inside = layers[0].bit - 32 * first.first
        place = inside if layers[0].planes else inside // 32
        between = np.full_like(place, 32 * words)
        return Standing((entry,), layers[0].of, layers[0].tile, place, between, planes)

    def _copied(self, layer: Standing) -> Standing:
        """A signal one value after the other."""
        bits, streams = numbers_in_order(layer)
        region = self._gathered(None, len(bits[0]) // 32, 1, lambda tile: bits, streams)
        return in_order(region, layer.size, layer.planes)

    # --- what a pass does -----------------------------------------------------------------

    def _run(self, number: int, one: Image, bitmap: Bitmap, ahead: tuple[int, int]) -> None:
        assert one.wiring is not None
        given = self._given(number, one)
        names = list(dict.fromkeys(own.population for own in given))
        readouts = {readout.population: readout for readout in one.readouts}
        entries, first, size = list[tuple[int, int, int, int]](), dict[str, int](), 0
        for name in names:
            first[name] = size
            kind = _BITS if readouts[name].kind == "spikes" else _VALUES
            for part, words in zip(readouts[name].parts, words_of(readouts[name]), strict=True):
                entries.append((part.group, kind, part.address, 4 * words))
                size += words
        tiles = one.wiring.tiles

        def run(gather: Callable[[Region], Gather]) -> Region:
            self._add(Probe(tuple(entries)))
            region = self._region(tiles, size)
            self._add(gather(region))
            return region

        region = self._gathered((number, ahead, run), one.input_words, tiles, bitmap.tile, bitmap.streams)
        for own in given:
            readout = readouts[own.population]
            self._keep(Kept(number, own, readout, region, first[own.population]))

    def _keep(self, kept: Kept) -> None:
        readout = kept.readout
        spikes = readout.kind == "spikes"
        planes = readout.parts[0].planes if spikes else 0
        plane_words = kept.words if planes < 2 else readout.parts[0].plane_bits // 32 if len(readout.parts) == 1 else 0
        entry = Entry(kept.region, kept.first, kept.words, planes, plane_words, readout.late)
        shape = kept.given.grid if math.prod(readout.shape) == math.prod(kept.given.grid) else readout.shape
        by_population = self._gives.setdefault(kept.given.signal, {})
        by_population.setdefault(kept.given.population, []).append((kept.given, readout, entry, shape))
        if kept.given.signal in self._probed:
            self._kept.append(kept)

    def _gathered(
        self,
        run: tuple[int, tuple[int, int], Callable[[Callable[[Region], Gather]], Region]] | None,
        words: int,
        tiles: int,
        bits: Callable[[int], Bits],
        streams: Streams,
    ) -> Region:
        """A RUN of what is gathered, or a COPY of it: the region that is written.

        Of more streams than there may be, the first are copied before, and that is one stream of the rest.
        """
        if len(streams) > MOST_STREAMS:
            some = self._gathered(None, words, tiles, _only(bits, MOST_STREAMS), streams[:MOST_STREAMS])
            rest = [(some, 0), *streams[MOST_STREAMS:]]
            return self._gathered(run, words, tiles, _with(bits, MOST_STREAMS, 32 * some.per_tile), rest)
        lists = [_list(*bits(tile)) for tile in range(tiles)]
        counts = sum(own.descriptors for own in lists), sum(own.chunks for own in lists)
        table = [self._arena.add(own.words) for own in lists]
        table_at = self._arena.add(np.array(table, dtype=np.uint32))
        number, ahead = (run[0], run[1]) if run else (None, (0, 0))

        def gather(to: Region) -> Gather:
            return Gather(self._steps, tiles, tuple(streams), table_at, to, *counts, number, *ahead)

        if run:
            return run[2](gather)
        region = self._region(tiles, words)
        self._add(gather(region))
        return region


def _list(streams: np.ndarray, offsets: np.ndarray) -> GatherList:
    return gather_list(np.where(streams == NOWHERE, ZEROS, streams), offsets)


def _only(bits: Callable[[int], Bits], count: int) -> Callable[[int], Bits]:
    """The bits of the first streams; others are 0."""

    def found(tile: int) -> Bits:
        streams, offsets = bits(tile)
        return np.where(streams < count, streams, NOWHERE), offsets

    return found


def _with(bits: Callable[[int], Bits], count: int, per_tile: int) -> Callable[[int], Bits]:
    """The bits of the first streams as they stand in a copy, which becomes stream 0."""

    def found(tile: int) -> Bits:
        streams, offsets = bits(tile)
        copied = (streams >= 0) & (streams < count)
        made = np.where(copied, 0, np.where(streams < 0, NOWHERE, streams - count + 1))
        return made, np.where(copied, per_tile * tile + np.arange(len(streams)), offsets)

    return found
