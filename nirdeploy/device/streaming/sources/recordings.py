"""recordings: steps of a recording of events, while it is decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nirdeploy.device.streaming.sources.source import Ended
from nirdeploy.records.events.binning import Binner, Bins, binned
from nirdeploy.records.events.frames import check_any, grid_of
from nirdeploy.records.events.recording import Recording


class FromRecording:
    """Steps of a file, in blocks of ``most`` at most.

    Raises:
        UsageProblem, CorruptFile, ToolMissing: the file, at once or while it is read. InputShapeError: its pixels are
        not the input's; in the end, where no event came into it.
    """

    def __init__(self, path: Path, bins: Bins, shape: tuple[int, ...], most: int) -> None:
        self._open = contextlib.ExitStack()
        recording = self._open.enter_context(Recording.open(path))
        try:
            self.grid = grid_of(recording, bins, shape)
        except BaseException:
            self._open.close()
            raise
        self._binner, self._where = Binner(self.grid, recording.where), recording.where
        self._blocks = self._cut(recording, most)

    def _cut(self, recording: Recording, most: int) -> Iterator[np.ndarray]:
        for steps in binned(recording.blocks, self._binner):
            yield from (steps[at : at + most] for at in range(0, len(steps), most))

    def take(self, wait: float) -> np.ndarray:
        for block in self._blocks:
            return block
        check_any(self._binner.counts, self.grid, self._where)
        raise Ended

    def close(self) -> None:
        self._open.close()

    def said(self) -> dict[str, int]:
        return self._binner.counts.as_dict()
