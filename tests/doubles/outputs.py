"""The output stream in plain Python: what the probe table of docs/link.md asks for, step by step and by sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nirdeploy.device.protocol import MAX_OUTPUT_EVENTS, RAW, SAME_GROUP, SAMPLE_STEPS, Probe


@dataclass(frozen=True)
class _Entry:
    kind: int
    address: int
    size: int

    @property
    def by_sample(self) -> bool:
        return self.kind > Probe.VALUES

    @property
    def tallied(self) -> bool:
        return self.by_sample and self.kind != Probe.LAST


class Outputs:
    """What leaves the device of each step.

    Args:
        table: of BEGIN, entries of six bytes.
        counters: that the hardware has; without them a kind is its lowest bit.
    """

    def __init__(self, table: bytes, counters: int) -> None:
        self._entries: list[_Entry] = []
        self._length, self._now = 0, 1
        self._sums = np.zeros(max(counters, 1), dtype=np.int64)
        for at in range(0, len(table), 6):
            _, kind, *fields = table[at : at + 6]
            address, size = (fields[i] | fields[i + 1] << 8 for i in (0, 2))
            if counters and kind & SAMPLE_STEPS:
                self._length = size
            else:
                self._entries.append(_Entry(kind & (SAME_GROUP - 1 if counters else 1), address, size))

    def of_step(self, out: np.ndarray) -> bytes:
        """The bytes for one step, of all bitmaps and values (uint32)."""
        if not self._entries:
            return b""
        ends, base, said = self._now == self._length, 0, b""
        for entry in self._entries:
            if not entry.by_sample:
                said += _of_step(entry, out)
            elif entry.kind == Probe.LAST:
                said += _words(out, entry.address, 4 * entry.size) if ends else b""
            else:
                said += self._tally(entry, base, out, ends)
                base += entry.size
        self._now = 1 if ends else (self._now + 1) % 65536
        return said

    def _tally(self, entry: _Entry, base: int, out: np.ndarray, ends: bool) -> bytes:
        values = bool(entry.kind & 1)
        raw = _words(out, entry.address, 4 * entry.size if values else -(-entry.size // 8))
        if values:
            items = list(enumerate(np.frombuffer(raw, dtype="<i4").tolist()))
        else:
            once = self._now if entry.kind == Probe.FIRST else 1
            items = [(int(bit), once) for bit in np.flatnonzero(np.unpackbits(_bytes(raw), bitorder="little"))]
        for item, value in items:
            at = (base + item) % len(self._sums)
            held = int(self._sums[at])
            if entry.kind == Probe.FIRST:
                self._sums[at] = held or value
            elif entry.kind == Probe.LARGEST:
                self._sums[at] = value if self._now == 1 else max(held, value)
            else:
                self._sums[at] = held + value
        if not ends:
            return b""
        places = (base + np.arange(entry.size)) % len(self._sums)
        found = self._sums[places].astype("<i4")
        self._sums[places] = 0
        return (found if values else found.astype("<u1" if self._length < 256 else "<u2")).tobytes()


def _of_step(entry: _Entry, out: np.ndarray) -> bytes:
    """As events or raw, whichever is shorter."""
    raw = _words(out, entry.address, entry.size)
    events = np.flatnonzero(np.unpackbits(_bytes(raw), bitorder="little"))
    if entry.kind == Probe.BITS and len(events) <= MAX_OUTPUT_EVENTS and 2 * len(events) < entry.size:
        return bytes([len(events)]) + events.astype("<u2").tobytes()
    return bytes([RAW]) + raw


def _words(out: np.ndarray, address: int, size: int) -> bytes:
    return out[address : address + -(-size // 4)].astype("<u4").tobytes()[:size]


def _bytes(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw, dtype=np.uint8)
