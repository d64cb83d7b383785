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

    def tell(stage: str) -> None:
        if stage == "image":
            os.write(told, b".")

    nd.build(model, out=out, on_stage=tell)
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


def _loaded(out: Path) -> dict[str, str]:
    """Digests of what the folder holds, as it is read. Raises :class:`CorruptFile` where that is no build."""
    return {name: product.digest() for name, product in Build.load(out).products.items()}


def _built(model: str, out: Path) -> dict[str, str]:
    nd.build(model, out=out)
    return _loaded(out)


def _last_stage(model: str, out: Path) -> float:
    """How long it takes, with writing the products."""
    times: list[float] = []
    nd.build(model, out=out, on_stage=lambda stage: times.append(time.monotonic()))
    return time.monotonic() - times[-1]


def main(models: list[str], out: Path, kills: int, seed: int) -> dict[str, int]:
    """How often the folder was whole (of one build), refused, mixed and recovered after a kill."""
    rng = random.Random(seed)
    own = [_built(model, out) for model in models]
    longest = min(_last_stage(model, out) for model in models * 3)
    counts = {"kills": 0, "ended": 0, "whole": 0, "refused": 0, "mixed": 0, "recovered": 0}
    for number in range(kills):
        model = models[number % len(models)]
        counts["ended"] += _killed(model, out, rng.uniform(0, longest))
        counts["kills"] += 1
        try:
            counts["whole" if _loaded(out) in own else "mixed"] += 1
        except CorruptFile:
            counts["refused"] += 1
        counts["recovered"] += _built(model, out) == own[number % len(models)]
    return counts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:3], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))))
