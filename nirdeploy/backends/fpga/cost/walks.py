"""The bitmap words that a job reads: which bits of which bitmap, in which order, and where a pass and a row end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nirdeploy.backends.fpga.jobs import Job
from nirdeploy.backends.fpga.layout import WORD
from nirdeploy.backends.fpga.schema import Hardware

_FOUR = 4  # words that are looked up at once (`spotted_words.v`)
_LOOKING = 3  # cycles from the last look for a stretch to its first row (`spotted_rows.v`)


@dataclass(frozen=True)
class Read:
    """What of a job's words goes on to be walked, in one step.

    Args:
        at: when each is read, in cycles from the first, if nothing holds it up.
        ones: its set bits.
        ends, whole: whether a pass, and the row, ends with it.
        cycles: that all take, those too that do not go on.
        last: of these, from the last segment being asked for on.
    """

    at: np.ndarray
    ones: np.ndarray
    ends: np.ndarray
    whole: np.ndarray
    cycles: int
    last: int


class Walk:
    """All bitmap words of a job, in order."""

    def __init__(self, job: Job, hardware: Hardware, ahead: int = 0) -> None:
        """``ahead``: segments between the list of them and the word being read."""
        line, column = (index.reshape(-1, 1) for index in np.mgrid[: job.lines, : job.columns])
        of = {
            name: np.array([getattr(segment, name) for segment in job.segments])
            for name in ("address", "line_step", "first", "column_step", "bits", "line_bits", "before")
        }
        ends, closes, (left, right) = (
            np.array([s.ends_pass for s in job.segments]),
            np.array([s.ends_window for s in job.segments]),
            np.array([s.absent for s in job.segments]).T,
        )
        absent = (column < left) | (job.columns - 1 - column < right)
        first = of["first"] + column * of["column_step"]
        # A run may lie beyond its line altogether, in the padding: it has no bits, wherever it would begin.
        low, high = np.clip(first, 0, of["line_bits"]), np.minimum(first + of["bits"], of["line_bits"])
        base = of["address"] + line * of["line_step"]
        start, stop = (base + low).ravel(), (base + np.where(absent, low, np.maximum(low, high))).ravel()
        ends[-1] = True
        passes = ((ends & ~absent) | closes).ravel()  # of a position that is absent only the end of its window is left
        whole = np.tile(np.arange(len(ends)) == len(ends) - 1, len(line))
        words = np.where(stop > start, (stop - 1) // WORD - start // WORD + 1, 1)
        self.segment = segment = np.repeat(np.arange(len(words)), words)
        self.nth = nth = np.arange(len(segment)) - np.repeat(np.cumsum(words) - words, words)
        word = start[segment] // WORD + nth
        self.start = np.maximum(start[segment], word * WORD)
        self.stop = np.maximum(np.minimum(stop[segment], (word + 1) * WORD), self.start)
        self.before = np.tile(of["before"].astype(bool), len(line))[segment]
        last = nth == words[segment] - 1
        self.ends, self.whole = passes[segment] & last, whole[segment] & last
        self.length, self.segments = len(segment), len(words)
        self.passes = int(passes.sum())
        self._at = np.arange(self.length) + hardware.compact * segment
        self._ahead, self._last = ahead, int(words[-ahead:].sum()) if len(words) > ahead else self.length

    def bits(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Set bits in every word. ``now``, ``before``: set bits up to each one of a step's bitmaps."""
        return self._counted(self.start, self.stop, now, before)

    def read(self, now: np.ndarray, before: np.ndarray) -> Read:
        """Of the bitmaps of a step, as for :meth:`bits`."""
        ones = self.bits(now, before)
        seen = np.flatnonzero((ones > 0) | self.ends)
        return Read(self._at[seen], ones[seen], self.ends[seen], self.whole[seen], self.length, self._last)

    def _counted(self, start: np.ndarray, stop: np.ndarray, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(self.before, before[stop] - before[start], now[stop] - now[start]))


