"""Frames of the link (docs/link.md): body = type, seq, payload, CRC-32; on the wire COBS and a zero."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from cobs import cobs

MAX_BODY = 4096  # bytes: longer ones are noise
OVERHEAD = 6  # bytes of a body that are not payload: type, seq, CRC-32


@dataclass(frozen=True)
class Frame:
    """A body that checked. ``kind`` is the type byte."""

    kind: int
    seq: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """The frame as bytes of the line, delimiter included."""
    body = bytes([frame.kind, frame.seq]) + frame.payload
    encoded: bytes = cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))
    return encoded + b"\x00"


def encoded_size(payload: int) -> int:
    """At most this many bytes go on the line for a payload of that many."""
    body = payload + OVERHEAD
    return body + body // 254 + 2


def decode(wire: bytes) -> Frame | None:
    """The frame between two delimiters, or None if it does not check."""
    try:
        body = cobs.decode(wire)
    except cobs.DecodeError:
        return None
    if len(body) < OVERHEAD or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        return None
    return Frame(body[0], body[1], body[2:-4])


class Decoder:
    """Turns bytes as they come into frames. Counts what does not check in ``bad_frames``.

    Args:
        max_body: longer bodies are noise; bounds the memory whatever the line says.
    """

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._limit = encoded_size(max_body)
        self._pending = bytearray()
        self._skipping = False
        self.bad_frames = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes, in order."""
        frames = []
        *complete, rest = data.split(b"\x00")
        for piece in complete:
            self._pending += piece
            if self._skipping or len(self._pending) > self._limit:
                self.bad_frames += 1
            elif self._pending:
                frame = decode(bytes(self._pending))
                if frame is None or len(frame.payload) + OVERHEAD > self._max_body:
                    self.bad_frames += 1
                else:
                    frames.append(frame)
            self._pending.clear()
            self._skipping = False
        self._pending += rest
        if len(self._pending) > self._limit:
            self._pending.clear()
            self._skipping = True
        return frames
