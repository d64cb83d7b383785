"""A network of several passes, on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.cli.conftest import Cli

SIZES = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "segments": 1024, "spike_words": 32}


@pytest.fixture(scope="module")
def small() -> Target:
    return registry.load("fpga").with_hardware(**SIZES)


@pytest.fixture(scope="module")
def port(small: Target) -> Iterator[str]:
    with ServedModel(DeviceModel(small)) as served:
        yield served.port


@pytest.fixture(scope="module")
def build(small: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    nd.build(networks.two_layers(sizes=(160, 60, 5)), small, folder)
    return folder


@pytest.fixture
def stimulus(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", networks.spikes(0, (4, 3, 160)))
    return tmp_path / "x.npy"


def test_what_passes_give_is_kept_until_the_record_is_written(
    cli: Cli, build: Path, stimulus: Path, port: str, tmp_path: Path
) -> None:
    out, kept = tmp_path / "r.nird", tmp_path / "r.nird.passes"
    done = cli("run", build, stimulus, "-p", port, "-o", out)
    assert (done.code, done.err.splitlines()[0]) == (0, "pass 1 of 15 ...")
    assert not kept.exists()
    kept.mkdir()
    (kept / "journal.json").write_text("{}")
    begun = cli("run", build, stimulus, "-p", port, "-o", out)
    assert begun.code == 3
    assert begun.err.startswith(f"going on with the run that was broken off, from what {kept} keeps\n")
    assert "remove the folder" in begun.err
    assert cli("run", build, stimulus, "-p", "sim", "-o", tmp_path / "e.nird").code == 0
    assert cli("verify", tmp_path / "e.nird", out).code == 0


def test_a_store_without_passes_is_refused(cli: Cli, build: Path, stimulus: Path, port: str, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "r.nird", "--store", tmp_path / "kept")
    whole = cli("run", build, stimulus, "-p", "sim", *out)
    assert whole.code == 2
    assert "the integer model runs the network as a whole" in whole.err
    nirfile.write(tmp_path / "m.nir", networks.two_layers())
    assert cli("build", tmp_path / "m.nir", "-o", tmp_path / "one").code == 0
    fitting = cli("run", tmp_path / "one", stimulus, "-p", port, *out)
    assert fitting.code == 2
    assert "the network fits the chip" in fitting.err
