"""run: populations that are stepped together, by the compiled loops, over all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.sim.engine import cores, neurons, scatter
from nirdeploy.sim.engine.layout import Laid, Signals, aligned
from nirdeploy.sim.engine.links import Kind, Rows
from nirdeploy.sim.engine.prepare import Arriving, Lot, Ready, prepared
from nirdeploy.sim.engine.settle import settle

_NUMBERS = 1 << 18  # of a chunk's sums: so few that they stay in a core's cache
_WORTH = 1 << 15  # numbers that are worth another core

Chunk = tuple[int, int, int, int]  # first sample, samples, first step, steps


@dataclass(frozen=True)
class Done:
    """``membrane``: int32 (T, B, size) by population, of those that were to be kept."""

    membrane: dict[str, np.ndarray]
    saturations: int


def run(
    network: IntegerNetwork,
    together: Sequence[str],
    signals: Signals,
    keep: set[str],
    odd: Callable[[str, Any], np.ndarray],
) -> Done | None:
    """All steps of some populations, whose sources' signals are known, and whose own signals are known then.

    Args:
        odd: what the definition makes of the projections given into a population: int64 (T, B, size).

    Returns:
        None where the engine does not know one of them.
    """
    ready = prepared(network, together)
    if ready is None:
        return None
    time, batch = next(iter(signals.values())).shape[:2]
    cells = [_Cell(own, time, batch, signals, own.name in keep, odd) for own in ready]
    recurrent = any(p.source in together for name in together for p in network.into(name))
    steps = _at_once(network, together) if recurrent else time

    def samples(first: int, last: int) -> int:
        room, saturated = Room(), 0
        for chunk in _chunks(first, last, time, steps, max(own.layout.width for own in ready)):
            for cell in cells:
                cell.begin(chunk, room)
            saturated += sum(cell.step(chunk, signals, room) for cell in cells)
        return saturated

    # Where there are fewer samples than cores, the cores share the numbers of each.
    shared = batch >= cores.count() or recurrent
    saturated = sum(cores.share(batch, 1, samples)) if shared else samples(0, batch)
    for cell in cells:
        if not cell.ready.how.spiking:
            signals[cell.ready.name] = cell.membrane().astype(np.int64)
    return Done({cell.ready.name: cell.membrane() for cell in cells if cell.ready.name in keep}, saturated)


def _worth(numbers: int, step: int) -> int:
    """How many times so many numbers are worth another core, in steps of ``step``."""
    return -(-_WORTH // (numbers * step)) * step


def _at_once(network: IntegerNetwork, together: Sequence[str]) -> int:
    """Steps that populations on cycles go before they must see each other's spikes."""
    place = {name: index for index, name in enumerate(together)}
    back = [
        p.delay for name in together for p in network.into(name) if p.source in place and place[p.source] >= place[name]
    ]
    return max(min(back), 1)


