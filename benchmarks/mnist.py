"""The 784-128-10 network that the other benchmarks run: trained on 8,000 MNIST digits, tested on 2,000.

    python benchmarks/mnist.py [--data mnist10k.npz] [--epochs 60]

A pixel spikes at most once, the earlier the brighter (time to first spike); the class is the output neuron
that spikes most often. Leaky neurons, tau = 16 steps, reset by subtraction, no biases: what Spiker+ has too.
Training takes a minute or two; the network is kept in nirdeploy's cache (NIRDEPLOY_CACHE) and used again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import nn
from torch.nn import functional

import nirdeploy as nd
from nirdeploy.errors import ModelFileError
from nirdeploy.exchange.modules import LIF
from nirdeploy.graph import file as nirfile
from nirdeploy.records import cache
from nirdeploy.sim import integer

STEPS = 4
DARK = 0.15  # pixels below do not spike
DT = 1e-4  # seconds per step
LEAK = 16  # steps
EPOCHS = 60
TRAINING = 8000
BATCH = 64
RATE = 6e-3  # Adam's, at its highest
DEFAULT_DATA = Path(os.environ.get("NIRDEPLOY_DATA", "../shared/data")) / "mnist10k.npz"


@dataclass(frozen=True)
class Digits:
    """Brightness float32 (B, 28, 28) in [0, 1] and labels int64 (B,), to train on and to test on."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor

    def stimulus(self) -> np.ndarray:
        """The test digits' spikes, uint8 (STEPS, B, 784)."""
        return encode(self.test_x).numpy().astype(np.uint8)


def load(path: Path) -> Digits:
    """``path``: an .npz of ``images`` uint8 (10000, 28, 28) and ``labels``; the last 2,000 are the test split."""
    try:
        with np.load(path) as kept:
            images = torch.as_tensor(kept["images"] / np.float32(255))
            labels = torch.as_tensor(kept["labels"].astype(np.int64))
    except (OSError, KeyError, ValueError) as error:
        raise ModelFileError(
            f"the MNIST digits cannot be read ({error})", where=str(path), hint="name the file with --data"
        ) from error
    return Digits(images[:TRAINING], labels[:TRAINING], images[TRAINING:], labels[TRAINING:])


def encode(brightness: torch.Tensor) -> torch.Tensor:
    """(B, 28, 28) to spikes, float32 (STEPS, B, 784)."""
    flat = brightness.reshape(len(brightness), -1)
    when = torch.floor((1 - flat) * STEPS).clamp(max=STEPS - 1)
    when[flat <= DARK] = -1
    return torch.stack([(when == step).float() for step in range(STEPS)])


def distorted(images: torch.Tensor) -> torch.Tensor:
    """Each turned by up to 15 degrees, scaled by 12 %, sheared by 0.15 and shifted by 2.2 pixels, at random."""
    count = len(images)

    def up_to(most: float) -> torch.Tensor:
        return (2 * torch.rand(count) - 1) * most

    angle, scale, shear = up_to(np.pi / 12), 1 + up_to(0.12), up_to(0.15)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    shift = 2.2 / (28 / 2)
    rows = [torch.stack([cosine, shear - sine, up_to(shift)], 1), torch.stack([sine, cosine, up_to(shift)], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), [count, 1, 28, 28], align_corners=False)
    return functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0].clamp(0, 1)


def network() -> nn.Sequential:
    """784 - 128 - 10 LIF neurons; input (T, B, 784), output spikes (T, B, 10)."""

    def neurons() -> LIF:
        return LIF(tau=LEAK * DT, r=float(LEAK), dialect="nir,reset=subtract", dt=DT)

    return nn.Sequential(nn.Linear(784, 128, bias=False), neurons(), nn.Linear(128, 10, bias=False), neurons())


def train(digits: Digits, epochs: int, progress: Callable[[int], None]) -> nn.Sequential:
    """By surrogate gradient (Adam, one cycle, cross-entropy on spike counts). ``progress``: epochs done."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # tensors this small are slower on several
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    batches = -(-len(digits.train_y) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * batches)
    for epoch in range(epochs):
        images = distorted(digits.train_x)
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            counts = net(encode(images[batch])).sum(dim=0)
            functional.cross_entropy(counts * (6 / STEPS), digits.train_y[batch]).backward()
            optimizer.step()
            schedule.step()
        progress(epoch + 1)
    return net


def trained(digits: Digits, epochs: int = EPOCHS) -> Path:
    """The trained network as a .nir file, from the cache or made now."""
    name = f"mnist-784-128-10-{STEPS}-steps-{epochs}-epochs"
    return kept(name, epochs, lambda progress: train(digits, epochs, progress), encode(digits.test_x[:1]))


def kept(name: str, epochs: int, make: Callable[[Callable[[int], None]], nn.Module], example: torch.Tensor) -> Path:
    """A network as a .nir file in the cache, where it is not there trained by ``make`` (which says epochs done)."""
    path = cache.folder() / "benchmarks" / f"{name}.nir"
    if path.exists():
        return path
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"training {name}", total=epochs)
        net = make(lambda done: bar.update(task, completed=done))
    path.parent.mkdir(parents=True, exist_ok=True)
    nirfile.write(path, nd.export_to_nir(net, example))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    digits = load(options.data)
    path = trained(digits, options.epochs)
    x, labels = digits.stimulus(), digits.test_y.numpy()
    built = nd.build(path, "fpga", stop="quantize")
    exact = nd.simulate(path, x)
    record = integer.simulate(built.network, x)
    table = Table(title=f"784-128-10 LIF, {STEPS} steps, {len(labels):,} test digits")
    for column in ("", "accuracy", "input spikes per image", "hidden", "output"):
        table.add_column(column, justify="left" if not column else "right")
    for name, found in (("float", exact), (f"{built.network.formats.weight_bits}-bit weights", record)):
        counts = [f"{found.spikes[p.name].sum() / len(labels):.1f}" for p in built.network.populations]
        table.add_row(name, f"{100 * nd.accuracy(found, labels):.2f} %", f"{x.sum() / len(labels):.1f}", *counts)
    console = Console()
    console.print(table)
    console.print(str(path), soft_wrap=True)


if __name__ == "__main__":
    main()
