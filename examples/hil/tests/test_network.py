"""network.nir on a board: the virtual one, or with --nir-board=NAME a board of boards.toml.

The fixtures come with nirdeploy; any other test of pytest may stand beside these.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nirdeploy as nd

MODEL = Path(__file__).parents[1] / "network.nir"

Build = Callable[..., nd.Build]


def test_device_spikes_as_simulated(
    nir_build: Build, nir_device: Any, assert_spikes_equal: Callable[..., Any], stimulus: np.ndarray
) -> None:
    built = nir_build(MODEL)
    assert_spikes_equal(nd.simulate(built, stimulus), nir_device.run(built, stimulus))


def test_spikes_are_those_of_the_last_release(
    nir_build: Build, nir_device: Any, golden: Any, stimulus: np.ndarray
) -> None:
    assert nir_device.run(nir_build(MODEL), stimulus) == golden


def test_every_class_spikes(nir_build: Build, stimulus: np.ndarray) -> None:
    record = nd.simulate(nir_build(MODEL), stimulus, "outputs")
    assert record["output"].any(axis=(0, 1)).all()


@pytest.mark.nir_target("fpga", "fpga-ulx3s")
def test_integers_are_the_same_on_every_target(nir_build: Build, golden: Any, stimulus: np.ndarray) -> None:
    assert nd.simulate(nir_build(MODEL), stimulus) == golden


@pytest.mark.nir_board("bench1")
def test_on_the_bench(
    nir_build: Build, nir_device: Any, assert_spikes_equal: Callable[..., Any], stimulus: np.ndarray
) -> None:
    """Skipped where bench1 is not plugged in; --nir-require-boards makes that a failure."""
    built = nir_build(MODEL)
    assert_spikes_equal(nd.simulate(built, stimulus), nir_device.run(built, stimulus))
