"""What few bits cost: two networks on MNIST in float, rounded, calibrated and trained on the device's integers.

    python benchmarks/accuracy.py [--data mnist10k.npz] [--network cnn] [--images 2000] [--json]

For each way: the accuracy on 2,000 digits that nothing was trained or calibrated on, of the integer simulator and of
the virtual board, the points that are lost against float, and the cells (neurons x steps x samples) in which board and
simulator differ. Calibrated on 512 of the training digits. Trained: from the float network on, 4 epochs (784-128-10:
20) on shifted and turned copies of the training digits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional

import nirdeploy as nd
from benchmarks import mnist, mnist_cnn
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.pipeline import Build

CALIBRATED_ON = 512
BATCH = 64


@dataclass(frozen=True)
class Task:
    """A trained network: its graph, and what of digits (brightness, (B, 28, 28)) goes into it."""

    name: str
    graph: CheckedGraph
    encode: Callable[[torch.Tensor], torch.Tensor]
    sharpness: float  # of the softmax over scores
    epochs: int  # of training on integers
    rate: float  # Adam's, at its highest
    inputs: dict[str, Any]  # what its inputs hold, where that is more than spikes


@dataclass(frozen=True)
class Row:
    """``device`` and ``differ`` are None where no image was run on the board."""

    network: str
    way: str
    weight_bytes: int
    float_accuracy: float
    integer_accuracy: float
    device_accuracy: float | None
    points_lost: float
    images: int
    cells: int
    differ: int | None


def tasks(digits: mnist.Digits) -> dict[str, Callable[[], Task]]:
    held: dict[str, Any] = {"input_bits": mnist_cnn.INPUT_BITS, "input_scale": 1 / mnist_cnn.LEVELS}
    return {
        "cnn": lambda: Task(
            "12C5-MP2-32C5-MP2-10",
            check(mnist_cnn.trained(digits), **held),
            mnist_cnn.held,
            1 / mnist_cnn.STEPS,
            epochs=4,
            rate=1e-3,
            inputs=held,
        ),
        "mlp": lambda: Task(
            "784-128-10", check(mnist.trained(digits)), mnist.encode, 6 / mnist.STEPS, epochs=20, rate=3e-3, inputs={}
        ),
    }


def ways(task: Task, digits: mnist.Digits) -> Iterator[tuple[str, Callable[[], Build]]]:
    """Every way from the float network to integers."""
    seen: dict[str, Any] = {
        "calibrate": task.encode(digits.train_x[:CALIBRATED_ON]).numpy(),
        "labels": digits.train_y[:CALIBRATED_ON].numpy(),
    }
    for bits in (8, 4, 2):
        yield f"{bits} bits, to nearest", partial(nd.build, task.graph, bits=bits)
        yield f"{bits} bits, calibrated", partial(nd.build, task.graph, bits=bits, **seen)
    for bits in (4, 2):
        yield f"{bits} bits, trained", partial(_of_trained, task, digits, bits)
    yield "auto:60%, calibrated", partial(nd.build, task.graph, bits="auto:60%", **seen)


def _of_trained(task: Task, digits: mnist.Digits, bits: int) -> Build:
    return nd.build(trained(task, digits, bits), **task.inputs)


def trained(task: Task, digits: mnist.Digits, bits: int) -> Path:
    """As a .nir file, the way a user would export it; from the cache or made now."""
    name = f"mnist-{task.graph.digest()[:12]}-{bits}-bits-{task.epochs}-epochs-{task.rate:g}"

    def make(progress: Callable[[int], None]) -> nn.Module:
        return on_integers(task, digits, bits, progress)

    return mnist.kept(name, task.epochs, make, task.encode(digits.test_x[:1]))


def on_integers(task: Task, digits: mnist.Digits, bits: int, progress: Callable[[int], None]) -> nn.Module:
    """By straight-through gradients (Adam, a cosine's fall), cross-entropy on the scores. ``progress``: epochs done."""
    torch.manual_seed(0)
    net = nd.quantize_aware(task.graph, bits=bits)
    optimizer = torch.optim.Adam(net.parameters(), lr=task.rate)
    batches = -(-len(digits.train_y) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, task.epochs * batches)
    for epoch in range(task.epochs):
        images = mnist.distorted(digits.train_x)
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            scores = net(task.encode(images[batch])).sum(dim=0) * task.sharpness
            functional.cross_entropy(scores, digits.train_y[batch]).backward()
            optimizer.step()
            schedule.step()
        progress(epoch + 1)
    return net


def measured(task: Task, way: str, built: Build, digits: mnist.Digits, images: int, exact: float) -> Row:
    labels, x = digits.test_y.numpy(), task.encode(digits.test_x).numpy()
    expected = nd.simulate(built, x)
    found = nd.accuracy(expected, labels)
    device, cells, differ = None, 0, None
    if images:
        with nd.open_device("virtual", built.target) as board:
            nd.flash(built, board)
            got = nd.run(board, x[:, :images], image=built.image)
        device = nd.accuracy(got, labels[:images])
        verdict = nd.verify(nd.simulate(built, x[:, :images]), got)
        cells = sum(p.cells for p in verdict.populations)
        differ = sum(p.mismatches for p in verdict.populations)
    memory, lost = built.network.weight_memory, 100 * (exact - found)
    return Row(task.name, way, memory, exact, found, device, round(lost, 3), images, cells, differ)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=mnist.DEFAULT_DATA, help="mnist10k.npz (default: %(default)s)")
    parser.add_argument("--network", choices=("cnn", "mlp"), action="append", help="one of them; may be repeated")
    parser.add_argument("--way", action="append", help='one of them ("4 bits, calibrated"); may be repeated')
    parser.add_argument("--images", type=int, default=2000, help="how many are run on the virtual board")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args()
    digits = mnist.load(options.data)
    console, rows = Console(stderr=options.json), []
    for name in options.network or ["cnn", "mlp"]:
        task = tasks(digits)[name]()
        x = task.encode(digits.test_x).numpy()
        exact = nd.accuracy(nd.simulate(task.graph, x, "outputs"), digits.test_y.numpy())
        console.print(f"{task.name}: float {100 * exact:.2f} %")
        for way, build in ways(task, digits):
            if options.way and way not in options.way:
                continue
            rows.append(measured(task, way, build(), digits, min(options.images, len(digits.test_y)), exact))
            console.print(f"  {way}: {100 * rows[-1].integer_accuracy:.2f} %, {rows[-1].differ} cells differ")
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
        return
    table = Table(title="accuracy on 2,000 MNIST digits, %")
    for column in ("network", "way", "weights, bytes", "float", "integer", "device", "lost", "cells", "differ"):
        table.add_column(column, justify="left" if column in ("network", "way") else "right")
    for row in rows:
        device = "" if row.device_accuracy is None else f"{100 * row.device_accuracy:.2f}"
        figures = (f"{100 * row.float_accuracy:.2f}", f"{100 * row.integer_accuracy:.2f}", device)
        table.add_row(
            *(row.network, row.way, f"{row.weight_bytes:,}", *figures),
            *(f"{row.points_lost:.2f}", f"{row.cells:,}", "" if row.differ is None else str(row.differ)),
        )
    console.print(table)


if __name__ == "__main__":
    main()
