"""What the witness programs share. They run in a framework's own environment, where nirdeploy is not installed:
its frontends are loaded as files, as the package around them needs more than the witnesses have.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import nir
import numpy as np

REPOSITORY = Path(__file__).parents[3]
TIME, BATCH = 60, 3

#: The network of the interchange table: 16-20-8, its weights (out, in) and its stimulus, the same everywhere.
SIZES = (16, 20, 8)
STEPS = 200


def frontend(framework: str) -> ModuleType:
    """nirdeploy's frontend of a framework, by file."""
    sys.path.insert(0, str(REPOSITORY))
    path = REPOSITORY / "nirdeploy" / "exchange" / "frontends" / f"{framework}_.py"
    spec = importlib.util.spec_from_file_location(f"{framework}_", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stimulus(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Spikes, counts or analog values, (TIME, BATCH, *shape)."""
    size = (TIME, BATCH, *shape)
    kind = rng.integers(4)
    if kind == 0:
        return rng.poisson(0.5, size).astype(np.float64)
    if kind == 1:
        return rng.normal(0.3, 0.6, size)
    return (rng.random(size) < rng.uniform(0.1, 0.6)).astype(np.float64)


def weights(rng: np.random.Generator, outputs: int, inputs: int, scale: float = 1.5) -> np.ndarray:
    """Random weights (outputs, inputs); half of all draws in eighths, so that membranes touch thresholds."""
    values = rng.normal(0.1, scale / np.sqrt(inputs), (outputs, inputs))
    return np.round(values * 8) / 8 if rng.random() < 0.5 else values


def table_network() -> tuple[list[np.ndarray], np.ndarray]:
    """Weights and stimulus (STEPS, 1, inputs) of the table's network, all exact in float32."""
    rng = np.random.default_rng(7)
    layers = [
        rng.normal(0.08, 0.45, (outputs, inputs)).astype(np.float32).astype(np.float64)
        for inputs, outputs in pairwise(SIZES)
    ]
    return layers, (rng.random((STEPS, 1, SIZES[0])) < 0.3).astype(np.float64)


def write_own(folder: Path, export: Callable[[], nir.NIRGraph]) -> None:
    """The framework's own export as ``own.nir``, or why there is none as ``own.txt``."""
    try:
        nir.write(str(folder / "own.nir"), export())
    except Exception as error:  # noqa: BLE001 - however a framework fails, that is what the table says
        (folder / "own.txt").write_text(type(error).__name__)


def import_all(jobs: Path, run: Callable[[nir.NIRGraph, np.ndarray, float], np.ndarray]) -> None:
    """Every job [graph, where to, dt]: what the framework's importer makes of the graph, or why it does not."""
    for graph, to, dt in json.loads(jobs.read_text()):
        try:
            np.save(f"{to}.npy", np.asarray(run(nir.read(graph), table_network()[1], dt)))
        except Exception as error:  # noqa: BLE001 - as above
            Path(f"{to}.txt").write_text(type(error).__name__)


def refusals(attempts: dict[str, Callable[[], object]]) -> None:
    """Print what each attempt is refused with, as JSON."""
    said = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except Exception as error:  # noqa: BLE001 - the test looks at its class
            said[name] = f"{type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(said))
