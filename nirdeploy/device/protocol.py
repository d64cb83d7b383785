"""Requests, replies and limits of the link, as docs/link.md has them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from nirdeploy.errors import TransferError

PROTOCOL = 2
#: Of a device that has external memory and plays from it.
PLAYS = 3
REPLY = 0x80
RAW = 0xFF
#: Of the input stream.
MAX_EVENTS = 251
PACKED = 0xFC
HELD = 0xFD
NEW_SAMPLE = 0xFE
#: Of the output stream.
MAX_OUTPUT_EVENTS = 253
MAX_PROBES = 32
#: Steps and saturations, after so many of which their number starts anew.
COUNTED = 1 << 32


class Kind(IntEnum):
    """Type byte of a request."""

    HELLO = 1
    WRITE = 2
    DIGEST = 3
    COMMIT = 4
    BEGIN = 5
    STEPS = 6
    STATUS = 7
    PLAY = 8
    READ = 9
    OUTPUT = 0x8F


class Status(IntEnum):
    """First payload byte of most replies."""

    OK = 0
    NO_IMAGE = 1
    BAD_REQUEST = 2
    OUT_OF_SEQUENCE = 3
    DIGEST_MISMATCH = 4
    BUSY = 5


class Probe(IntEnum):
    """What an entry of the probe table asks for: in every step, or of a sample as a whole."""

    BITS = 0
    VALUES = 1
    COUNT = 2
    LAST = 3
    FIRST = 4
    LARGEST = 5
    SUM = 7


#: Added to an entry's kind: the next one is of the same group. A kind by itself: the steps of a sample.
SAME_GROUP, SAMPLE_STEPS = 8, 16

STATE_NAMES = ("no image", "ready", "running", "playing")
PLAYING = 3

#: Of external memory: where its words stand among the addresses, what ends a play, and words of one READ.
EXTERNAL = 0xE0000000
STOP = 0xFFFFFFFF
MOST_READ = 120

_HELLO = struct.Struct("<BBHHBBHHHII8s32s")
_STATUS = struct.Struct("<BBHQQII")
_OTHERS = "use the nirdeploy that the device's bitstream came with"


def _check_state(state: int) -> None:
    if state >= len(STATE_NAMES):
        known = ", ".join(f"{number} {name}" for number, name in enumerate(STATE_NAMES))
        raise TransferError(f"the device says that its state is {state}; there are: {known}", hint=_OTHERS)


@dataclass(frozen=True)
class Hello:
    """What a device says of itself. ``image_hash``: empty without a valid image.

    ``counters``: how many there are for what a sample comes to; ``held_words``: of an input that is held; 0: none.
    """

    protocol: int
    state: int
    window: int
    max_body: int
    cores: int
    groups: int
    lanes: int
    counters: int
    held_words: int
    weight_rows: int
    neurons: int
    signature: bytes
    image_hash: bytes

    def pack(self) -> bytes:
        return _HELLO.pack(
            *(self.protocol, self.state, self.window, self.max_body, self.cores, self.groups, self.lanes),
            *(self.counters, self.held_words, self.weight_rows, self.neurons, self.signature, self.image_hash),
        )

    @classmethod
    def parse(cls, payload: bytes) -> Hello:
        """Raises :class:`TransferError` if the reply is not a HELLO of this protocol."""
        if payload[:1] not in (bytes([PROTOCOL]), bytes([PLAYS])):
            said = f"the device speaks protocol {payload[0]}" if payload else "the device does not say its protocol"
            raise TransferError(f"{said}, this is {PROTOCOL} and {PLAYS}", hint=_OTHERS)
        if len(payload) != _HELLO.size:
            raise TransferError(f"a HELLO reply has {_HELLO.size} bytes, not {len(payload)}", hint=_OTHERS)
        fields = list(_HELLO.unpack(payload))
        _check_state(fields[1])
        fields[-1] = fields[-1] if any(fields[-1]) else b""
        return cls(*fields)


@dataclass(frozen=True)
class DeviceStatus:
    """Counters of a device; the last three since the run began. ``failed``: a play ended before its end."""

    state: int
    bad_frames: int
    cycles: int
    busy_cycles: int
    steps: int
    saturations: int
    failed: bool = False

    def pack(self) -> bytes:
        counted = (self.cycles, self.busy_cycles, self.steps, self.saturations)
        return _STATUS.pack(self.state, int(self.failed), self.bad_frames, *counted)

    @classmethod
    def parse(cls, payload: bytes) -> DeviceStatus:
        """Raises :class:`TransferError` on a payload of another size, or a state that there is not."""
        if len(payload) != _STATUS.size:
            raise TransferError(
                f"a STATUS reply has {_STATUS.size} bytes, not {len(payload)}",
                hint="load the board's bitstream again: it may be another version's",
            )
        _check_state(payload[0])
        state, failed, bad, cycles, busy, steps, saturations = _STATUS.unpack(payload)
        return cls(state, bad, cycles, busy, steps, saturations, bool(failed & 1))
