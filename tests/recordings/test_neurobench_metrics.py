"""NeuroBench's metrics of the networks that it publishes, against its package on the networks themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.frameworks.networks import BATCH, in_float64
from tests.frameworks.package import assert_same, ours, theirs
from tests.recordings.test_neurobench import Gestures, counts, reaching, speech, state


def test_speech_commands(neurobench: Path) -> None:
    net = speech(neurobench)
    x = torch.tensor(np.random.default_rng(1).normal(0, 1, (50, BATCH, 20)))
    found = ours(net, x, x[0])
    assert_same(found, theirs(net, x))
    assert found.macs == 50 * 20 * 256, "the first layer reads real numbers"
    assert found.acs > 0


def test_gestures(neurobench: Path) -> None:
    net = Gestures()
    net.load_state_dict(state(neurobench, "dvs_gesture.pt"))
    in_float64(net.eval())
    x = torch.cat([counts(2, (4, 2, 32, 32), 3.0), counts(3, (2, 2, 32, 32), 0.4, most=1)])
    found = ours(net, x, x[0])
    assert_same(found, theirs(net, x))
    assert found.footprint == 304_828, "as published"


class _Reached(nn.Module):
    """(B, T, 96) to (T, B, 2)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> Any:
        return self.net(x.swapaxes(0, 1))


def test_reaching(neurobench: Path) -> None:
    """Its last neurons never spike, their membrane is read: no spike of theirs counts as an activation. Its state
    has a threshold of 64 bits, as snnTorch makes it of a whole number; a graph does not know that."""
    net = reaching(neurobench)
    x = torch.cat([counts(3, (60, 96), 0.4), counts(4, (40, 96), 0.4, most=1)])
    found = ours(net, x, x[:3])
    assert list(found.sparsity_by_layer) == ["lif1"]
    assert found.macs > 0
    assert found.acs > 0
    expected = theirs(_Reached(net), x, readouts=["lif_out"], through_time=True)
    assert_same(found, {**expected, "Footprint": expected["Footprint"] - 4})
