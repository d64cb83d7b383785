"""The process that touches a stranger's recording of events: ``python child.py FILE FORMAT SECONDS MOST [TRACK]``.

It writes a line of JSON to stdout, width and height of the sensor; then blocks of events, how many as u32 and then
13 bytes each (u64 t in microseconds, u16 x, u16 y, u8 polarity); and a block of none.

It runs alone, under limits, and imports nothing of nirdeploy but these: what the library that decodes (faery) does with
a damaged or hostile file, it does here. Exit status 3 with one line on stderr is a refusal, 4 that the library is not
there, SIGXCPU the end of the processor time allowed; any other end is a crash, which the parent reports as such.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any

import numpy as np

from nirdeploy.records.hdf5child import limit

EVENT = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
_BLOCK = 1 << 16  # events


def answer(path: str, kind: str, most: int, out: IO[bytes]) -> None:
    """Decode a file. Raises whatever the library does; ValueError beyond ``most`` events."""
    import faery

    stream: Any = faery.events_stream_from_file(path, file_type=kind)
    width, height = stream.dimensions()
    out.write(json.dumps([int(width), int(height)]).encode() + b"\n")
    found = 0
    for packet in stream:
        found += len(packet)
        if found > most:
            raise ValueError(f"more than {most:,} events")
        for first in range(0, len(packet), _BLOCK):
            some = packet[first : first + _BLOCK]
            events = np.empty(len(some), EVENT)
            events["t"], events["x"], events["y"], events["p"] = some["t"], some["x"], some["y"], some["on"]
            out.write(len(events).to_bytes(4, "little") + events.tobytes())
    out.write(bytes(4))
    out.flush()


def main(path: str, kind: str, seconds: int, most: int) -> int:
    limit(seconds)
    try:
        answer(path, kind, most, sys.stdout.buffer)
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    except BrokenPipeError:  # the parent has seen enough
        return 0
    except BaseException as error:  # noqa: BLE001 - the library raises its own, and panics, of which some are no Exception
        sys.stderr.write(f"{' '.join(str(error).split())[:200] or type(error).__name__}\n")
        return 3
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
