"""A process whose children build into one folder, each killed somewhere on the way. Arguments: models, kills, seed."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import nirdeploy as nd
from nirdeploy.errors import CorruptFile
from nirdeploy.pipeline import Build


def _child(model: str, out: Path, told: int) -> None:
    """Says when the last stage begins; behind it the products are written."""
    nd.build(model, out=out, on_stage=lambda stage: os.write(told, b".") if stage == "image" else None)
    os._exit(0)


def _killed(model: str, out: Path, after: float) -> bool:
    """Whether it came to its end before it was killed, ``after`` seconds behind the beginning of its last stage."""
    hears, tells = os.pipe()
    child = os.fork()
    if not child:
        _child(model, out, tells)
    os.read(hears, 1)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.close(hears)
    os.close(tells)
    return os.waitpid(child, 0)[1] == 0


def main(models: list[str], out: Path, kills: int, seed: int) -> dict[str, int]:
    """How often the folder was whole (of one build), refused, mixed and recovered after a kill."""
    rng = random.Random(seed)
    images = [nd.build(model, out=out).manifest()["digests"] for model in models]
    began = time.monotonic()
    for model in models * 3:
        nd.build(model, out=out)
    longest = (time.monotonic() - began) / (3 * len(models))
    counts = {"kills": 0, "ended": 0, "whole": 0, "refused": 0, "mixed": 0, "recovered": 0}
    for number in range(kills):
        model = models[number % len(models)]
        counts["ended"] += _killed(model, out, rng.uniform(0, longest))
        counts["kills"] += 1
        try:
            found = Build.load(out)
            same = found.manifest()["digests"] in images
            counts["whole" if same else "mixed"] += 1
        except CorruptFile:
            counts["refused"] += 1
        nd.build(model, out=out)
        counts["recovered"] += Build.load(out).manifest()["digests"] == images[number % len(models)]
    return counts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:3], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))))
