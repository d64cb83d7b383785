"""How many damaged frames a receiver takes for good ones: damages frames in seven ways and decodes them.

python benchmarks/frame_faults.py --frames 1000000 --json
"""

from __future__ import annotations

import argparse
import json
import random
from collections import deque

from nirdeploy.device.frame import Decoder, Frame, encode

KINDS = ("flip", "drop", "duplicate", "insert", "burst", "swap", "zero")


def damage(wire: bytes, kind: str, rng: random.Random) -> bytes:
    """The frame with one fault of that kind; its delimiter may be hit as well."""
    at = rng.randrange(len(wire))
    head, hit, tail = wire[:at], wire[at], wire[at + 1 :]
    if kind == "flip":
        return head + bytes([hit ^ 1 << rng.randrange(8)]) + tail
    if kind == "drop":
        return head + tail
    if kind == "duplicate":
        return head + bytes([hit, hit]) + tail
    if kind == "insert":
        return head + bytes([rng.randrange(256), hit]) + tail
    if kind == "burst":
        length = rng.randint(2, 8)
        return head + rng.randbytes(length) + wire[at + length :]
    if kind == "swap":
        return head + tail[:1] + bytes([hit]) + tail[1:]
    return head + b"\x00" + tail


def measure(count: int, seed: int) -> dict[str, int]:
    """Send ``count`` frames, one fault in each (sometimes more), through one decoder."""
    rng, decoder = random.Random(seed), Decoder(512)
    recent: deque[Frame] = deque(maxlen=16)
    result = {"frames": count, "faulted": 0, "dropped": 0, "intact": 0, "wrong": 0}
    for index in range(count):
        size = rng.randrange(24) if index % 64 else rng.randrange(480)
        recent.append(Frame(rng.randrange(256), index % 256, index.to_bytes(4, "little") + rng.randbytes(size)))
        wire = sent = encode(recent[-1])
        for _ in range(1 if index % 8 else 3):
            wire = damage(wire, rng.choice(KINDS), rng) or wire
        result["faulted"] += wire != sent
        for frame in decoder.feed(wire):
            result["intact" if frame in recent else "wrong"] += 1
    result["dropped"] = decoder.bad_frames
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    result = measure(options.frames, options.seed)
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:8} {value:>9,}")


if __name__ == "__main__":
    main()
