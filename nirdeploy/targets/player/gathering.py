"""Gather lists: which bits of which streams follow each other, in as few descriptors as their order allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nirdeploy.errors import InternalError
from nirdeploy.targets.player.operations import ZEROS

WORDS = 5  # of a descriptor
_WORD = 32  # bits
_MOST_BITS = 0xFFE0  # of a run
_MOST_RUNS = 0xFFFF  # within the outer loop, and times that this is gone through
_MOST_OFFSET = 1 << 28


@dataclass(frozen=True)
class GatherList:
    """``words``: uint32; ``chunks``: pieces of runs, each within a word of the memory, or zeros."""

    words: np.ndarray
    chunks: int

    @property
    def descriptors(self) -> int:
        return len(self.words) // WORDS


def gather_list(streams: np.ndarray, offsets: np.ndarray) -> GatherList:
    """The list that gathers these bits.

    Args:
        streams: of each bit, in the order in which they are to stand; :data:`ZEROS` where it is 0.
        offsets: bits from where the stream stands.
    """
    offsets = np.where(streams == ZEROS, 0, offsets)
    if offsets.size and (offsets.min() < 0 or offsets.max() >= _MOST_OFFSET):
        raise InternalError("a gather list reads farther than its words can say")
    first, length = _runs(streams, offsets)
    stream, at = streams[first], np.where(streams[first] == ZEROS, 0, offsets[first])
    begin, count, step = _progressions((stream, length), at, _MOST_RUNS)
    rows, without, far = _progressions((stream[begin], length[begin], count, step), at[begin], _MOST_RUNS)
    own = begin[rows]
    words = np.zeros((len(rows), WORDS), dtype=np.int64)
    words[:, 0] = stream[own] << 28 | at[own]
    words[:, 1] = length[own] | count[rows] << 16
    words[:, 2], words[:, 3], words[:, 4] = step[rows], without, far
    inside = np.where(stream == ZEROS, 0, at % _WORD)
    chunks = int((-(-(inside + length) // _WORD)).sum())
    return GatherList(np.concatenate([(words & 0xFFFFFFFF).ravel(), [0, 0]]).astype(np.uint32), chunks)


def _runs(streams: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(first, length) of bits that follow each other where they come from, too."""
    follows = (streams[1:] == streams[:-1]) & ((offsets[1:] == offsets[:-1] + 1) | (streams[1:] == ZEROS))
    first = np.concatenate([[0], np.flatnonzero(~follows) + 1]).astype(np.int64)
    length = np.diff(np.concatenate([first, [len(streams)]]))
    if length.max() > _MOST_BITS:
        pieces = -(-length // _MOST_BITS)
        nth = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        first = np.repeat(first, pieces) + nth * _MOST_BITS
        length = np.diff(np.concatenate([first, [len(streams)]]))
    return first, length


def _progressions(
    alike: tuple[np.ndarray, ...], at: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries that follow each other, are alike and stand evenly apart: (first, count, step), the longest first."""
    steps = np.diff(at)
    same = np.ones(len(steps), dtype=bool)
    for values in alike:
        same &= values[1:] == values[:-1]
    goes_on = same[1:] & same[:-1] & (steps[1:] == steps[:-1])  # from a step to the next
    ends = np.flatnonzero(np.concatenate([~goes_on, [True]])) if len(steps) else np.zeros(0, dtype=np.int64)
    last = (
        ends[np.searchsorted(ends, np.arange(len(steps)))] + 1 if len(steps) else ends
    )  # the last entry, by the first
    found: list[tuple[int, int, int]] = []
    i, count = 0, len(at)
    lasts, evenly, apart = last.tolist(), same.tolist(), steps.tolist()
    while i < count:
        if i + 1 < count and evenly[i]:
            size = min(lasts[i] - i + 1, most)
            found.append((i, size, apart[i]))
        else:
            size = 1
            found.append((i, 1, 0))
        i += size
    made = np.array(found, dtype=np.int64).reshape(-1, 3)
    return made[:, 0], made[:, 1], made[:, 2]
