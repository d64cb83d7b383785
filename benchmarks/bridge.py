"""How fast an image goes over a USB bridge: packets, the latency timer and the device's window, in simulated time.

    python -m benchmarks.bridge [--json]

The pseudo-terminal of the virtual board hands on every byte at once. A bridge (FTDI's, as most boards have) does not:
what comes from the device waits until a packet is full or the latency timer has run off, and what goes to it waits for
the next frame of the bus. The host is nirdeploy's own, the device its model in Python, which answers at once; the time
between them is the bridge's and the line's. Facts: FTDI AN232B-04 (latency timer, 16 ms unless told otherwise) and the
data sheets of FT231X (full speed, packets of 62 bytes, 3 Mbaud) and FT232H, FT2232H (high speed, 510 bytes, 12 Mbaud).
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from dataclasses import asdict, dataclass

import nirdeploy as nd
from benchmarks.rtl_cycles import network
from nirdeploy.device.client import Device
from nirdeploy.device.flash import flash
from nirdeploy.targets import registry as targets
from tests.doubles.device import DeviceModel

_BITS = 10  # of a byte on the line


@dataclass(frozen=True)
class Bridge:
    """``packet``: bytes from the device in one; ``frame_s``: how often the bus moves packets."""

    name: str
    packet: int
    frame_s: float
    bauds: tuple[int, ...]


BRIDGES = (
    Bridge("full speed", 62, 1e-3, (1_000_000, 3_000_000)),
    Bridge("high speed", 510, 125e-6, (3_000_000, 6_000_000, 12_000_000)),
)
WINDOWS = (1024, 2048, 4096, 8192)
TIMERS_S = (16e-3, 1e-3)


class BridgedPort:
    """A port to a device model behind a bridge, in simulated time (``now``, seconds)."""

    def __init__(self, model: DeviceModel, bridge: Bridge, timer_s: float, baud: int) -> None:
        self.now = 0.0
        self._model, self._bridge, self._timer_s, self._byte_s = model, bridge, timer_s, _BITS / baud
        self._out_free = self._in_free = 0.0  # when the line has carried all that was given to it
        self._held = bytearray()  # in the bridge, since
        self._since = 0.0
        self._packets: deque[tuple[float, bytes]] = deque()  # delivered to the host, when

    def write(self, data: bytes) -> None:
        self._out_free = max(self._out_free, self._frame(self.now))
        for byte in data:
            self._out_free += self._byte_s
            self._answered(self._model.feed(bytes([byte])))

    def read(self, timeout: float) -> bytes:
        end = self.now + timeout
        if self._held and (not self._packets or self._packets[0][0] > end):
            self._flush(self._since + self._timer_s)
        if not self._packets or self._packets[0][0] > end:
            self.now = end
            return b""
        came, data = self._packets.popleft()
        self.now = max(self.now, came)
        return data

    def close(self) -> None:
        """Nothing to release."""

    def _answered(self, data: bytes) -> None:
        """Bytes of the device's, which begin when it has heard enough, and when the line is free."""
        self._in_free = max(self._in_free, self._out_free)
        for byte in data:
            self._in_free += self._byte_s
            if self._held and self._in_free > self._since + self._timer_s:
                self._flush(self._since + self._timer_s)
            if not self._held:
                self._since = self._in_free
            self._held.append(byte)
            if len(self._held) == self._bridge.packet:
                self._flush(self._in_free)

    def _flush(self, when: float) -> None:
        self._packets.append((self._frame(when), bytes(self._held)))
        self._held.clear()

    def _frame(self, when: float) -> float:
        """The next time that the bus moves packets."""
        return (when // self._bridge.frame_s + 1) * self._bridge.frame_s


@dataclass(frozen=True)
class Row:
    """``of_line``: the image's bytes, as a share of what the line carries in the time that its flash took."""

    bridge: str
    baud: int
    timer_ms: float
    window: int
    of_line: float
    seconds: float


def measure() -> list[Row]:
    """Every bridge at its rates, with each timer and window."""
    rows = []
    for window in WINDOWS:
        target = targets.load("fpga").with_hardware(weight_rows=512, window=window)
        built = nd.build(network(), target)
        for bridge in BRIDGES:
            for baud in bridge.bauds:
                for timer_s in TIMERS_S:
                    port = BridgedPort(DeviceModel(target), bridge, timer_s, baud)
                    with Device(port) as device:
                        before = port.now
                        sent = flash(built.image, device).bytes_sent
                        seconds = port.now - before
                    share = sent * _BITS / baud / seconds
                    rows.append(Row(bridge.name, baud, timer_s * 1e3, window, round(share, 3), round(seconds, 4)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure()
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
        return
    print(f"{'bridge':<11}{'baud':>11}{'timer':>8}" + "".join(f"{f'window {w:,}':>15}" for w in WINDOWS))
    by = {(row.bridge, row.baud, row.timer_ms, row.window): row.of_line for row in rows}
    for name, baud, timer in dict.fromkeys(key[:3] for key in by):
        shares = "".join(f"{100 * by[name, baud, timer, window]:>13.1f} %" for window in WINDOWS)
        print(f"{name:<11}{baud:>11,}{timer:>5g} ms{shares}")


if __name__ == "__main__":
    main()
