"""packets: events that come as UDP packets, in the format in which faery sends them.

A packet is any number of events of 13 bytes: u64 t in microseconds, u16 x, u16 y, u8 polarity (1: on), little-endian.
"""

from __future__ import annotations

import socket
import struct
import time

import numpy as np

from nirdeploy.device.streaming.sources.live import Bounded
from nirdeploy.device.streaming.sources.source import Ended
from nirdeploy.errors import PortBusy, PortError
from nirdeploy.records.events.binning import Binner
from nirdeploy.records.events.child import EVENT

LOOPBACK = "127.0.0.1"
PACKETS = 256  #: that wait, at most
_MOST_BYTES = 65_536
_LOOK_S = 0.05
_LOST_IN_QUEUE = 40  # SO_RXQ_OVFL of Linux: how many packets the system has dropped
_U32 = struct.Struct("=I")


class FromPackets:
    """Events of a UDP port, as steps.

    A step is over when an event of a later one comes; with ``by_clock`` when its time has passed here since the first
    packet, and events count where they arrive.

    Args:
        host, port: where to listen; 0: any port that is free.
        packets: that wait for the device at most. What comes beyond is dropped and counted: nobody can be told to wait.
        quiet: s without a packet after which no more are waited for; None: for ever.

    Raises:
        PortBusy, PortError: the address cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        binner: Binner,
        *,
        by_clock: bool = False,
        packets: int = PACKETS,
        quiet: float | None = None,
    ) -> None:
        self._binner, self._by_clock, self._quiet = binner, by_clock, quiet
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except (OSError, OverflowError) as error:
            self._socket.close()
            kind = PortBusy if getattr(error, "errno", None) == 98 else PortError
            raise kind(
                f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
                hint="choose another port, or an address of this machine",
            ) from error
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._socket.settimeout(_LOOK_S)
        self._counts_lost = hasattr(self._socket, "recvmsg")
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _LOST_IN_QUEUE, 1)
        except OSError:
            self._counts_lost = False
        self._lost = self._odd = 0
        self._last = time.monotonic()
        self._began: float | None = None  # of by_clock: when the first packet came
        self._steps = 0
        self._over = False
        self._packets = Bounded(self._packet, packets, drops=True)

    def _packet(self) -> bytes | None:
        try:
            if not self._counts_lost:
                return self._socket.recv(_MOST_BYTES)
            data, beside, _, _ = self._socket.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(_U32.size))
        except TimeoutError:
            return None
        for level, kind, value in beside:
            if (level, kind) == (socket.SOL_SOCKET, _LOST_IN_QUEUE):
                (self._lost,) = _U32.unpack(value[: _U32.size])
        return data

    def take(self, wait: float) -> np.ndarray | None:
        """The steps that are over by what has come."""
        if self._over or self._binner.ended:
            raise Ended
        found: list[np.ndarray] = []
        while len(found) < PACKETS and (data := self._packets.take(0.0 if found else self._patience(wait))) is not None:
            self._odd += len(data) % EVENT.itemsize > 0
            found.append(np.frombuffer(data[: len(data) // EVENT.itemsize * EVENT.itemsize], EVENT))
        now = time.monotonic()
        self._last = now if found else self._last
        if self._by_clock:
            return self._clocked(found, now)
        steps = self._binner.feed(np.concatenate(found)) if found else None
        if not found and self._quiet is not None and now - self._last > self._quiet:
            self._over = True
            steps = self._binner.finish()
        return steps if steps is not None and len(steps) else None

    def _patience(self, wait: float) -> float:
        """Not longer than to the end of a step."""
        if self._began is None:
            return wait
        end = self._began + (self._steps + 1) * self._binner.grid.bins.step / 1e6
        return min(wait, max(end - time.monotonic(), 0.0))

    def _clocked(self, found: list[np.ndarray], now: float) -> np.ndarray | None:
        """Events go by the time at which they came, in microseconds since the first packet."""
        bins = self._binner.grid.bins
        if self._began is None:
            if not found:
                return None
            self._began = now
        at = int((now - self._began) * 1e6)
        events = np.concatenate([np.zeros(0, EVENT), *found])
        events["t"] = at
        made = [self._binner.feed(events)] if len(events) else []
        passed = at // bins.step
        if self._quiet is not None and now - self._last > self._quiet:
            self._over = True
        while self._steps + sum(map(len, made)) < passed and not self._binner.ended:
            made.append(self._binner.pass_time())
        steps = np.concatenate(made) if made else None
        self._steps += 0 if steps is None else len(steps)
        return steps if steps is not None and len(steps) else None

    def close(self) -> None:
        self._packets.close()
        self._socket.close()

    def said(self) -> dict[str, int]:
        lost = {"packets_dropped": self._packets.dropped + self._lost, "packets_odd": self._odd}
        return {**self._binner.counts.as_dict(), **lost}
