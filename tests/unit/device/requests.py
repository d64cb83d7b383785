"""Requests as bytes and what came back as frames, for tests that speak to a device without a host."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import numpy as np

from nirdeploy.device.protocol import Kind
from nirdeploy.targets.image import Image


def write(address: int, words: Iterable[int]) -> tuple[Kind, bytes]:
    return Kind.WRITE, address.to_bytes(4, "little") + np.array(list(words), dtype="<u4").tobytes()


def digest(address: int, count: int) -> tuple[Kind, bytes]:
    return Kind.DIGEST, struct.pack("<II", address, count)


def commit(name: bytes, *sections: tuple[int, int, int]) -> tuple[Kind, bytes]:
    return Kind.COMMIT, name + b"".join(struct.pack("<III", *section) for section in sections)


def begin(*probes: tuple[int, int, int, int]) -> tuple[Kind, bytes]:
    return Kind.BEGIN, b"".join(struct.pack("<BBHH", *probe) for probe in probes)


def crc(*words: int) -> int:
    return zlib.crc32(np.array(words, dtype="<u4").tobytes())


def flashing(image: Image) -> list[tuple[Kind, bytes]]:
    """The requests that bring an image into a device."""
    requests = []
    for section in image.sections:
        for start in range(0, len(section.words), 120):
            requests.append(write(section.address + start, section.words[start : start + 120]))
    return [*requests, commit(image.digest_bytes, *((s.address, len(s.words), s.crc32) for s in image.sections))]


def probing(image: Image) -> tuple[Kind, bytes]:
    """BEGIN with every population of an image."""
    return begin(
        *(
            (part.group, 0, part.address, -(-part.count // 8))
            if readout.kind == "spikes"
            else (part.group, 1, part.address, 4 * part.count)
            for readout in image.readouts
            for part in readout.parts
        )
    )