class SpottedWalk(Walk):
    """The words with spikes: of uniform jobs only of the segments in which there may be some."""

    def __init__(self, job: Job, hardware: Hardware, ahead: int) -> None:
        super().__init__(job, hardware, ahead)
        self._windows, self._count, self._columns = job.windows, len(job.segments), job.columns
        first = self.nth % _FOUR == 0
        self._four = np.cumsum(first) - 1
        self._first = np.flatnonzero(first)  # word of each four
        self._of = self.segment[self._first]  # segment of each four
        self._last_word = np.append(np.flatnonzero(np.diff(self.segment)), self.length - 1)  # of each segment
        self._final = self._four[self._last_word]
        self._row = np.arange(self.segments) // self._count  # of each segment

    def read(self, now: np.ndarray, before: np.ndarray) -> Read:
        """Of the bitmaps of a step, as for :meth:`bits`."""
        ones = self.bits(now, before)
        may = self._asked(now)
        bytes_with = self._counted(self.start // 8 * 8, -(-self.stop // 8) * 8, now, before)
        spotted = may[self.segment] & (self.stop > self.start) & (bytes_with > 0)
        found = np.bincount(self._four[spotted], minlength=len(self._first))
        cycles = np.where(may[self._of], np.maximum(found, 1), 0)
        ending = self._ending(may)
        nothing = ending & ~may  # a row in which no segment is asked for
        cycles[self._final[nothing]] = 1
        begin = np.cumsum(cycles) - cycles + self._looking(cycles)

        closing = np.zeros(self.length, dtype=bool)
        bare = ending & (found[self._final] == 0)
        closing[self._last_word[bare]] = True
        last_spotted = np.zeros(len(self._first), dtype=np.int64)
        last_spotted[self._four[spotted]] = np.flatnonzero(spotted)
        closing[last_spotted[self._final[ending & ~bare]]] = True

        rank = np.cumsum(spotted) - spotted
        at = begin[self._four] + np.where(spotted, rank - rank[self._first][self._four], 0)
        seen = np.flatnonzero((spotted & (ones > 0)) | closing)
        whole = self.whole[self._last_word][self.segment] if self._windows is None else closing
        asked = np.bincount(self._of, cycles)
        last = int(asked[asked > 0][-self._ahead :].sum())
        length = int(begin[-1] + cycles[-1])
        return Read(at[seen], np.where(spotted, ones, 0)[seen], closing[seen], whole[seen], length, last)

    def _asked(self, now: np.ndarray) -> np.ndarray:
        """Whether each segment of each row is asked for."""
        windows = self._windows
        if windows is None:
            return np.ones(self.segments, dtype=bool)
        line, column = np.divmod(np.arange(self.segments // self._count), self._columns)
        stretch, nth = np.divmod(column, windows.stretch)
        start = windows.address + line * windows.line_step + stretch * windows.stretch * windows.step
        byte = (start[:, None] + np.arange(self._count) * windows.pitch) // 8
        low, high = nth * windows.step // 8, (nth * windows.step + windows.reach) // 8
        edges = [np.clip((byte + edge[:, None]) * 8, 0, len(now) - 1) for edge in (low, high + 1)]
        return np.asarray(now[edges[1]] > now[edges[0]]).ravel()

    def _ending(self, may: np.ndarray) -> np.ndarray:
        """Whether a pass ends with each segment: with the last one asked for, where its row has but one."""
        if self._windows is None:
            return np.asarray(self.ends[self._last_word])
        last = np.where(may, np.arange(self.segments) % self._count, -1).reshape(-1, self._count).max(axis=1)
        ending = np.zeros((len(last), self._count), dtype=bool)
        ending[np.arange(len(last)), last] = True  # -1: none is, and the row's last one stands for it
        return ending.ravel()

    def _looking(self, cycles: np.ndarray) -> np.ndarray | int:
        """What each four waits for rows to be looked up."""
        if self._windows is None:
            return 0
        line, column = np.divmod(self._row[self._of], self._columns)
        per_line = -(-self._columns // self._windows.stretch)
        stretch = line * per_line + column // self._windows.stretch
        own = np.bincount(stretch, cycles).astype(np.int64)
        waits = np.maximum(self._count + _LOOKING - own, 0)
        return np.asarray((np.cumsum(waits) - waits)[stretch])
