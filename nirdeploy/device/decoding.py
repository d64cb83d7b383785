"""decoding: the output stream of docs/link.md back to bytes of fixed size, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np

from nirdeploy.device.protocol import RAW
from nirdeploy.targets.slots import Readout, ReadoutPart

MORE = "more came than was asked for"


class NotBelieved(Exception):
    """What came is no output stream."""


class Decoder(Protocol):
    """Takes the stream in pieces."""

    def restart(self) -> None:
        """Forget what is incomplete: the stream starts with a new sample."""

    @property
    def clean(self) -> bool:
        """Nothing is incomplete."""

    def feed(self, data: bytes) -> list[np.ndarray]:
        """The samples that ``data`` completes, uint8. Raises :class:`NotBelieved`."""


def bits_of(readout: Readout, part: ReadoutPart) -> int:
    """Of a part in a step."""
    return part.bits if readout.kind == "spikes" else 32 * part.count


class StepDecoder:
    """Steps: each entry of the probe table in every one.

    Args:
        bits: of each entry, which comes as so many whole bytes.
        time: steps of a sample, which becomes (T, bytes of a step).
    """

    def __init__(self, bits: Sequence[int], time: int) -> None:
        self._sizes, self._time = [-(-count // 8) for count in bits], time
        cut = [(end - 1, 0xFF << count % 8 & 0xFF) for end, count in zip(accumulate(self._sizes), bits, strict=True)]
        self._ends = [end for end, beyond in cut if beyond != 0xFF]  # bytes that have bits beyond an entry's last
        self._beyond = np.array([beyond for _, beyond in cut if beyond != 0xFF], dtype=np.uint8)
        self.restart()

    def restart(self) -> None:
        self._buffer = bytearray()
        self._steps: list[bytes] = []
        self._entries: list[bytes] = []

    @property
    def clean(self) -> bool:
        return not (self._buffer or self._entries or self._steps)

    def feed(self, data: bytes) -> list[np.ndarray]:
        self._buffer += data
        buffer, position, done = self._buffer, 0, []
        while position < len(buffer):
            size, head = self._sizes[len(self._entries)], buffer[position]
            if head != RAW and 2 * head >= size:
                raise NotBelieved(f"{head} events of {size} bytes: they would have come as a bitmap")
            length = size if head == RAW else 2 * head
            if position + 1 + length > len(buffer):
                break
            body = bytes(buffer[position + 1 : position + 1 + length])
            self._entries.append(body if head == RAW else _from_events(body, size))
            position += 1 + length
            if len(self._entries) == len(self._sizes):
                self._steps.append(b"".join(self._entries))
                self._entries = []
                if len(self._steps) == self._time:
                    done.append(self._sample())
                    self._steps = []
        del buffer[:position]
        return done

    def _sample(self) -> np.ndarray:
        sample = np.frombuffer(b"".join(self._steps), dtype=np.uint8).reshape(self._time, -1)
        if self._ends and (sample[:, self._ends] & self._beyond).any():
            raise NotBelieved("an event lies outside its group")
        return sample


class SampleDecoder:
    """What samples come to: ``size`` bytes each."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.restart()

    def restart(self) -> None:
        self._buffer = bytearray()

    @property
    def clean(self) -> bool:
        return not self._buffer

    def feed(self, data: bytes) -> list[np.ndarray]:
        self._buffer += data
        count = len(self._buffer) // self._size
        whole = np.frombuffer(bytes(self._buffer[: count * self._size]), dtype=np.uint8)
        del self._buffer[: count * self._size]
        return list(whole.reshape(count, self._size))


def _from_events(events: bytes, size: int) -> bytes:
    bitmap, last = bytearray(size), -1
    for low, high in zip(events[::2], events[1::2], strict=True):
        index = low | high << 8
        if index >> 3 >= size:
            raise NotBelieved("an event lies outside its group")
        if index <= last:
            raise NotBelieved("an event came twice, or late")
        last = index
        bitmap[index >> 3] |= 1 << (index & 7)
    return bytes(bitmap)
