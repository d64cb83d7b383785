"""A small spiking network for scikit-learn's handwritten digits, in plain PyTorch.

1,797 images of 8 x 8 pixels (UCI "Optical Recognition of Handwritten Digits"), 80 % to train on, 20 % to
test on. A pixel of brightness p spikes p x STEPS times, evenly spaced; the class is the output neuron
that spikes most often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nirdeploy.device.client import Progress
from nirdeploy.errors import ToolMissing
from nirdeploy.exchange.modules import LIF

STEPS = 16
DT = 1e-3  # seconds per step
TAU = 8e-3
HIDDEN = 96
EPOCHS = 40


@dataclass(frozen=True)
class Digits:
    """Spike trains uint8 (T, B, 64) and labels (B,), split into training and test images."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def load(seed: int = 0) -> Digits:
    """The data, split and encoded. Raises :class:`ToolMissing` without scikit-learn."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ToolMissing("scikit-learn is not installed", hint="pip install 'nirdeploy[demo]'") from error
    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images / 16.0, labels, test_size=0.2, random_state=seed, stratify=labels
    )
    return Digits(encode(train_x), train_y, encode(test_x), test_y)


def encode(brightness: np.ndarray) -> np.ndarray:
    """Brightness (B, pixels) in [0, 1] to evenly spaced spikes, uint8 (T, B, pixels)."""
    steps = np.arange(STEPS + 1).reshape(-1, 1, 1)
    return np.asarray(np.diff(np.floor(steps * brightness + 0.5), axis=0), dtype=np.uint8)


def network() -> nn.Sequential:
    """64 - 96 - 10 LIF neurons; input (T, B, 64), output spikes (T, B, 10)."""
    return nn.Sequential(
        nn.Linear(64, HIDDEN),
        LIF(tau=TAU, r=TAU / DT, dt=DT),
        nn.Linear(HIDDEN, 10),
        LIF(tau=TAU, r=TAU / DT, dt=DT),
    )


def train(data: Digits, seed: int = 0, progress: Progress | None = None) -> nn.Sequential:
    """Train by surrogate gradient (Adam, cross-entropy on spike counts). ``progress``: (epochs done, all)."""
    torch.manual_seed(seed)
    net = network()
    x = torch.as_tensor(data.train_x, dtype=torch.float32)
    y = torch.as_tensor(data.train_y)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            counts = net(x[:, batch]).sum(dim=0)
            functional.cross_entropy(counts, y[batch]).backward()
            optimizer.step()
        schedule.step()
        if progress:
            progress(epoch + 1, EPOCHS)
    return net
