"""A network that the board plays from its external memory, on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.cli.conftest import Cli

SIZES = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "segments": 1024, "spike_words": 32, "external": 1}


@pytest.fixture(scope="module")
def board() -> Target:
    return registry.load("fpga").with_hardware(**SIZES)


@pytest.fixture(scope="module")
def port(board: Target) -> Iterator[str]:
    with ServedModel(DeviceModel(board, pace=20)) as served:
        yield served.port


@pytest.fixture(scope="module")
def build(board: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    nd.build(networks.two_layers(sizes=(250, 60, 5)), board, folder)
    return folder


def test_run_and_verify_have_the_board_play(cli: Cli, build: Path, port: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=networks.spikes(0, (4, 3, 250)), labels=np.array([0, 1, 2]))
    out = tmp_path / "r.nird"
    done = cli("run", build, tmp_path / "x.npz", "-p", port, "-o", out, "--json")
    assert done.code == 0
    assert done.json["stats"]["batches"] == 1
    assert not (tmp_path / "r.nird.passes").exists()
    assert cli("run", build, tmp_path / "x.npz", "-p", port, "-o", out).err.startswith("pass ")
    assert cli("verify", build, "-x", tmp_path / "x.npz", "-p", port).code == 0
    assert cli("evaluate", build, "-x", tmp_path / "x.npz", "-p", port).code == 0


def test_why_the_host_plays_is_said(cli: Cli, tmp_path: Path) -> None:
    sizes = {"weight_rows": 2048, "neurons": 256, "lanes": 32, "spike_words": 64, "out_words": 512}
    large = registry.load("fpga").with_hardware(**{**SIZES, **sizes})
    nd.build(networks.two_layers(sizes=(1100, 1000, 5)), large, tmp_path / "build")
    np.save(tmp_path / "x.npy", networks.spikes(0, (1, 1, 1100)))
    with ServedModel(DeviceModel(large)) as served:
        done = cli("run", tmp_path / "build", tmp_path / "x.npy", "-p", served.port, "-o", tmp_path / "r.nird")
    assert done.code == 0
    assert "the host plays the passes: " in done.err
    assert "are more than the 1,048,576 of external memory" in done.err