def _chunks(first: int, last: int, time: int, most: int, width: int) -> Iterator[Chunk]:
    """Samples ``first`` to ``last``, of ``time`` steps each, in parts of at most ``most`` steps."""
    steps = max(min(_NUMBERS // width, time, most), 1)
    samples = max(_NUMBERS // (steps * width), 1)
    for sample in range(first, last, samples):
        for step in range(0, time, steps):
            yield sample, min(samples, last - sample), step, min(steps, time - step)


class Room:
    """Room for what a chunk needs, used again by the next."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def of(self, name: tuple[str, str], size: int, kind: Kind) -> np.ndarray:
        """``size`` numbers: as they were left, if so many were there."""
        if name not in self._known or self._known[name].size < size:
            self._known[name] = aligned((size,), kind)
        return self._known[name][:size]


class _Cell:
    """One population and its state in all samples."""

    def __init__(
        self,
        ready: Ready,
        time: int,
        batch: int,
        signals: Signals,
        keep: bool,
        odd: Callable[[str, Any], np.ndarray],
    ) -> None:
        self.ready, self._batch = ready, batch
        width = ready.layout.width
        self._fired = np.zeros((time if ready.how.spiking else 0, batch, width), dtype=np.uint8)
        self._trace = np.zeros((time if keep or not ready.how.spiking else 0, batch, width), dtype=np.int32)
        if ready.how.spiking:
            signals.keep(ready.name, Laid(self._fired, ready.layout))
        self._given: np.ndarray | None = None
        if ready.odd:
            entering = np.clip(odd(ready.name, ready.odd), -neurons.LARGEST, neurons.LARGEST)
            self._given = ready.layout.lay(entering.astype(np.float64))

    def membrane(self) -> np.ndarray:
        """int32 (T, B, size)."""
        return self.ready.layout.natural(self._trace)

    def begin(self, chunk: Chunk, room: Room) -> None:
        """The state before the first step; and spikes that leave late, which are known before anything of a step is."""
        sample, samples, step, _ = chunk
        states = self._states(samples, room)
        if step == 0:
            states[0][...], states[1][...], states[2][...] = self.ready.initial, 0, 0
        if self.ready.how.delayed:
            self._fired[step, sample : sample + samples] = states[2]

    def _states(self, samples: int, room: Room) -> tuple[np.ndarray, ...]:
        """Membrane, synaptic current and spikes of a chunk's samples."""
        width = self.ready.layout.width
        return tuple(
            room.of((self.ready.name, which), samples * width, np.float64).reshape(samples, width) for which in "viz"
        )

    def step(self, chunk: Chunk, signals: Signals, room: Room) -> int:
        """All steps of a chunk; returns how often a membrane saturated."""
        ready, (_, samples, _, steps) = self.ready, chunk
        numbers = (ready.parameters, ready.late, ready.begins, ready.how, chunk)
        sums, shift = self._sums(chunk, signals, room)
        states, tile = self._states(samples, room), ready.parameters.shape[2]

        def job(first: int, last: int) -> int:
            return int(neurons.step(sums, 2.0**shift, states, *numbers, first, last, self._fired, self._trace))

        return sum(cores.share(ready.layout.width, _worth(samples * steps, tile), job))

    def _sums(self, chunk: Chunk, signals: Signals, room: Room) -> tuple[np.ndarray, int]:
        """A chunk's sums of weights, and what they are shifted by."""
        ready, (sample, samples, step, steps) = self.ready, chunk
        width, rows = ready.layout.width, samples * steps
        made = []
        for index, lot in enumerate(ready.lots):
            into = room.of((ready.name, str(index)), rows * lot.landing.width, lot.kind)
            for number, arriving in enumerate(lot.arriving):
                _scatter(arriving, signals, chunk, number == 0, into, lot.landing.width)
            made.append(into)
        if ready.directly:
            return made[0], ready.lots[0].shift
        total = room.of((ready.name, "total"), rows * width, np.float64)
        part = (slice(step, step + steps), slice(sample, sample + samples))
        total.reshape(steps, samples, width)[...] = 0.0 if self._given is None else self._given[part]
        for lot, into in zip(ready.lots, made, strict=True):
            _settle(lot, into, total, width, ready.layout.lanes, rows)
        return total, 0


def _settle(lot: Lot, sums: np.ndarray, total: np.ndarray, width: int, lanes: int, rows: int) -> None:
    """Adds a lot's sums to the total, shifted, their maxima taken where there are some to take."""
    before = lot.landing.width

    def job(first: int, last: int) -> None:
        settle(sums, before, total, width, first, last, lanes, lot.windows, lot.shift)

    cores.share(rows, _worth(before, 1), job)


def _scatter(
    arriving: Arriving,
    signals: Signals,
    chunk: Chunk,
    fresh: bool,
    into: np.ndarray,
    width: int,
) -> None:
    """A chunk's sums of what one projection brings."""
    sample, samples, step, steps = chunk
    signal = signals.laid(arriving.source, arriving.layout)
    batch, size = signal.shape[1:]
    tables, flat = arriving.tables, signal.reshape(-1)

    def job(first: int, last: int) -> None:
        rows = (flat, size, batch, (sample, step - arriving.delay, samples), first, last, arriving.scaled, fresh)
        events = np.empty(size * scatter.GROUP, dtype=np.uint32)
        if isinstance(tables, Rows):
            narrow = aligned((tables.block,), np.int16 if tables.weight.dtype == np.int8 else into.dtype.type)
            narrow[...] = 0
            scatter.rows(*rows, tables.weight, tables.block, events, narrow, into, width)
        else:
            scatter.runs(*rows, tables.tables, tables.weight, events, into, width)

    cores.share(samples * steps, _worth(width, 1), job)
