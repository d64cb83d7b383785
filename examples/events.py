"""Events of a moving bar, streamed: a network that sees them step by step, as they come, and keeps its state.

    python examples/events.py [FOLDER]

You learn to bin events into steps, to train on them, and to stream an endless recording through a device: a step goes
in, its spikes come out, and nothing is at rest in between. It takes about half a minute. It prints what the network
sees as the bars go by, its accuracy, the latency of a step, and whether the board did what the integers do in every
step; it writes into FOLDER (events-example): events.nir, build/, events.npy (a recording), x.npz (its steps) and
device.nird. From the command line, the recording goes into every command that takes a stimulus, and into a stream:

    nirdeploy run events-example/build events-example/events.npy --bin 5ms --binary -o run.nird
    nirdeploy stream events-example/build -x events-example/events.npy --bin 5ms --binary

Needs nothing beside nirdeploy and the virtual board: pip install 'nirdeploy[fpga]'.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import nirdeploy as nd
from nirdeploy.exchange import LIF

SIDE = 10  # pixels
BIN = 5_000  # microseconds of a step
BAR = 16  # steps in which a bar crosses the sensor
PAUSE = 8  # steps between two bars
DT = BIN * 1e-6
TAU = 20e-3
DIRECTIONS = ("right", "left", "down", "up")
#: As event cameras give them: microseconds, pixel, polarity (1: brighter).
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")])


def bar(direction: int, rng: np.random.Generator) -> np.ndarray:
    """The events of one bar: brighter where it comes, darker where it leaves, with jitter, holes and noise."""
    begins, speed, width = rng.uniform(0, 10_000), rng.uniform(0.16, 0.22), rng.uniform(1.5, 2.5)  # pixels per ms
    along, across = np.mgrid[0:SIDE, 0:SIDE].reshape(2, -1)
    x, y = (along, across) if direction < 2 else (across, along)
    place = along if direction % 2 == 0 else SIDE - 1 - along  # of each pixel, as the bar goes
    parts = []
    for polarity, edge in ((1, 0.0), (0, width)):
        t = begins + 1000 * (place + edge) / speed + rng.normal(0, 1000, SIDE * SIDE)
        parts.append(_events(t, x, y, np.full(SIDE * SIDE, polarity))[rng.random(SIDE * SIDE) < 0.9])
    noise = rng.integers(SIDE, size=(2, 12))
    parts.append(_events(rng.uniform(0, BAR * BIN, 12), noise[0], noise[1], rng.integers(2, size=12)))
    events = np.sort(np.concatenate(parts), order="t")
    return events[(events["t"] >= 0) & (events["t"] < BAR * BIN)]


def _events(t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    made = np.zeros(len(t), EVENT)
    made["t"], made["x"], made["y"], made["p"] = t, x, y, p
    return made


def binned(events: np.ndarray, steps: int) -> np.ndarray:
    """Events as steps uint8 (T, 2, SIDE, SIDE): 1 where there was one in the bin, by polarity."""
    frames = np.zeros((steps, 2, SIDE, SIDE), dtype=np.uint8)
    frames[events["t"] // BIN, events["p"], events["y"], events["x"]] = 1
    return frames


def network() -> nn.Sequential:
    """Steps (T, B, 2, SIDE, SIDE) to spikes (T, B, 4)."""
    return nn.Sequential(
        nn.Flatten(2),
        nn.Linear(2 * SIDE * SIDE, 32),
        LIF(tau=TAU, r=TAU / DT, dt=DT),
        nn.Linear(32, len(DIRECTIONS)),
        LIF(tau=TAU, r=TAU / DT, dt=DT),
    )


def train(net: nn.Module, rng: np.random.Generator, epochs: int = 15) -> None:
    labels = rng.integers(4, size=400)
    x = torch.tensor(np.stack([binned(bar(label, rng), BAR) for label in labels], axis=1), dtype=torch.float32)
    y = torch.tensor(labels)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(1, epochs + 1):
        for batch in torch.randperm(len(y)).split(50):
            optimizer.zero_grad()
            loss = cross_entropy(net(x[:, batch]).sum(dim=0), y[batch])
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"epoch {epoch} of {epochs}: loss {loss.item():.3f}", flush=True)


def recording(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One bar after the other, with pauses."""
    parts = [bar(label, rng) for label in labels]
    for number, events in enumerate(parts):
        events["t"] += number * (BAR + PAUSE) * BIN
    return np.concatenate(parts)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = network()
    train(net, rng)
    labels = rng.integers(4, size=40)
    events = recording(labels, rng)
    frames = binned(events, len(labels) * (BAR + PAUSE))

    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "events.npy", events)
    np.savez(folder / "x.npz", x=frames[:, None])
    nd.export_to_nir(net, torch.zeros(BAR, 1, 2, SIDE, SIDE), save_path=folder / "events.nir", dt=DT)
    built = nd.build(folder / "events.nir", target="fpga", out=folder / "build")

    seen, counts = [], np.zeros(len(DIRECTIONS))
    with nd.open_device("virtual", target="fpga") as board:
        nd.flash(built, board)
        with board.stream(probe="all", keep=folder / "device.nird") as stream:
            for step in stream.over(frames):
                counts += step["output"]
                number, place = divmod(step.number, BAR + PAUSE)
                if place == BAR + PAUSE - 1:  # a bar and its pause are over
                    seen.append(int(counts.argmax()))
                    if number < 5:
                        print(f"bar {number}: {DIRECTIONS[labels[number]]}, seen {DIRECTIONS[seen[-1]]}")
                    counts[:] = 0
        print(f"latency of a step: {stream.stats['latency_median_ms']:.2f} ms (median), as many under way as may be")

    verdict = nd.verify(nd.simulate(built, frames[:, None]), nd.SpikeRecord.load(folder / "device.nird"))
    print(verdict.summary())
    print(f"accuracy, board: {float(np.mean(np.array(seen) == labels)):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "events-example"))
