"""feeding: a piece of the input stream to a device whose run goes on, in order and whole, whatever the line loses.

STEPS frames are numbered, and the device takes the next number and no other. So what it says to one says of all before
it: it was taken, or, out of sequence, not yet; and of the first that is not known to be taken, that it has been.
"""

from __future__ import annotations

from collections import deque

from nirdeploy.device.frame import OVERHEAD, Frame, encode
from nirdeploy.device.protocol import REPLY, Kind, Status
from nirdeploy.device.talk import Talk

_FRAMING = OVERHEAD + 2  # with COBS and the delimiter
_TOO_LONG = 4  # times the best size: such a frame is not sent again


class Refused(Exception):
    """The device's run has ended."""


class TooLong(Exception):
    """What was lost is longer than the line carries well, and may have been taken: only a new run can cut it anew."""


class Feeder:
    """The STEPS frames of one run.

    Args:
        seq: of the first one.
        narrow: keep no more under way than passes between two faults.
        frames: keep no more of them under way; what is fed meanwhile goes into the next one.
    """

    def __init__(self, device: Talk, seq: int, *, narrow: bool, frames: int | None = None) -> None:
        self._device, self._seq, self._narrow, self._frames = device, seq, narrow, frames
        self._pending = bytearray()
        self._flights: deque[tuple[int, bytes]] = deque()  # (seq, wire), not known to be taken
        self._stale = 0  # answers that come to what was sent before the last return

    def feed(self, data: bytes) -> None:
        """More of the stream."""
        self._pending += data

    @property
    def queued(self) -> int:
        """Bytes that have not been sent."""
        return len(self._pending)

    @property
    def idle(self) -> bool:
        """Everything is known to be taken."""
        return not self._pending and not self._flights

    def taken(self) -> None:
        """Everything has been, as its outputs show."""
        self._flights.clear()
        self._stale = 0

    def send(self) -> None:
        """As much as may be under way."""
        device = self._device
        window = device.quality.window(device.window) if self._narrow else device.window
        while self._pending and (self._frames is None or len(self._flights) < self._frames):
            size = device.quality.payload(_FRAMING, device.max_body - OVERHEAD)
            wire = encode(Frame(Kind.STEPS, self._seq, bytes(self._pending[:size])))
            if self._flights and self.under_way + len(wire) > window:
                return
            del self._pending[:size]
            device.send(wire)
            self._flights.append((self._seq, wire))
            self._seq = (self._seq + 1) % 256

    @property
    def under_way(self) -> int:
        return sum(len(wire) for _, wire in self._flights)

    def answered(self, frame: Frame) -> bool:
        """Take an answer; whether it brings the run forward. Raises :class:`Refused`, :class:`TooLong`."""
        at = next((n for n, (seq, _) in enumerate(self._flights) if seq == frame.seq), None)
        if frame.kind != Kind.STEPS | REPLY or at is None:
            return False
        status = frame.payload[:1]
        if status == bytes([Status.OK]) or (status == bytes([Status.OUT_OF_SEQUENCE]) and at == 0):
            for _ in range(at + 1):
                self._flights.popleft()
            self._stale = min(self._stale, len(self._flights))
            return True
        if status != bytes([Status.OUT_OF_SEQUENCE]):
            raise Refused(f"status {status.hex() or 'nothing'}")
        if self._stale:
            self._stale -= 1
        else:
            self.resend()
        return False

    def resend(self) -> None:
        """From the first on that is not known to be taken. Raises :class:`TooLong`."""
        device = self._device
        device.quality.faulted()
        best = device.quality.payload(_FRAMING, device.max_body - OVERHEAD)
        if self._flights and len(self._flights[0][1]) > _TOO_LONG * (best + _FRAMING):
            raise TooLong
        self._stale = max(len(self._flights) - 1, 0)
        for _, wire in self._flights:
            device.resend(wire)
