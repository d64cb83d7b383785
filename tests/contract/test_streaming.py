"""A stream on the virtual board: every step of some thousands is the integer simulator's; and of 10^5 in a campaign."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from benchmarks import stream as benchmark
from nirdeploy import processes
from nirdeploy.pipeline import Build
from tests import networks
from tests.conftest import campaign


@pytest.fixture(scope="module")
def built() -> Build:
    return nd.build(benchmark.graph(), "fpga", dt=benchmark.DT)


@pytest.mark.soak
def test_every_step_is_exact(built: Build) -> None:
    steps = campaign(2_000, 100_000)
    x = (np.random.default_rng(1).random((steps, benchmark.SIZES[0])) < benchmark.ACTIVITY).astype(np.uint8)
    wanted = nd.simulate(built, x[:, None], "outputs")
    with nd.open_device("virtual", built.target) as device:
        nd.flash(built, device)
        with device.stream() as s:
            found = s.steps(x)
            assert found == wanted
            assert s.stats["replays"] == 0
        with device.stream() as s:  # a step at a time, from rest
            alone = np.stack([s.step(one)["output"] for one in x[:200]])
    assert found["output"].any()
    assert np.array_equal(alone, wanted["output"][:200, 0])


def test_loops_and_late_spikes_over_a_line_that_loses_bytes() -> None:
    """State of every kind is kept from step to step: recurrence, synapses that were, spikes that are said late."""
    built = nd.build(
        networks.looped(networks.two_layers(2, (20, 30, 5))), "fpga", dialect="nir,spike_delay=true", dt=1e-4
    )
    x = networks.spikes(3, (400, 20))
    wanted = nd.simulate(built, x[:, None])
    with nd.open_device("fault:seed=3,drop=1e-4:virtual", built.target) as device:
        nd.flash(built, device)
        with device.stream("all", depth=16) as s:
            assert s.steps(x[:200]) == wanted.aligned(200)
            s.rest()
            assert s.steps(x) == wanted


def test_the_command_flashes_streams_and_keeps(tmp_path: Path) -> None:
    """As a user would, on a board of its own."""
    nd.build(benchmark.graph(), "fpga", tmp_path / "build", dt=benchmark.DT)
    x = (np.random.default_rng(2).random((100, 1, benchmark.SIZES[0])) < 0.1).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    asked = ("-m", "nirdeploy", "stream", "build", "-x", "x.npy", "-p", "virtual", "-o", "r.nird")
    done = subprocess.run(
        processes.command(*asked),
        cwd=tmp_path,
        env=processes.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "100 steps" in done.stdout
    assert nd.SpikeRecord.load(tmp_path / "r.nird") == nd.simulate(tmp_path / "build", x)
