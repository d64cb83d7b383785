"""Braille letters read by touch: the recurrent network of the NIR paper's kind, 12 - 38 - 7, of current-based LIF.

    python examples/braille.py [FOLDER]

You learn how a recurrent network is written (a neuron whose spikes come back through a layer), trained with surrogate
gradients, and run on a device: the neurons keep a current and a membrane, and the spikes of a step come back in the
next. It takes about a minute. It prints the accuracy of the float network and of the board, and whether board and
integers agree in every spike; it writes into FOLDER (braille-example): braille.nir, build/, x.npz, device.nird and
report.html.

The data are made here: a fingertip with 12 sensors (4 x 3) slides over one of 7 letters (blank, A, E, I, O, U, Y), at a
speed and a height of its own, and each sensor spikes when a dot comes under it or leaves it. The task and the sizes are
those of the NIR paper (Pedersen et al. 2024, https://doi.org/10.1038/s41467-024-52259-9), its data are not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import nirdeploy as nd
from nirdeploy.exchange import CubaLIF, Recurrent

STEPS = 40
DT = 1e-3  # seconds per step
#: Dots of each letter, (row, column) of the Braille cell of 3 x 2.
LETTERS = {
    "blank": [],
    "A": [(0, 0)],
    "E": [(0, 0), (1, 1)],
    "I": [(0, 1), (1, 0)],
    "O": [(0, 0), (1, 1), (2, 0)],
    "U": [(0, 0), (2, 0), (2, 1)],
    "Y": [(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)],
}


def neurons() -> CubaLIF:
    return CubaLIF(tau_syn=5e-3, tau_mem=10e-3, r=10.0, w_in=5.0, dt=DT)


class Net(nn.Module):
    """Spikes (T, B, 12) of the sensors to spikes (T, B, 7), one neuron per letter."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(12, 38)
        feedback = nn.Linear(38, 38, bias=False)
        self.lif1 = Recurrent(neurons(), feedback)
        self.fc2 = nn.Linear(38, 7)
        self.lif2 = neurons()
        with torch.no_grad():  # spikes are few: hardly a neuron would spike at first; and feedback begins weak
            self.fc1.weight.mul_(2)
            self.fc2.weight.mul_(2)
            feedback.weight.mul_(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes: torch.Tensor = self.lif2(self.fc2(self.lif1(self.fc1(x))))
        return spikes


def data(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes uint8 (T, B, 12) and letters (B,): one where a dot comes under a sensor or leaves it, and some noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(LETTERS), size=samples)
    x = np.zeros((STEPS, samples, 4, 3), dtype=np.uint8)
    rows, columns = np.mgrid[0:4, 0:3]
    for sample, label in enumerate(labels):
        speed, height = rng.uniform(0.25, 0.35), rng.uniform(-0.2, 0.2)
        before = np.zeros((4, 3), dtype=bool)
        for step in range(STEPS):
            place = speed * step - 3.0  # of the fingertip, in units of the sensors' distance
            under = np.zeros((4, 3), dtype=bool)
            for row, column in list(LETTERS.values())[label]:
                far = np.hypot(rows - 1.3 * row - 0.4 - height, columns + place - 2.0 * column)
                under |= far < 0.75
            x[step, sample] = (under != before) | (rng.random((4, 3)) < 0.01)
            before = under
    return x.reshape(STEPS, samples, 12), labels


def train(net: nn.Module, x: np.ndarray, labels: np.ndarray, epochs: int = 24) -> None:
    """Adam on the cross-entropy of the spike counts, through time; CubaLIF has a surrogate gradient."""
    inputs, targets = torch.tensor(x, dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(len(targets)).split(100):
            optimizer.zero_grad()
            loss = cross_entropy(net(inputs[:, batch]).sum(dim=0) / 4, targets[batch])
            loss.backward()
            optimizer.step()
        schedule.step()
        if epoch % 4 == 0:
            print(f"epoch {epoch} of {epochs}: loss {loss.item():.3f}", flush=True)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    net = Net()
    train(net, *data(500, seed=1))
    x, labels = data(70, seed=2)

    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "x.npz", x=x, labels=labels)
    graph = nd.export_to_nir(net, torch.zeros(STEPS, 1, 12), save_path=folder / "braille.nir", dt=DT)
    print(f"nodes of the graph: {', '.join(graph.nodes)}")
    reference = nd.simulate(folder / "braille.nir", x)
    built = nd.build(folder / "braille.nir", target="fpga", out=folder / "build")
    expected = nd.simulate(built, x)
    with nd.open_device("virtual", target="fpga") as board:
        nd.flash(built, board)
        measured = nd.run(board, x)
    measured.save(folder / "device.nird")

    verdict = nd.verify(expected, measured)
    nd.report(verdict, folder / "report.html")
    print(verdict.summary())
    for name, record in {"float": reference, "board": measured}.items():
        print(f"accuracy, {name}: {nd.accuracy(record, labels):.3f}")
    print(f"open {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "braille-example"))
