"""Recordings written by the tests: by the library that nirdeploy reads them with, and word by word."""

from __future__ import annotations

import struct
from pathlib import Path

import faery
import numpy as np

from nirdeploy.records.events.child import EVENT


def drawn(seed: int, count: int, width: int, height: int, span_us: int = 100_000, begins: int = 4_321) -> np.ndarray:
    """Events in the order of their times."""
    rng = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    events["t"] = np.sort(rng.integers(0, span_us, count)) + begins
    events["x"], events["y"] = rng.integers(0, width, count), rng.integers(0, height, count)
    events["p"] = rng.integers(0, 2, count)
    return events


def write(path: Path, events: np.ndarray, width: int, height: int) -> Path:
    """A recording in the format that the name ends with."""
    given = np.zeros(len(events), faery.EVENTS_DTYPE)
    given["t"], given["x"], given["y"], given["on"] = events["t"], events["x"], events["y"], events["p"]
    faery.events_stream_from_array(given, dimensions=(width, height)).to_file(str(path))
    return path


def evt3(path: Path, events: np.ndarray, width: int, height: int) -> Path:
    """EVT 3.0 as Prophesee's format description has it: 16-bit words, each with its type in the upper four bits.

    0x8 upper and 0x6 lower twelve bits of the time, 0x0 the row, 0x2 the column with the polarity in bit 11.
    """
    words = []
    for event in events:
        t = int(event["t"])
        words += [
            0x8000 | t >> 12 & 0xFFF,
            0x6000 | t & 0xFFF,
            int(event["y"]),
            0x2000 | int(event["p"]) << 11 | int(event["x"]),
        ]
    head = f"% evt 3.0\n% format EVT3;height={height};width={width}\n% geometry {width}x{height}\n% end\n"
    path.write_bytes(head.encode() + struct.pack(f"<{len(words)}H", *words))
    return path
