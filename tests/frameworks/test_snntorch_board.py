"""snnTorch's neurons on the virtual board, whatever their reset: every spike is the integer simulator's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.exchange.frontends import export_from
from nirdeploy.targets import registry as targets
from tests.frameworks.networks import in_float64, weighted
from tests.frameworks.test_snntorch import RESETS, VARIANTS, sequential

pytestmark = pytest.mark.xdist_group("default-board")
STEPS, SAMPLES, SIZES = 50, 2, (12, 10, 6)
LAPICQUE = [("Lapicque", reset, True) for reset in RESETS]  # snnTorch's own always resets one step late


@pytest.fixture(scope="module")
def board() -> Iterator[Device]:
    with nd.open_device("virtual", targets.load("fpga")) as device:
        yield device


def network(rng: np.random.Generator, kind: str, reset: str, delay: bool) -> nn.Module:
    """Two layers with a decay, threshold and, where there is one, a synaptic decay of each neuron's own."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(SIZES):
        options: dict[str, Any] = {}
        if "Synaptic" in kind:
            options["alpha"] = torch.tensor(rng.uniform(0.2, 0.9, after))
        options |= {"linear_features": after} if kind.startswith("R") else {}
        if kind == "Lapicque":  # resistance and capacitance, one of a layer, are its decay and scale the current
            options |= {"R": float(rng.uniform(2, 6)), "C": float(rng.uniform(0.8, 2)), "time_step": 0.9}
        else:
            options |= {"beta": torch.tensor(rng.uniform(0.3, 0.98, after)), "reset_delay": delay}
        neuron = getattr(snntorch, kind)(
            threshold=torch.tensor(rng.uniform(0.4, 1.3, after)),
            reset_mechanism=reset,
            init_hidden=True,
            **options,
        )
        if kind.startswith("R"):
            weighted(neuron.recurrent, rng, 0.5)
        layers += [weighted(nn.Linear(before, after), rng, 0.7), neuron]
    return in_float64(sequential(layers)[0])


@pytest.mark.parametrize(("kind", "reset", "delay"), [*VARIANTS, *LAPICQUE])
def test_the_board_spikes_as_the_integers(kind: str, reset: str, delay: bool, board: Device) -> None:
    rng = np.random.default_rng(len(kind) + 10 * delay)
    graph = export_from("snntorch", network(rng, kind, reset, delay), torch.zeros(1, SIZES[0]).double())
    built = nd.build(graph, "fpga")
    x = (rng.random((STEPS, SAMPLES, SIZES[0])) < 0.4).astype(np.uint8)
    nd.flash(built, board)
    expected, measured = nd.simulate(built, x), nd.run(board, x)
    verdict = nd.verify(expected, measured)
    assert verdict.equal, verdict.summary()
    assert verdict.cells == STEPS * SAMPLES * sum(SIZES[1:])
    assert all(spikes.any() for spikes in measured.spikes.values())
