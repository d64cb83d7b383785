"""A trained network on the chip of this folder: built, simulated, compiled, run, compared.

    pip install ./examples/own_chip
    python examples/own_chip/walk.py [FOLDER]

It takes about twenty seconds. It prints the accuracy and whether what the compiled C program spikes is what nirdeploy
said; it writes into FOLDER (own-chip-example): digits.nir, build/, x.npy, sim.nird and the program.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

import nirdeploy as nd
from nirdeploy.exchange import LIF

HERE = Path(__file__).parent
STEPS, DT, TAU = 8, 1e-3, 8e-3


def trained(x: np.ndarray, labels: np.ndarray) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(64, 48), LIF(tau=TAU, r=TAU / DT, dt=DT), nn.Linear(48, 10), LIF(tau=TAU, r=TAU / DT, dt=DT)
    )
    inputs, targets = torch.tensor(x, dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(1, 11):
        for batch in torch.randperm(len(targets)).split(64):
            optimizer.zero_grad()
            loss = cross_entropy(net(inputs[:, batch]).sum(dim=0), targets[batch])
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"epoch {epoch} of 10: loss {loss.item():.3f}", flush=True)
    return net


def on_the_chip(program: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """What the C program gives for spikes (T, B, inputs): of each population, spikes (T, B, neurons)."""
    samples = ["\n".join("".join(map(str, step)) for step in x[:, sample]) for sample in range(x.shape[1])]
    said = subprocess.run([program], input="\n\n".join(samples) + "\n", capture_output=True, text=True, check=True)
    lines = [line.split() for line in said.stdout.splitlines()]
    found = {}
    for name in dict.fromkeys(name for name, _ in lines):
        spikes = np.array([[int(c) for c in bits] for one, bits in lines if one == name], dtype=np.uint8)
        found[name] = spikes.reshape(x.shape[1], x.shape[0], -1).swapaxes(0, 1)
    return found


def main(folder: Path) -> None:
    images, labels = load_digits(return_X_y=True)
    x = np.diff(np.floor(np.arange(STEPS + 1).reshape(-1, 1, 1) * images / 16 + 0.5), axis=0).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(labels))
    test, rest = order[:100], order[360:]
    net = trained(x[:, rest], labels[rest])

    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "x.npy", x[:, test])
    nd.export_to_nir(net, torch.zeros(STEPS, 1, 64), save_path=folder / "digits.nir", dt=DT)
    built = nd.build(folder / "digits.nir", target=str(HERE / "mcu.toml"), out=folder / "build")
    expected = nd.simulate(built, x[:, test])  # what "nirdeploy run build x.npy -p sim" writes
    expected.save(folder / "sim.nird")

    program, hardware = folder / "program", folder / "build" / "hardware"
    subprocess.run(["cc", "-std=c99", "-O2", "-o", program, hardware / "main.c"], check=True)
    measured = on_the_chip(program.resolve(), x[:, test])
    for name, spikes in measured.items():
        differ = int((spikes != expected[name]).sum())
        print(f"{name}: {spikes.size:,} cells, {int(spikes.sum()):,} spikes, {differ} differ")
    print(f"accuracy, integers: {nd.accuracy(expected, labels[test]):.3f}")
    sys.exit(any((spikes != expected[name]).any() for name, spikes in measured.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "own-chip-example"))
