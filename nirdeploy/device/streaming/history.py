"""history: the input of all steps since a network was last at rest, so that they can be played again."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import groupby

from nirdeploy.device.encoding import repeated
from nirdeploy.device.protocol import NEW_SAMPLE

_ROOM = 12  # bytes that a step takes beside its input: where it ends, and the sum of its output


def stream_of(steps: Iterable[bytes], *, rest: bool, held: bool) -> bytes:
    """A piece of the input stream of these steps.

    Args:
        rest: the network is at rest before the first.
        held: the device takes an input that stays the same once.
    """
    stream = bytearray([NEW_SAMPLE] if rest else [])
    for step, same in groupby(steps):
        stream += repeated(step, sum(1 for _ in same), held)
    return bytes(stream)


class History:
    """Steps as the input stream has them, counted from one that began at rest; and sums of the outputs that came.

    Args:
        most: bytes of memory; what is longer is forgotten, and only counted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.forgotten = False
        self.steps = self.known = 0  #: all, and those whose output came
        self._data, self._ends, self._sums = bytearray(), array("Q", [0]), array("I")

    def add(self, steps: Sequence[bytes]) -> None:
        self.steps += len(steps)
        if self.forgotten:
            return
        for step in steps:
            self._data += step
            self._ends.append(len(self._data))
        if len(self._data) + _ROOM * self.steps > self._most:
            self.forgotten = True
            self._data, self._ends, self._sums = bytearray(), array("Q"), array("I")

    def came(self, output: bytes) -> None:
        """The output of the next step."""
        self.known += 1
        if not self.forgotten:
            self._sums.append(zlib.crc32(output))

    def differs(self, t: int, output: bytes) -> bool:
        """Whether this is another output than came of step ``t`` before."""
        return zlib.crc32(output) != self._sums[t]

    def piece(self, first: int, end: int, *, held: bool) -> bytes:
        """Steps ``first`` to ``end``; the network is at rest before the very first."""
        steps = (bytes(self._data[self._ends[t] : self._ends[t + 1]]) for t in range(first, end))
        return stream_of(steps, rest=first == 0, held=held)
