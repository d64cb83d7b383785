"""Handwritten digits: from an untrained PyTorch network to spikes on the virtual board, with the Python API.

    python examples/digits.py [FOLDER]

You learn the whole walk: train, export, build, simulate, flash, run, verify. It takes about half a minute (the very
first use of the virtual board compiles it, which takes half a minute more). It prints the accuracy of the float
network, of the integers and of the board, and whether board and integers agree in every spike; it writes into FOLDER
(digits-example): digits.nir, build/, x.npz, device.nird and report.html.

The same from the command line, with the untrained network:

    nirdeploy export examples/digits.py:network --input-shape 16,1,64 -o digits.nir
    nirdeploy build digits.nir -o build
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

import nirdeploy as nd
from nirdeploy.exchange import LIF

STEPS = 16
DT = 1e-3  # seconds per step
TAU = 8e-3


def network() -> nn.Sequential:
    """64 - 96 - 10 LIF neurons; input (T, B, 64), output spikes (T, B, 10)."""
    return nn.Sequential(
        nn.Linear(64, 96),
        LIF(tau=TAU, r=TAU / DT, dt=DT),
        nn.Linear(96, 10),
        LIF(tau=TAU, r=TAU / DT, dt=DT),
    )


def data() -> tuple[np.ndarray, np.ndarray]:
    """1,797 images of 8 x 8 as spikes uint8 (T, B, 64), and labels: a pixel of brightness p spikes p x T times."""
    images, labels = load_digits(return_X_y=True)
    steps = np.arange(STEPS + 1).reshape(-1, 1, 1)
    return np.diff(np.floor(steps * images / 16 + 0.5), axis=0).astype(np.uint8), labels


def train(net: nn.Module, x: np.ndarray, labels: np.ndarray, epochs: int = 20) -> None:
    """Adam on the cross-entropy of the spike counts; LIF has a surrogate gradient."""
    inputs, targets = torch.tensor(x, dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(len(targets)).split(64):
            optimizer.zero_grad()
            loss = functional.cross_entropy(net(inputs[:, batch]).sum(dim=0), targets[batch])
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"epoch {epoch} of {epochs}: loss {loss.item():.3f}", flush=True)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    x, labels = data()
    order = np.random.default_rng(0).permutation(len(labels))
    test = order[:100]
    net = network()
    train(net, x[:, order[360:]], labels[order[360:]])

    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "x.npz", x=x[:, test], labels=labels[test])
    nd.export_to_nir(net, torch.zeros(STEPS, 1, 64), save_path=folder / "digits.nir", dt=DT)
    reference = nd.simulate(folder / "digits.nir", x[:, test])
    built = nd.build(folder / "digits.nir", target="fpga", out=folder / "build")
    expected = nd.simulate(built, x[:, test])
    with nd.open_device("virtual", target="fpga") as board:
        nd.flash(built, board)
        measured = nd.run(board, x[:, test])
    measured.save(folder / "device.nird")

    verdict = nd.verify(expected, measured)
    nd.report(verdict, folder / "report.html")
    print(verdict.summary())
    for name, record in {"float": reference, "integers": expected, "board": measured}.items():
        print(f"accuracy, {name}: {nd.accuracy(record, labels[test]):.3f}")
    print(f"open {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "digits-example"))
