"""Runs inside lava's environment: ``random FOLDER`` or ``weights WEIGHTS.npy``.

``random``: every folder in it holds a rendered build (configuration.json, run_lava.py) and stimulus.npy; the rendered
script itself builds the network there, simulates it in the chip's fixed point and leaves record.npz. ``weights``:
prints the weights that lava makes of a matrix of mixed signs, as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

from tests.frameworks.witnesses import dataclass_patch  # noqa: F401 - before lava

# isort: split
import numpy as np
from lava.utils.weightutils import SignMode, clip_weights, truncate_weights


def script(path: Path) -> ModuleType:
    """A Python file as a module."""
    spec = importlib.util.spec_from_file_location("run_lava", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_all(folder: Path) -> None:
    for build in sorted(path.parent for path in folder.glob("*/configuration.json")):
        rendered = script(build / "run_lava.py")
        configuration = json.loads((build / "configuration.json").read_text())
        stimulus = rendered.load(build / "stimulus.npy", configuration)
        steps = len(next(iter(stimulus.values())))
        np.savez_compressed(build / "record.npz", **rendered.Network(configuration, stimulus, steps).run())


def weights(path: Path) -> None:
    clipped = clip_weights(np.load(path), SignMode.MIXED, num_bits=8)
    sys.stdout.write(json.dumps(truncate_weights(clipped, SignMode.MIXED, 8).tolist()))


if __name__ == "__main__":
    {"random": run_all, "weights": weights}[sys.argv[1]](Path(sys.argv[2]))
