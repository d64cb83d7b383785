"""The convolutional network of benchmarks/accuracy.py: trained in SpikingJelly on 8,000 MNIST digits, tested on 2,000.

    python benchmarks/mnist_cnn.py [--data mnist10k.npz] [--epochs 16]

12C5 - BN - LIF - MP2 - 32C5 - BN - LIF - MP2 - 10; SpikingJelly's LIFNode as it comes; the last layer's currents, added
up, are the scores. A digit is held over the 4 steps, its brightness a number of 4 bits. The network is kept in
nirdeploy's cache and used again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import nirdeploy as nd
from benchmarks.mnist import BATCH, DEFAULT_DATA, Digits, distorted, kept, load

STEPS = 4
EPOCHS = 16
RATE = 3e-3
INPUT_BITS = 4
LEVELS = 2**INPUT_BITS - 1


def held(brightness: torch.Tensor) -> torch.Tensor:
    """(B, 28, 28) in [0, 1] to numbers of ``INPUT_BITS`` bits, float32 (STEPS, B, 1, 28, 28) in [0, 1]."""
    levels = (brightness * LEVELS).round() / LEVELS
    return levels[None, :, None].expand(STEPS, -1, -1, -1, -1)


def stimulus(brightness: torch.Tensor) -> np.ndarray:
    """The same as whole numbers, uint8 (STEPS, B, 1, 28, 28): what an input of ``INPUT_BITS`` and a scale holds."""
    return np.rint(held(brightness).numpy() * LEVELS).astype(np.uint8)


def network() -> nn.Sequential:
    from spikingjelly.activation_based import functional as jelly
    from spikingjelly.activation_based import layer, neuron, surrogate

    def lif() -> nn.Module:
        return neuron.LIFNode(surrogate_function=surrogate.ATan(), detach_reset=True)

    def block(channels: int, made: int) -> list[nn.Module]:
        convolution = layer.Conv2d(channels, made, 5, bias=False)
        return [convolution, layer.BatchNorm2d(made), lif(), layer.MaxPool2d(2)]

    head = [layer.Flatten(), layer.Linear(32 * 4 * 4, 10)]
    net = nn.Sequential(*block(1, 12), *block(12, 32), *head)
    jelly.set_step_mode(net, "m")
    return net


def train(digits: Digits, epochs: int, progress: Callable[[int], None]) -> nn.Sequential:
    """By surrogate gradient (Adam, one cycle), cross-entropy on the mean of the last layer's currents."""
    from spikingjelly.activation_based import functional as jelly

    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    batches = -(-len(digits.train_y) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * batches)
    for epoch in range(epochs):
        images = distorted(digits.train_x)
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(net(held(images[batch])).mean(dim=0), digits.train_y[batch]).backward()
            jelly.reset_net(net)
            optimizer.step()
            schedule.step()
        progress(epoch + 1)
    return net.eval()


def trained(digits: Digits, epochs: int = EPOCHS) -> Path:
    """The trained network as a .nir file, from the cache or made now."""
    name = f"mnist-12c5-32c5-10-{STEPS}-steps-{epochs}-epochs"
    return kept(name, epochs, lambda progress: train(digits, epochs, progress), held(digits.test_x[:1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    digits = load(options.data)
    path = trained(digits, options.epochs)
    record = nd.simulate(path, held(digits.test_x).numpy(), "outputs")
    print(f"float: {100 * nd.accuracy(record, digits.test_y.numpy()):.2f} % of {len(digits.test_y):,}; {path}")


if __name__ == "__main__":
    main()
