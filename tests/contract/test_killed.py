"""A build that is killed leaves a folder of one build, or one that is refused, and the next one recovers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from nirdeploy import processes
from nirdeploy.graph import file as nirfile
from tests import networks
from tests.conftest import campaign
from tests.contract import killed


@pytest.mark.soak
def test_killed_builds_recover(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        nirfile.write(tmp_path / f"{name}.nir", networks.two_layers(seed=seed, sizes=(12, 10, 4)))
    kills = campaign(10, 300)
    arguments = [*(str(tmp_path / f"{name}.nir") for name in "ab"), str(tmp_path / "out"), str(kills), "0"]
    done = subprocess.run(
        processes.command("-m", killed.__name__, *arguments),
        env=processes.environment({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mixed"] == 0
    assert found["recovered"] == found["kills"] == kills
    assert found["ended"] < kills / 2, found  # most were cut off
    assert not list((tmp_path / "out").glob(".nirdeploy-*"))
