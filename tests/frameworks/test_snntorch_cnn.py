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
from nirdeploy.records.inputs import InputEncoding
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


class Normalized(nn.Module):
    """As tutorial 6 has it: one class, F.max_pool2d, states by hand; images held for all steps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv1, self.lif1 = nn.Conv2d(1, 6, 3, padding=1), snntorch.Leaky(beta=0.5)
        self.conv2, self.lif2 = nn.Conv2d(6, 10, 3, padding=1), snntorch.Leaky(beta=0.5)
        self.fc1, self.lif3 = nn.Linear(40, 3), snntorch.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second, third = (lif.init_leaky() for lif in (self.lif1, self.lif2, self.lif3))
        found = []
        for _ in range(STEPS):
            spikes, first = self.lif1(nn.functional.max_pool2d(self.conv1(x), 2), first)
            spikes, second = self.lif2(nn.functional.max_pool2d(self.conv2(spikes), 2), second)
            spikes, third = self.lif3(self.fc1(spikes.flatten(1)), third)
            found.append(spikes)
        return torch.stack(found)


@pytest.mark.xdist_group("default-board")
def test_on_images_normalized_by_mean_and_deviation_it_spikes_alike_on_the_board() -> None:
    """Signed numbers through padding and a maximum: the host pads with what stands for 0."""
    images, labels = digits()
    images = (images - images.mean()) / images.std()
    net = Normalized()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(25):
        drawn = torch.randint(len(images), (64,))
        loss = nn.functional.cross_entropy(net(images[drawn]).sum(0), labels[drawn])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        at_home = net(images[:150])
    right = (at_home.sum(0).argmax(1) == labels[:150]).double().mean().item()
    assert right > 0.8
    within = float(images.min()), float(images.max())
    graph = nd.check(export_from("snntorch", net, images[:1]), input_range=within)
    built = nd.build(graph, "fpga")
    (name,) = graph.inputs
    assert built.network.takes[name] == InputEncoding(**vars(graph.encoding(name)) | {"border": ((1, 1), (1, 1))})
    assert built.image.inputs[0].shape == (1, 8, 8)
    x = np.repeat(images[None, :150].numpy(), STEPS, axis=0)
    exact, found = nd.simulate(graph, x), nd.simulate(built, x)
    output = graph.outputs["output"]
    assert (exact.spikes[output] != at_home.numpy()).mean() < 1e-3  # torch counts in float32
    assert (found.spikes[output].sum(0).argmax(1) == labels[:150].numpy()).mean() > right - 0.04
    alone = {cause.rounding: cause.differing for cause in nd.explain(graph, built.network, x).causes}
    assert sum(alone["state"].values()) <= 0.002 * sum(values.size for values in exact.spikes.values())
    few = x[:, :SHOWN]
    with nd.open_device("virtual", targets.load("fpga")) as board:
        nd.flash(built, board)
        verdict = nd.verify(nd.simulate(built, few), nd.run(board, few, image=built.image))
    assert verdict.equal, verdict.summary()
    assert verdict.cells == STEPS * SHOWN * (6 * 16 + 10 * 4 + 3)
