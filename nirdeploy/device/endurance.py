"""endurance: how much silence, noise and idle talk is borne from the other end before it is given up."""

from __future__ import annotations

import time

_MOST_NOISE = 1 << 20  # bytes without a frame among them
_NOISY = 0.25  # what a silence counts for where something damaged came before it: somebody is there
_NEARLY = 0.99  # of all the silence there may be: sums of floats


class Endurance:
    """What was borne since something last came of it.

    Args:
        longest: seconds of a long silence.
        attempts: so many of them are too much. Twice as long may noise, or frames that nobody asked for, go on.
    """

    def __init__(self, longest: float, attempts: int) -> None:
        self._longest, self._attempts = longest, attempts
        self.progressed()

    def progressed(self) -> None:
        """What was waited for has come."""
        self.rounds, self._damaged = 0, False
        self._quiet, self._noise, self._since = 0.0, 0, time.monotonic()

    @property
    def noisy(self) -> bool:
        """Something came."""
        return self._damaged or self._noise > 0

    def heard(self, count: int) -> bool:
        """So many bytes came that are no frame yet; whether it is too much."""
        self._noise += count
        return self._noise > _MOST_NOISE

    def framed(self) -> None:
        """They were the beginning of one."""
        self._noise = 0

    def silent(self, seconds: float, *, damaged: bool = False, tries: int = 0) -> bool:
        """A silence was waited out; whether it was one too many.

        ``damaged``: something came before it. ``tries``: up to so many of them a bad line may explain.
        """
        self.rounds += 1
        self._damaged |= damaged
        self._quiet += seconds * (_NOISY if damaged else 1)
        return self.rounds >= max(self._attempts, tries) and self._quiet >= _NEARLY * self._attempts * self._longest

    def idle(self, patience: float = 0.0) -> bool:
        """A frame came of which nothing comes; whether it has been too long since the last of which something did."""
        return time.monotonic() - self._since > 2 * self._attempts * (self._longest + patience)
