"""A convolutional network as SpikingJelly's tutorials build it: convolution, batch norm, LIF, max pool, twice.

    python examples/spikingjelly_cnn.py [FOLDER]

You learn that a network of layers and neurons in step_mode "m" is exported as it is: batch norms fold into the
convolutions, neurons keep SpikingJelly's rules, and nodes of the graph are called as the attributes of the net. It
takes about half a minute. It prints the accuracy in SpikingJelly and on the board, and whether board and integers agree
in every spike; it writes into FOLDER (spikingjelly-example): cnn.nir, build/, x.npz, device.nird and report.html.

Needs scikit-learn and SpikingJelly: pip install 'nirdeploy[demo,frameworks]'.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import nn
from torch.nn.functional import cross_entropy

import nirdeploy as nd

STEPS = 6


def lif() -> nn.Module:
    node: nn.Module = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan())
    return node


class Net(nn.Module):
    """Images (T, B, 1, 8, 8) of spikes to spikes (T, B, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.lif1 = layer.Conv2d(1, 8, 3, padding=1, bias=False), layer.BatchNorm2d(8), lif()
        self.conv2, self.bn2, self.lif2 = layer.Conv2d(8, 16, 3, padding=1, bias=False), layer.BatchNorm2d(16), lif()
        self.pool = layer.MaxPool2d(2)
        self.flat, self.fc, self.out = layer.Flatten(), layer.Linear(64, 10), lif()
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.lif1(self.bn1(self.conv1(x))))
        x = self.pool(self.lif2(self.bn2(self.conv2(x))))
        spikes: torch.Tensor = self.out(self.fc(self.flat(x)))
        return spikes


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Digits as spikes (T, B, 1, 8, 8), and their labels: a pixel of brightness p spikes p x T times."""
    images, labels = load_digits(return_X_y=True)
    steps = np.arange(STEPS + 1).reshape(-1, 1, 1)
    spikes = np.diff(np.floor(steps * images / 16 + 0.5), axis=0)
    return torch.tensor(spikes, dtype=torch.float32).unflatten(2, (1, 8, 8)), torch.tensor(labels)


def train(net: nn.Module, x: torch.Tensor, labels: torch.Tensor, epochs: int = 4) -> None:
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(len(labels)).split(64):
            optimizer.zero_grad()
            loss = cross_entropy(net(x[:, batch]).sum(dim=0), labels[batch])
            loss.backward()
            optimizer.step()
            functional.reset_net(net)
        print(f"epoch {epoch} of {epochs}: loss {loss.item():.3f}", flush=True)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    x, labels = data()
    order = torch.randperm(len(labels))
    test, rest = order[:50], order[360:]
    net = Net()
    train(net, x[:, rest], labels[rest])
    net.eval()
    with torch.no_grad():
        home = net(x[:, test]).sum(dim=0).argmax(dim=1)
    functional.reset_net(net)

    folder.mkdir(parents=True, exist_ok=True)
    stimulus, expected_labels = x[:, test].numpy().astype(np.uint8), labels[test].numpy()
    np.savez(folder / "x.npz", x=stimulus, labels=expected_labels)
    graph = nd.export_to_nir(net, x[:, :1], save_path=folder / "cnn.nir")
    print(f"nodes of the graph: {', '.join(graph.nodes)}")
    built = nd.build(folder / "cnn.nir", target="fpga", out=folder / "build")
    expected = nd.simulate(built, stimulus)
    with nd.open_device("virtual", target="fpga") as board:
        nd.flash(built, board)
        measured = nd.run(board, stimulus)
    measured.save(folder / "device.nird")

    verdict = nd.verify(expected, measured)
    nd.report(verdict, folder / "report.html")
    print(verdict.summary())
    print(f"accuracy, SpikingJelly: {(home == labels[test]).float().mean().item():.3f}")
    print(f"accuracy, board: {nd.accuracy(measured, expected_labels):.3f}")
    print(f"open {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "spikingjelly-example"))
