"""resting: a run fed piece by piece, the device left to rest after each: what it sends then has a known start."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nirdeploy.device.decoding import MORE, NotBelieved, StepDecoder
from nirdeploy.device.running import Rest, Run

TURN = 60  #: bytes that leaving the device to rest is worth
MOST_PIECE = 40_000  #: bytes: fewer than the 256 frames after which their numbers come again


class Resting:
    """One run from its BEGIN on.

    Args:
        bits: of each entry of the probe table.
    """

    def __init__(self, run: Run, bits: Sequence[int]) -> None:
        self.run, self._decoder = run, StepDecoder(bits, 1)
        # Frames of the piece before that are missing at its end: 0, or 1, for of two one could be this one's; None:
        # nobody knows.
        self._tail: int | None = 0

    def played(self, data: bytes, count: int) -> list[np.ndarray]:
        """A piece of the input stream of so many steps: what came of them, up to the first that is missing."""
        run, decoder = self.run, self._decoder
        run.feed(data, count)
        decoder.restart()
        steps: list[np.ndarray] = []
        first, whole = True, True
        while True:
            try:
                missing, payload = run.next()
            except Rest:
                self._tail = 1 if whole else None
                return steps
            whole &= missing == (self._tail or 0 if first else 0)
            first = False
            if not whole:
                run.settle()
                continue
            steps += decoder.feed(payload)
            if len(steps) > count or (len(steps) == count and not decoder.clean):
                raise NotBelieved(MORE)
            if len(steps) == count:
                run.feeder.taken()
                self._tail = 0
                return steps
