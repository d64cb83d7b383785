"""A network knows whose neurons step it: however it is come by, it steps alike, on every target."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy import processes
from nirdeploy.errors import CorruptFile
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.targets import registry
from tests.contract.test_every_target import SAMPLES, SIZES, STEPS, legal, network

X = (np.random.default_rng(0).random((STEPS, SAMPLES, SIZES["in"])) < 0.4).astype(np.uint8)
NAMES = ["hidden", "last"]
OWN = [name for name in registry.names() if registry.backend_of(registry.load(name)).dynamics is not None]


def built(name: str, out: Path | None = None) -> nd.Build:
    target = registry.load(name)
    return nd.build(network(*legal(target)), target, out)


@pytest.mark.parametrize("name", registry.names())
def test_a_network_names_the_backend_that_steps_it(name: str) -> None:
    assert built(name, None).network.dynamics == (registry.load(name).backend if name in OWN else "")


@pytest.mark.parametrize("name", OWN)
def test_every_way_to_a_network_steps_alike(name: str, tmp_path: Path) -> None:
    build = built(name, tmp_path / "build")
    expected = nd.simulate(build, X, membrane=NAMES)
    assert expected.source == name
    assert all(expected.spikes[population].any() for population in NAMES)
    ways: dict[str, SpikeRecord] = {
        "network": nd.simulate(build.network, X, membrane=NAMES),
        "folder": nd.simulate(tmp_path / "build", X, membrane=NAMES),
        "another process": elsewhere(build.network, tmp_path),
    }
    for way, record in ways.items():
        assert record.source == name, way
        assert nd.verify(expected, record).equal, way
        assert record.stats == expected.stats, way
        assert record.manifest == expected.manifest, way


def elsewhere(network: IntegerNetwork, folder: Path) -> SpikeRecord:
    """Loaded and simulated by a process that has made nothing of it, and knows of no target."""
    network.save(folder / "alone.npz")
    np.save(folder / "x.npy", X)
    code = (
        "import sys, numpy as np, nirdeploy as nd\n"
        "from pathlib import Path\n"
        "from nirdeploy.integers.network import IntegerNetwork\n"
        "folder = Path(sys.argv[1])\n"
        "network = IntegerNetwork.load(folder / 'alone.npz')\n"
        f"nd.simulate(network, np.load(folder / 'x.npy'), membrane={NAMES}).save(folder / 'alone.nird')\n"
    )
    done = subprocess.run(
        processes.command("-c", code, str(folder)),
        env=processes.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return SpikeRecord.load(folder / "alone.nird")


@pytest.mark.parametrize("name", OWN)
def test_an_explanation_is_of_the_chips_own_steps(name: str) -> None:
    build = built(name)
    found = nd.explain(build.graph, build.network, X)
    reference, chip = nd.simulate(build.graph, X), nd.simulate(build, X)
    assert found.verdict.as_dict() == nd.verify(reference, chip).as_dict()
    assert found.verdict.measured == name


def test_no_network_of_a_chip_is_stepped_by_the_references_neurons() -> None:
    """So that what is equal above cannot be equal because all are stepped alike."""
    for name in OWN:
        with pytest.raises(CorruptFile, match="has a chip's registers, not the reference's neurons"):
            nd.simulate(replace(built(name).network, dynamics=""), X)
