"""patchwork: a sample over a line so bad that all its steps never come at once: piece by piece, until none is missing.

The device is fed a few steps and left to rest: what it sends of them is then known to start with the first. Steps that
are lost are a hole; the sample goes on. Then it is played again, up to the last hole, and each hole may come this time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nirdeploy.device.decoding import NotBelieved
from nirdeploy.device.encoding import Encoder
from nirdeploy.device.resting import MOST_PIECE, TURN, Resting
from nirdeploy.device.running import Run

if TYPE_CHECKING:
    from nirdeploy.device.client import Device


class Patchwork:
    """One sample.

    Args:
        bits: of each entry of the probe table.
        per_step: bytes of a step's output, about.
    """

    def __init__(
        self,
        device: Device,
        encoder: Encoder,
        b: int,
        probes: Sequence[tuple[int, int, int, int]],
        bits: Sequence[int],
        per_step: float,
    ) -> None:
        self._device, self._encoder, self._b, self._probes = device, encoder, b, probes
        self._bits, self._per_step = bits, per_step
        self._steps: list[np.ndarray | None] = [None] * encoder.time

    @property
    def missing(self) -> int:
        return sum(step is None for step in self._steps)

    def sample(self) -> np.ndarray:
        """All of it, uint8 (T, bytes of a step)."""
        return np.concatenate([step for step in self._steps if step is not None])

    def play(self) -> None:
        """Once more, up to the last step that is missing. Raises :class:`NotBelieved`, and as :class:`Run`."""
        resting, at = Resting(Run(self._device, self._probes), self._bits), 0
        while any(step is None for step in self._steps[at:]):
            end = self._end(at)
            for t, step in enumerate(resting.played(self._encoder.piece(self._b, at, end), end - at), at):
                known = self._steps[t]
                if known is not None and not np.array_equal(known, step):
                    raise NotBelieved("a step came out otherwise when it was played again")
                self._steps[t] = step
            at = end
        if not self.missing:  # so all of the last piece came
            resting.run.ended()

    def _end(self, at: int) -> int:
        """Of the next piece: all steps that are there; else as many as a frame carries well."""
        here = self._steps[at] is not None
        count = next(
            (n for n, step in enumerate(self._steps[at:]) if (step is not None) != here), len(self._steps) - at
        )
        best = MOST_PIECE if here else self._device.quality.payload(TURN, MOST_PIECE)
        return at + max(min(count, int(best / self._per_step)), 1)
