"""frames: whole recordings as a stimulus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nirdeploy.errors import InputShapeError, UsageProblem
from nirdeploy.records.events.binning import Binner, Bins, Counted, Grid
from nirdeploy.records.events.recording import Recording
from nirdeploy.records.events.times import said


@dataclass(frozen=True)
class EventFrames:
    """A stimulus made of recordings: it goes wherever ``x`` (T, B, *input shape) does.

    ``counts``: what became of the events of each recording; ``grid``: how pixels became the input's numbers;
    ``labels``: the class of each sample, where data sets say it. A recording is one sample, or is cut into several.
    Samples that are shorter than the longest end in silence.
    """

    x: np.ndarray
    counts: tuple[Counted, ...]
    grid: str
    bin_us: int
    labels: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    @property
    def ndim(self) -> int:
        return self.x.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.x.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.x, dtype=dtype, copy=copy)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self.x[key])

    def __len__(self) -> int:
        return len(self.x)

    def __str__(self) -> str:
        """What was done, and what was left out, in a line."""
        total = Counted(*(sum(getattr(c, name) for c in self.counts) for name in Counted.__dataclass_fields__))
        many = f" in {len(self.counts)} recordings" if len(self.counts) > 1 else ""
        cut = f"{self.x.shape[1]:,} samples of " if self.x.shape[1] > len(self.counts) else ""
        steps = f"{cut}{self.x.shape[0]:,} steps of {said(self.bin_us)}"
        return f"{total}{many} in {steps}, at most {int(self.x.max(initial=0))} in a cell; {self.grid}"


def read_events(
    source: Any,
    bin: str | float = "10ms",
    *,
    shape: Sequence[int] | None = None,
    size: tuple[int, ...] | None = None,
    downsample: int = 1,
    crop: tuple[int, ...] | None = None,
    polarity: str | None = None,
    binary: bool = False,
    start: str | float = 0.0,
    duration: str | float | None = None,
    cut: str | float | None = None,
) -> EventFrames:
    """Recordings of events as a stimulus: how many events fell into each cell in each span of time.

    Args:
        source: a file (.aedat4, .raw, .dat, .es), a structured array of t (microseconds), x, y and p as tonic's data
            sets have it, or several of either, each a sample, or (events, class) as such a data set gives them.
        bin: time of a step: "10ms"; a number is in seconds.
        shape: of the network's input: (2, height, width), (1, height, width), (height, width) or (numbers,). By default
            (2, height, width) as the cells are, or (1, height, width) where ``polarity`` leaves one.
        size: of an array's sensor, (width, height); else as far as its events reach.
        downsample, crop, polarity, binary, start, duration, cut: as of :class:`~nirdeploy.records.events.binning.Bins`.

    Raises:
        UsageProblem, CorruptFile, ToolMissing: the source, or an argument.
        InputShapeError: the sensor's cells are not the input's, or no event falls into it.
    """
    bins = Bins(bin, downsample, crop, polarity, binary, start, duration, cut)
    return framed(source, bins, None if shape is None else tuple(shape), size)


def framed(source: Any, bins: Bins, shape: tuple[int, ...] | None, size: tuple[int, ...] | None = None) -> EventFrames:
    """The same, by ``bins``."""
    sources, labels = _listed(source)
    samples: list[np.ndarray] = []
    counts: list[Counted] = []
    grid = ""
    for number, one in enumerate(sources):
        if isinstance(one, (str, Path)):
            with Recording.open(one) as recording:
                steps, counted, grid = _whole(recording, bins, shape)
        else:
            where = "events" if len(sources) == 1 else f"events of sample {number}"
            steps, counted, grid = _whole(Recording.of(one, size, where), bins, shape)
        if samples and steps.shape[1:] != samples[0].shape[1:]:
            raise InputShapeError(
                f"the recordings' cells differ: {steps.shape[1:]} in sample {number}, {samples[0].shape[1:]} before",
                hint="pass the shape of the input, or the size of the sensor",
            )
        samples.append(steps)
        counts.append(counted)
    if bins.piece:
        cut = [[steps[at : at + bins.piece] for at in range(0, len(steps), bins.piece)] for steps in samples]
        labels = None if labels is None else np.repeat(labels, [len(pieces) for pieces in cut])
        samples = [piece for pieces in cut for piece in pieces]
    longest = bins.piece or max(len(steps) for steps in samples)
    x = np.zeros((longest, len(samples), *samples[0].shape[1:]), np.result_type(*samples))
    for number, steps in enumerate(samples):
        x[: len(steps), number] = steps
    return EventFrames(x, tuple(counts), grid, bins.step, labels)


def _listed(source: Any) -> tuple[list[Any], np.ndarray | None]:
    """Recordings, and their classes where they have some."""
    if isinstance(source, (str, Path)) or getattr(getattr(source, "dtype", None), "names", None):
        return [source], None
    listed = list(source)
    if not listed:
        raise UsageProblem("there is no recording", hint="give a file, an array of events, or several")
    if all(isinstance(one, tuple) and len(one) == 2 for one in listed):
        return [one for one, _ in listed], np.array([label for _, label in listed])
    return listed, None


def _whole(recording: Recording, bins: Bins, shape: tuple[int, ...] | None) -> tuple[np.ndarray, Counted, str]:
    """All steps of a recording (T, *shape). Raises :class:`InputShapeError` where there is no event in them."""
    grid = grid_of(recording, bins, shape)
    binner = Binner(grid, recording.where, patient=True)
    for block in recording.blocks:
        binner.feed(block)
    steps, counts = binner.finish(), binner.counts
    check_any(counts, grid, recording.where)
    return steps, counts, str(grid)


def check_any(counts: Counted, grid: Grid, where: str) -> None:
    """Raises :class:`InputShapeError` where no event came into the input: nothing would be shown by such a stimulus."""
    if counts.counted:
        return
    said_of = "the recording holds no events" if not counts.events else f"no event of the recording is seen: {counts}"
    raise InputShapeError(said_of, where=where, hint=f"seen are {grid}; see --crop, --polarity, --start and --duration")


def grid_of(recording: Recording, bins: Bins, shape: tuple[int, ...] | None) -> Grid:
    """How a recording's pixels become the numbers of an input of ``shape``, or of one that is as they are."""
    if shape is None:
        x, y, *rest = bins.crop or (0, 0)
        w, h = rest or (recording.width - x, recording.height - y)
        channels = 2 if bins.polarity in (None, "channels") else 1
        shape = channels, -(-max(h, 1) // bins.downsample), -(-max(w, 1) // bins.downsample)
    return Grid.of(bins, recording.width, recording.height, shape, recording.where)
