"""quality: how good the line is, and how long it takes, as what passes through it tells.

Frames adapt to it: where a byte in a thousand is damaged, two of five frames of 500 bytes are.
"""

from __future__ import annotations

import math

_MEMORY = 65_536  # bytes: what is longer ago counts for less and less
_FAITH = 1_000  # bytes that a line is thought to have carried unharmed before
_LEAST = 8  # bytes: smaller pieces are mostly overhead
_BETWEEN = 0.3  # of the bytes between two faults: more of them under way would mostly be sent for nothing
_HARDLY, _WORST = 1e-9, 0.7  # the chance that damage alone explains a silence; of damage, what is thought possible
# Seconds: where nothing is known yet; what a busy system, and an adapter that was asked to hurry, are late
# by; the longest that is remembered.
_FIRST, _BUSY, _SHORTEST, _LONGEST = 0.1, 0.05, 0.005, 1.0
_TIMES = 2  # the longest silence of late
_FORGOTTEN = 0.99  # of it with each other one


def tries(rate: float, count: int) -> int:
    """How often so many bytes are sent before damage, at ``rate`` a byte, hardly explains that none come through."""
    lost = min(1.0 - math.exp(-rate * count), _WORST)
    return math.ceil(math.log(_HARDLY) / math.log(lost)) if lost > 0 else 1


class Quality:
    """Faults per byte, of late, and what they mean for the size of frames."""

    def __init__(self) -> None:
        self._bytes = self._faults = 0.0
        self.seen = False  # a fault, ever

    def carried(self, count: int) -> None:
        """So many bytes went over the line, there or back."""
        kept = math.exp(-count / _MEMORY)
        self._bytes, self._faults = self._bytes * kept + count, self._faults * kept

    def faulted(self) -> None:
        """A frame was damaged, or did not come."""
        self.seen = True
        self._faults += 1

    def forgive(self) -> None:
        """What was taken for lost was only late."""
        self._faults = max(self._faults - 1, 0.0)

    @property
    def rate(self) -> float:
        """Faults per byte."""
        return self._faults / (self._bytes + _FAITH)

    def payload(self, overhead: int, most: int) -> int:
        """The bytes of payload, at most ``most``, with which a frame that needs ``overhead`` more carries best.

        The largest p / (p + h) exp(-r (p + h)), for r faults a byte: p (p + h) = h / r.
        """
        if self._faults < 0.5:
            return most
        best = (math.sqrt(overhead**2 + 4 * overhead / self.rate) - overhead) / 2
        return max(min(int(best), most), min(_LEAST, most))

    def window(self, most: int) -> int:
        """Bytes, at most ``most``, that may be under way where a fault costs all that came after it."""
        return most if self._faults < 0.5 else min(int(_BETWEEN / self.rate), most)

    def survives(self, count: int) -> float:
        """The chance that so many bytes come through unharmed."""
        return math.exp(-self.rate * count)


class Silences:
    """How long the other end is silent before something comes."""

    def __init__(self) -> None:
        self._longest: float | None = None

    def lasted(self, seconds: float) -> None:
        """One, ended by what was waited for."""
        self._longest = max(seconds, (self._longest or 0.0) * _FORGOTTEN)

    def cut(self) -> None:
        """One was not waited out: what was taken for lost came."""
        self._longest = min(2 * (self._longest or 0.0), _LONGEST)

    def wait(self, *, lossy: bool) -> float:
        """Seconds after which what was waited for is late; ``lossy``: and likely lost."""
        if self._longest is None:
            return _FIRST
        return max(_TIMES * self._longest, _SHORTEST if lossy else _BUSY)
