"""A convolutional network as snnTorch's tutorials write it, trained, on the virtual board.

Convolution, MaxPool2d, Leaky: the maximum is of currents, the reset one step late.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import snntorch
import torch
from sklearn.datasets import load_digits
from torch import nn

import nirdeploy as nd
from nirdeploy.exchange.frontends import export_from
from nirdeploy.targets import registry as targets

STEPS, SHOWN = 12, 6
THREE = (0, 1, 7)


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Zeros, ones and sevens: images (N, 1, 8, 8) in 0..1, and which of the three they are."""
    data = load_digits()
    kept = np.isin(data.target, THREE)
    images = torch.tensor(data.images[kept] / 16.0, dtype=torch.float32)[:, None]
    return images, torch.tensor(np.searchsorted(THREE, data.target[kept]))


def network() -> nn.Sequential:
    """All that is not a size or beta is snnTorch's default."""
    torch.manual_seed(3)
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.MaxPool2d(2), snntorch.Leaky(beta=0.8, init_hidden=True)),
        *(nn.Conv2d(6, 10, 3, padding=1), nn.MaxPool2d(2), snntorch.Leaky(beta=0.8, init_hidden=True)),
        *(nn.Flatten(), nn.Linear(40, 3), snntorch.Leaky(beta=0.8, init_hidden=True)),
    )


def spikes_of(net: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """Step by step (T, B, 1, 8, 8) from rest to (T, B, 3)."""
    for layer in net:
        if isinstance(layer, snntorch.Leaky):
            layer.reset_mem()
    return torch.stack([cast(torch.Tensor, net(step)) for step in x])


def trained(images: torch.Tensor, labels: torch.Tensor) -> nn.Sequential:
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(25):
        drawn = torch.randint(len(images), (64,))
        x = (torch.rand(STEPS, 64, 1, 8, 8) < images[drawn]).float()
        loss = nn.functional.cross_entropy(spikes_of(net, x).sum(0), labels[drawn])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


@pytest.mark.xdist_group("default-board")
def test_a_trained_network_with_its_defaults_spikes_alike_on_the_board() -> None:
    images, labels = digits()
    net = trained(images, labels)
    torch.manual_seed(4)
    x = (torch.rand(STEPS, 150, 1, 8, 8) < images[:150]).float()
    at_home = spikes_of(net, x)
    assert (at_home.sum(0).argmax(1) == labels[:150]).double().mean() > 0.8
    built = nd.build(export_from("snntorch", net, torch.zeros(1, 1, 8, 8)), "fpga")
    assert sum(p.maximum is not None for p in built.network.projections) == 2
    stimulus = x.numpy().astype(np.uint8)
    expected = nd.simulate(built, stimulus)
    classes = expected.spikes[built.network.outputs["output"]].sum(0).argmax(1)
    assert (classes == labels[:150].numpy()).mean() > 0.8
    with nd.open_device("virtual", targets.load("fpga")) as board:
        nd.flash(built, board)
        verdict = nd.verify(nd.simulate(built, stimulus[:, :SHOWN]), nd.run(board, stimulus[:, :SHOWN]))
    assert verdict.equal, verdict.summary()
    assert verdict.cells == STEPS * SHOWN * (6 * 16 + 10 * 4 + 3)
