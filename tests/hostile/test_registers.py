"""Registers of a chip that a stranger changed: a network has those that its chip has, or it is refused.

Over all targets whose neurons are a chip's own, so that a new chip is tested without an edit.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.errors import CorruptFile
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.pipeline import Build
from nirdeploy.records import manifest, store
from nirdeploy.records.products import MANIFEST
from nirdeploy.sim import integer
from nirdeploy.targets import registry
from nirdeploy.targets.placement import Placement
from tests.contract.test_every_target import SIZES, legal, network

CHIPS = [name for name in registry.names() if registry.backend_of(registry.load(name)).dynamics is not None]
X = np.ones((4, 1, SIZES["in"]), dtype=np.uint8)


@pytest.fixture(scope="module", params=CHIPS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build for a chip."""
    target, folder = registry.load(request.param), tmp_path_factory.mktemp(request.param) / "built"
    nd.build(network(*legal(target)), target, folder)
    return folder


def forged(built: Path, folder: Path, register: str, values: np.ndarray | None) -> Path:
    """A copy with another register in the first population (None: without it), all digests made anew."""
    shutil.copytree(built, folder)
    path, kept = folder / IntegerNetwork.FILE, manifest.opened((folder / MANIFEST).read_bytes())
    meta, arrays = store.load(path)
    key = f"population0.registers.{register}"
    if values is None:
        meta["populations"][0]["registers"].remove(register)
        del arrays[key]
    else:
        arrays[key] = values
    path.write_bytes(store.pack(meta, arrays))
    kept["digests"]["network"] = IntegerNetwork.load(path).digest()
    placement, _ = store.load(folder / Placement.FILE)
    placement["network"] = kept["digests"]["network"]
    (folder / Placement.FILE).write_bytes(store.pack(placement, {}))
    kept["digests"]["placement"] = Placement.load(folder / Placement.FILE).digest()
    (folder / MANIFEST).write_bytes(manifest.sealed(kept))
    return folder


FORGERIES: dict[str, Callable[[np.ndarray], np.ndarray | None]] = {
    "none": lambda values: None,
    "empty": lambda values: np.zeros(0, values.dtype),
    "of another shape": lambda values: np.zeros((2, 3), values.dtype),
    "of another type": lambda values: values.astype(np.float64),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_register_that_is_none_is_refused(built: Path, tmp_path: Path, how: str) -> None:
    registers = Build.load(built).network.on_chip("hidden").registers
    for name, values in registers.items():
        folder = forged(built, tmp_path / name, name, FORGERIES[how](values))
        with pytest.raises(CorruptFile, match=r"its registers? .*expected .*in population 'hidden'.*build it again"):
            Build.load(folder)
        with pytest.raises(CorruptFile, match=r"its registers? .*expected .*in population 'hidden'"):
            integer.simulate(IntegerNetwork.load(folder / IntegerNetwork.FILE), X)


def test_a_whole_number_beyond_all_that_chips_have_is_refused(built: Path, tmp_path: Path) -> None:
    registers = Build.load(built).network.on_chip("hidden").registers
    for name, values in registers.items():
        if values.dtype.kind == "i":
            folder = forged(built, tmp_path / name, name, np.full(values.shape, 1 << 60))
            with pytest.raises(CorruptFile, match=rf"its register '{name}' holds {1 << 60}, expected numbers from"):
                Build.load(folder)


def test_what_is_forged_is_nothing_else(built: Path, tmp_path: Path) -> None:
    name, values = next(iter(Build.load(built).network.on_chip("hidden").registers.items()))
    assert Build.load(forged(built, tmp_path / "same", name, values)).network.digest()
