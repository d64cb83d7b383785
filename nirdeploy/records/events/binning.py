"""binning: events as steps: how many fell into each cell of the input in each span of time.

A sensor's pixels become cells of ``downsample`` x ``downsample`` of them, those of the window that ``crop`` names; an
event's polarity chooses the channel. What falls outside, of the input or of the time asked for, is counted and left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.records.events.times import microseconds, said

POLARITIES = ("channels", "merge", "on", "off")
_MUCH_LARGER = 2  # times the input: a sensor whose corner alone would be seen
_MOST_CELLS = 1 << 31  # numbers of a stimulus


@dataclass(frozen=True)
class Bins:
    """How events become steps.

    Args:
        bin: a step's time, such as "10ms".
        downsample: pixels of a cell's side.
        crop: (x, y) or (x, y, width, height): the window of the sensor that is seen, in pixels; else all from (0, 0).
        polarity: "channels": off and on events are channels 0 and 1; "merge": both are one; "on", "off": only these are
            seen. By default as the input's shape has it: two channels, or one.
        binary: a cell holds 1 where there were events, however many.
        start, duration: of the recording's time, from its first event, that is seen.
        cut: time of the samples into which the recording is cut, the last of which ends in silence; else it is one.
    """

    bin: str | float = "10ms"
    downsample: int = 1
    crop: tuple[int, ...] | None = None
    polarity: str | None = None
    binary: bool = False
    start: str | float = 0.0
    duration: str | float | None = None
    cut: str | float | None = None

    def __post_init__(self) -> None:
        if self.step <= 0:
            raise UsageProblem(f"a bin of {self.bin!r} is too short", hint="1us or more")
        if self.downsample < 1:
            raise UsageProblem(f"cells of {self.downsample} pixels cannot be", hint="--downsample 1 or more")
        if self.crop is not None and (
            len(self.crop) not in (2, 4) or min(self.crop) < 0 or min(self.crop[2:], default=1) < 1
        ):
            raise UsageProblem(f"the crop {self.crop} is no window", hint="X,Y or X,Y,WIDTH,HEIGHT in pixels")
        if self.polarity not in (None, *POLARITIES):
            raise UsageProblem(f"there is no polarity {self.polarity!r}", hint=f"one of: {', '.join(POLARITIES)}")
        if self.span is not None and self.span < self.step:
            raise UsageProblem(f"a duration of {self.duration!r} holds no bin of {self.bin!r}")
        if self.cut is not None and (microseconds(self.cut, "cut") % self.step or not self.piece):
            raise UsageProblem(
                f"samples of {self.cut!r} are no whole number of bins of {self.bin!r}",
                hint=f"a multiple of the bin, such as {said(100 * self.step)}",
            )

    @cached_property
    def step(self) -> int:
        """Microseconds."""
        return microseconds(self.bin)

    @cached_property
    def begins(self) -> int:
        return microseconds(self.start, "start")

    @cached_property
    def span(self) -> int | None:
        return None if self.duration is None else microseconds(self.duration, "duration")

    @cached_property
    def piece(self) -> int | None:
        """Steps of a sample that is cut from a recording."""
        return None if self.cut is None else microseconds(self.cut, "cut") // self.step


@dataclass(frozen=True)
class Grid:
    """The cells that a sensor's pixels become, and the input's numbers that they are.

    ``shape``: of the input; ``channels``: 2, or 1 where polarities are not told apart; ``window``: (x, y, width,
    height) of the sensor; ``cells``: (width, height).
    """

    shape: tuple[int, ...]
    channels: int
    window: tuple[int, int, int, int]
    cells: tuple[int, int]
    bins: Bins

    @classmethod
    def of(cls, bins: Bins, width: int, height: int, shape: tuple[int, ...], where: str) -> Grid:
        """The grid of a sensor's pixels in an input. Raises :class:`InputShapeError` where it is none."""
        x, y, *rest = bins.crop or (0, 0)
        if x >= width or y >= height:
            raise InputShapeError(
                f"the crop begins at ({x}, {y}), the sensor has {width} x {height} pixels", where=where
            )
        w, h = rest or (width - x, height - y)
        window = x, y, min(w, width - x), min(h, height - y)
        seen = -(-window[2] // bins.downsample), -(-window[3] // bins.downsample)
        channels, cells = _layout(bins, shape, seen, where)
        if not rest and (seen[0] >= _MUCH_LARGER * cells[0] or seen[1] >= _MUCH_LARGER * cells[1]):
            fitting = max(math.ceil(window[2] / cells[0]), math.ceil(window[3] / cells[1]))
            raise InputShapeError(
                f"the sensor's {width} x {height} pixels make {seen[0]} x {seen[1]} cells, the input has {cells[0]} x "
                f"{cells[1]}, so that it would see a corner only",
                where=where,
                hint=f"--downsample {fitting} makes them fit; or choose the corner with --crop X,Y,WIDTH,HEIGHT",
            )
        return cls(shape, channels, window, cells, bins)

    @classmethod
    def live(cls, bins: Bins, shape: tuple[int, ...], where: str) -> Grid:
        """The grid of events that come live, of a sensor as large as the input, or as the crop.

        Raises :class:`InputShapeError` where neither says how large that is.
        """
        x, y, *rest = bins.crop or (0, 0)
        if not rest and len(shape) < 2:
            raise InputShapeError(
                f"the input has {shape[0]:,} numbers in a row, and events that come live do not say how large their "
                "sensor is",
                where=where,
                hint="say it with --crop 0,0,WIDTH,HEIGHT",
            )
        w, h = rest or (shape[-1] * bins.downsample, shape[-2] * bins.downsample)
        return cls.of(bins, x + w, y + h, shape, where)

    def places(self, events: np.ndarray) -> np.ndarray:
        """Which of the input's numbers each event is of, int64; -1: none."""
        x, y, width, height = self.window
        column, row = events["x"].astype(np.int64) - x, events["y"].astype(np.int64) - y
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        column, row = column // self.bins.downsample, row // self.bins.downsample
        inside &= (column < self.cells[0]) & (row < self.cells[1])
        if self.bins.polarity in ("on", "off"):
            inside &= (events["p"] > 0) == (self.bins.polarity == "on")
        place = row * self.cells[0] + column
        if self.channels > 1:
            place += (events["p"] > 0) * (self.cells[0] * self.cells[1])
        return np.where(inside, place, -1)

    def __str__(self) -> str:
        x, y, width, height = self.window
        only = {"on": "on events only", "off": "off events only"}.get(
            self.bins.polarity or "", "both polarities as one"
        )
        channels = "off and on events as channels 0 and 1" if self.channels > 1 else only
        size = self.bins.downsample
        seen = -(-width // size), -(-height // size)
        cells = f"{seen[0]} x {seen[1]} cells of {size} x {size} pixels from ({x}, {y})"
        fits = "" if seen == self.cells else f", into an input of {self.cells[0]} x {self.cells[1]}"
        return f"{cells}{fits}; {channels}"


def _layout(bins: Bins, shape: tuple[int, ...], seen: tuple[int, int], where: str) -> tuple[int, tuple[int, int]]:
    """Channels, and cells (width, height), of an input of ``shape``."""
    ways = {"channels": (2,), None: (2, 1)}.get(bins.polarity, (1,))
    if len(shape) == 3 and shape[0] in ways:
        return shape[0], (shape[2], shape[1])
    if len(shape) == 2 and 1 in ways:
        return 1, (shape[1], shape[0])
    if len(shape) == 1:
        for channels in ways:
            if channels * seen[0] * seen[1] == shape[0]:
                return channels, seen
        if 1 in ways and seen[1] == 1:  # a line of sensors
            return 1, (shape[0], 1)
        counts = " or ".join(f"{n * seen[0] * seen[1]:,}" for n in ways)
        raise InputShapeError(
            f"the sensor's {seen[0]} x {seen[1]} cells make {counts} numbers, the input has {shape[0]:,}",
            where=where,
            hint="choose cells with --downsample and --crop X,Y,WIDTH,HEIGHT so that they are as many",
        )
    said_channels = " or ".join(map(str, ways))
    raise InputShapeError(
        f"events make (channels, height, width) with {said_channels} channels, the input has the shape {shape}",
        where=where,
        hint="see --polarity; a network of another shape takes arrays (.npy, .npz)",
    )


@dataclass
class Counted:
    """What became of events. ``late``: of a step that had been handed on when they came."""

    events: int = 0
    counted: int = 0
    outside: int = 0
    out_of_time: int = 0
    late: int = 0

    def as_dict(self) -> dict[str, int]:
        names = ("counted", "outside", "out_of_time", "late")
        return {"events": self.events, **{f"events_{name}": getattr(self, name) for name in names}}

    def __str__(self) -> str:
        left = {
            "outside the input": self.outside,
            "outside the time asked for": self.out_of_time,
            "too late": self.late,
        }
        rest = ", ".join(f"{count:,} {why}" for why, count in left.items() if count)
        return f"{self.counted:,} of {self.events:,} events{f' ({rest})' if rest else ''}"


@dataclass
class Binner:
    """Events that come block by block, as steps.

    ``patient``: no step is over before all events have come, in whatever order.
    """

    grid: Grid
    where: str = "events"
    patient: bool = False
    counts: Counted = field(default_factory=Counted)

    def __post_init__(self) -> None:
        self._size = math.prod(self.grid.shape)
        self._first: int | None = None  # the time of the first event
        self._at = 0  # the step that is filled
        self._open: dict[int, list[np.ndarray]] = {}  # places of events by step

    @property
    def steps(self) -> int | None:
        """Of the time asked for, if it ends."""
        bins = self.grid.bins
        return None if bins.span is None else -(-bins.span // bins.step)

    @property
    def ended(self) -> bool:
        """Whether all steps of the time asked for are over."""
        return self.steps is not None and self._at >= self.steps

    def feed(self, events: np.ndarray) -> np.ndarray:
        """More events; the steps that are over by the time of the last of them, (T, *shape)."""
        if not len(events):
            return self._made([])
        bins, counts = self.grid.bins, self.counts
        times = events["t"].astype(np.int64)
        if self._first is None:
            self._first = int(times.min())
        counts.events += len(events)
        since = times - self._first - bins.begins
        step = np.floor_divide(since, bins.step)
        timely = since >= 0
        if bins.span is not None:
            timely &= since < bins.span
        counts.out_of_time += int((~timely).sum())
        late = timely & (step < self._at)
        counts.late += int(late.sum())
        place = self.grid.places(events)
        counts.outside += int((timely & ~late & (place < 0)).sum())
        kept = timely & ~late & (place >= 0)
        counts.counted += int(kept.sum())
        order = np.argsort(step[kept], kind="stable")
        numbers, begin = np.unique(step[kept][order], return_index=True)
        for number, places in zip(numbers.tolist(), np.split(place[kept][order], begin[1:]), strict=False):
            self._open.setdefault(number, []).append(places)
        if self.patient:
            return self._made([])
        over = int(step.max())
        return self._until(max(over if self.steps is None else min(over, self.steps), self._at))

    def finish(self) -> np.ndarray:
        """The steps that are left: to the end of the time asked for, or the last in which there was an event."""
        last = max(self._open, default=self._at - 1) + 1
        return self._until(max(last if self.steps is None else self.steps, self._at))

    def pass_time(self) -> np.ndarray:
        """One step more, over by somebody's clock."""
        return self._until(self._at + 1)

    def _until(self, end: int) -> np.ndarray:
        if (end - self._at) * self._size > _MOST_CELLS:
            raise UsageProblem(
                f"events {said((end - self._at) * self.grid.bins.step)} apart make {end - self._at:,} steps of "
                f"{said(self.grid.bins.step)}, each of {self._size:,} numbers",
                where=self.where,
                hint="choose longer bins, or a part of the recording with --start and --duration; check its clock",
            )
        made = self._made([self._open.pop(number, []) for number in range(self._at, end)])
        self._at = end
        return made

    def _made(self, steps: list[list[np.ndarray]]) -> np.ndarray:
        found = np.zeros((len(steps), self._size), np.uint8)
        for t, places in enumerate(steps):
            if places:
                number = np.bincount(np.concatenate(places), minlength=self._size)
                number = np.minimum(number, 1) if self.grid.bins.binary else number
                if (most := int(number.max())) > np.iinfo(found.dtype).max:
                    found = found.astype(np.uint16 if most < 1 << 16 else np.uint32)
                found[t] = number
        return found.reshape(len(steps), *self.grid.shape)


def binned(blocks: Iterator[np.ndarray], binner: Binner) -> Iterator[np.ndarray]:
    """The steps of all blocks, as they are over; ends where the time asked for does."""
    for block in blocks:
        steps = binner.feed(block)
        if len(steps):
            yield steps
        if binner.ended:
            return
    if len(steps := binner.finish()):
        yield steps
