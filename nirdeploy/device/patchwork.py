"""patchwork: a sample over a line so bad that all its steps never come at once: piece by piece, until none is missing.

The device is fed a few steps and left to rest: what it sends of them is then known to start with the first. Steps that
are lost are a hole; the sample goes on. Then it is played again, up to the last hole, and each hole may come this time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nirdeploy.device.client import Device
from nirdeploy.device.decoding import NotBelieved, StepDecoder
from nirdeploy.device.encoding import Encoder
from nirdeploy.device.running import Rest, Run

_TURN = 60  # bytes that leaving the device to rest is worth
_MOST_PIECE = 40_000  # bytes: fewer than the 256 frames after which their numbers come again


class Patchwork:
    """One sample.

    Args:
        sizes: bytes of each entry of the probe table.
        per_step: bytes of a step's output, about.
    """

    def __init__(
        self,
        device: Device,
        encoder: Encoder,
        b: int,
        probes: Sequence[tuple[int, int, int, int]],
        sizes: Sequence[int],
        per_step: float,
    ) -> None:
        self._device, self._encoder, self._b, self._probes = device, encoder, b, probes
        self._decoder, self._per_step = StepDecoder(sizes, 1), per_step
        self._steps: list[np.ndarray | None] = [None] * encoder.time
        self._tail: int | None = 0

    @property
    def missing(self) -> int:
        return sum(step is None for step in self._steps)

    def sample(self) -> np.ndarray:
        """All of it, uint8 (T, bytes of a step)."""
        return np.concatenate([step for step in self._steps if step is not None])

    def play(self) -> None:
        """Once more, up to the last step that is missing."""
        run = Run(self._device, self._probes)
        self._tail, at = 0, 0
        while any(step is None for step in self._steps[at:]):
            end = self._end(at)
            run.feed(self._encoder.piece(self._b, at, end), end - at)
            for t, step in enumerate(self._collected(run, end - at), at):
                known = self._steps[t]
                if known is not None and not np.array_equal(known, step):
                    raise NotBelieved("a step came out otherwise when it was played again")
                self._steps[t] = step
            at = end

    def _end(self, at: int) -> int:
        """Of the next piece: all steps that are there; else as many as a frame carries well."""
        here = self._steps[at] is not None
        count = next(
            (n for n, step in enumerate(self._steps[at:]) if (step is not None) != here), len(self._steps) - at
        )
        best = _MOST_PIECE if here else self._device.quality.payload(_TURN, _MOST_PIECE)
        return at + max(min(count, int(best / self._per_step)), 1)

    def _collected(self, run: Run, count: int) -> list[np.ndarray]:
        """The steps of a piece up to the first that is missing.

        ``self._tail`` is how many frames of the piece before are missing at its end: 0, or 1, for of two one could be
        this one's; None where nobody knows.
        """
        self._decoder.restart()
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
            steps += self._decoder.feed(payload)
            if len(steps) > count or (len(steps) == count and not self._decoder.clean):
                raise NotBelieved("more came than was asked for")
            if len(steps) == count:
                run.feeder.taken()
                self._tail = 0
                return steps
