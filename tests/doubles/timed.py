"""A line with a device model at its end, on a clock of its own: what takes time is the line, and its ends' waits.


So what a run takes says the same on any machine, however busy: seconds of the line, not of this computer.
"""

from __future__ import annotations

from collections import deque

from tests.doubles.device import DeviceModel

_BITS = 10  # of a byte on the line


class TimedPort:
    """A port. Answers come as late as the bytes take to go there and back.

    Args:
        baud: of the line.
        latency: seconds that an adapter holds bytes back, each way.
    """

    def __init__(self, model: DeviceModel, *, baud: int = 1_000_000, latency: float = 1e-3) -> None:
        self._model, self._byte, self._latency = model, _BITS / baud, latency
        self.now = 0.0
        self.sent = self.received = 0
        self._out_free = self._in_free = 0.0  # when the line is, there and back
        self._coming: deque[tuple[float, bytes]] = deque()

    def monotonic(self) -> float:
        """In place of time.monotonic."""
        return self.now

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        self._out_free = max(self._out_free, self.now + self._latency)
        for piece in _frames(data):
            self._out_free += len(piece) * self._byte
            answer = self._model.feed(piece)
            for part in _frames(answer):
                self._in_free = max(self._in_free, self._out_free) + len(part) * self._byte
                self._coming.append((self._in_free + self._latency, part))

    def read(self, timeout: float) -> bytes:
        if not self._coming or self._coming[0][0] > self.now + timeout:
            self.now += timeout
            return b""
        self.now = max(self.now, self._coming[0][0])
        data = b""
        while self._coming and self._coming[0][0] <= self.now:
            data += self._coming.popleft()[1]
        self.received += len(data)
        return data

    def close(self) -> None:
        """Nothing to release."""


def _frames(data: bytes) -> list[bytes]:
    """Cut behind every delimiter."""
    *whole, rest = data.split(b"\x00")
    return [piece + b"\x00" for piece in whole] + ([rest] if rest else [])
