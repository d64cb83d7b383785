"""Runs inside Rockpool's environment: ``random FOLDER SEEDS``, ``export FOLDER``, ``import JOBS`` or ``refused``."""

from __future__ import annotations

import json
import re
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from rockpool.nn.combinators import Residual, Sequential
from rockpool.nn.modules import (
    ExpSynTorch,
    LIFNeuronTorch,
    LIFTorch,
    LinearTorch,
    RateTorch,
    TimeStepDropout,
    TorchModule,
    from_nir,
    to_nir,
)
from rockpool.nn.modules.torch.lowpass import LowPass
from rockpool.nn.networks import SynNet

from tests.frameworks.witnesses.plumbing import (
    frontend,
    import_all,
    refusals,
    stimulus,
    table_network,
    weights,
    write_own,
)

warnings.filterwarnings("ignore")
DT = 1e-3
KINDS = ("LIFTorch", "recurrent", "LIFNeuronTorch", "decays", "bitshifts", "mixed", "residual", "SynNet", "own")
torch.set_default_dtype(torch.float64)  # the reference's; Rockpool makes float32 of many things all the same


class Spikes(torch.autograd.Function):
    """The rule of Rockpool's own spike functions, without their ``.float()``: given to every neuron, float64 stays."""

    @staticmethod
    def forward(ctx: Any, v: torch.Tensor, threshold: torch.Tensor, window: Any, most: torch.Tensor) -> torch.Tensor:
        return torch.clamp((v >= threshold) * torch.floor(v / threshold), max=float(most))


def linear(rng: np.random.Generator, inputs: int, outputs: int) -> LinearTorch:
    biased = bool(rng.integers(2))
    layer = LinearTorch((inputs, outputs), has_bias=biased)
    layer.weight = torch.nn.Parameter(torch.from_numpy(weights(rng, outputs, inputs).T.copy()))
    if biased:
        layer.bias = torch.nn.Parameter(torch.from_numpy(rng.normal(0.02, 0.05, outputs)))
    return layer


def neuron(rng: np.random.Generator, kind: str, size: int, dt: float) -> Any:
    options: dict[str, Any] = {"dt": dt, "spike_generation_fn": Spikes, "threshold": np.ones(size)}
    if rng.random() < 0.5:
        options["threshold"] = rng.uniform(0.3, 1.5, size)
    if rng.random() < 0.5:
        options["bias"] = rng.normal(0.0, 0.1, size)
    if rng.random() < 0.3:
        options["max_spikes_per_dt"] = int(rng.integers(1, 4))
    if kind == "LIFNeuronTorch":
        return LIFNeuronTorch(size, tau_mem=dt * rng.uniform(1, 30, size), **options)
    if kind == "decays":
        return LIFTorch(
            size,
            leak_mode="decays",
            alpha=rng.uniform(0.3, 0.99, size),
            beta=rng.uniform(0.3, 0.9, (size, 1)),
            **options,
        )
    if kind == "bitshifts":
        shifts = {"dash_mem": rng.integers(1, 6, size), "dash_syn": rng.integers(1, 5, (size, 1))}
        return LIFTorch(size, leak_mode="bitshifts", **shifts, **options)
    taus = {"tau_mem": dt * rng.uniform(1, 30, size), "tau_syn": dt * rng.uniform(0.5, 10, (size, 1))}
    if kind == "recurrent":
        # Mostly inhibition: without a limit of spikes, what excites itself spikes without end.
        inner = weights(rng, size, size, scale=0.3) - 0.3
        return LIFTorch(size, has_rec=True, w_rec=inner, **taus, **options)
    return LIFTorch(size, **taus, **options)


def network(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    kind, dt = KINDS[seed % len(KINDS)], float(rng.choice([1e-3, 1e-2, 3.3e-4]))
    sizes = [int(size) for size in rng.integers(3, 14, int(rng.integers(2, 4)) + 1)]
    if kind == "SynNet":
        return synnet(rng, sizes)
    if kind == "own":
        return Branches(rng, sizes[0], dt).double()
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        own = KINDS[int(rng.integers(5))] if kind == "mixed" else kind
        layers += [linear(rng, inputs, outputs), neuron(rng, own, outputs, dt)]
        if kind == "residual":
            inner = [
                linear(rng, outputs, outputs),
                TimeStepDropout(outputs, p=0.5),
                neuron(rng, "LIFTorch", outputs, dt),
            ]
            layers.append(Residual(*inner))
    if rng.random() < 0.3:
        layers += [linear(rng, sizes[-1], 4), ExpSynTorch(4, tau=dt * rng.uniform(1, 30, 4), dt=dt)]
    return Sequential(*layers).double()


def synnet(rng: np.random.Generator, sizes: list[int]) -> Any:
    """Rockpool's own, spikes with the rule that leaves them in float64."""
    return SynNet(
        n_channels=sizes[0],
        n_classes=sizes[-1],
        size_hidden_layers=sizes[1:-1],
        time_constants_per_layer=[2] * (len(sizes) - 2),
        p_dropout=float(rng.choice([0.0, 0.2])),
        neuron_kwargs={"spike_generation_fn": Spikes},
    ).double()


class Branches(TorchModule):
    """A network of a user's own: two branches, added; the second reads the input too."""

    def __init__(self, rng: np.random.Generator, size: int, dt: float) -> None:
        super().__init__(shape=(size, size))
        self.first, self.one = linear(rng, size, size), neuron(rng, "LIFTorch", size, dt)
        self.second, self.two = linear(rng, size, size), neuron(rng, "LIFNeuronTorch", size, dt)
        self.third, self.three = linear(rng, size, size), neuron(rng, "recurrent", size, dt)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, _, _ = self.one(self.first(x)[0])
        two, _, _ = self.two(self.second(one)[0] + self.first(x)[0])
        return self.three(self.third(one + two)[0])[0]


def run(net: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """Spikes of every spiking layer (T, B, N), by its node; the network's own run, watched."""
    found: dict[str, np.ndarray] = {}

    def watch(name: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            given = output[0] if isinstance(output, tuple) else output
            found[name] = given.detach().numpy().transpose(1, 0, 2)

        return hook

    for name, module in net.named_modules():
        if type(module) in (LIFTorch, LIFNeuronTorch):
            module.register_forward_hook(watch(_node_of(name)))
    net.eval()
    net(torch.from_numpy(x.transpose(1, 0, 2).copy()))
    return found


def _node_of(path: str) -> str:
    """The node of a module: Rockpool's Sequential calls its second one ``1_LIFTorch``, the graph ``_1``.

    What was given a name there, as SynNet's ``0_neurons``, keeps it.
    """
    parts = [re.sub(r"^(\d+)_[A-Z]\w*$", r"\1", part) for part in path.split(".")]
    return ("_" if parts[0][0].isdigit() else "") + "_".join(parts)


def random(folder: Path, seeds: int) -> None:
    export = frontend("rockpool").export
    for seed in range(seeds):
        net = network(seed)
        x = stimulus(np.random.default_rng(1000 + seed), (net.size_in,))
        nir.write(str(folder / f"{seed}.nir"), export(net, x[:1].transpose(1, 0, 2)))
        np.savez(folder / f"{seed}.npz", x=x, **dict[str, Any](run(net, x)))


def table() -> tuple[Any, np.ndarray]:
    layers, x = table_network()
    made: list[Any] = []
    for weight in layers:
        layer = LinearTorch(weight.shape[::-1], has_bias=False)
        layer.weight = torch.nn.Parameter(torch.from_numpy(weight.T.copy()))
        options = {"tau_mem": 0.01, "tau_syn": 0.002, "dt": DT, "threshold": np.full(len(weight), 2.0)}
        made += [layer, LIFTorch(len(weight), spike_generation_fn=Spikes, **options)]
    return Sequential(*made).double(), x


def export(folder: Path) -> None:
    net, x = table()
    nir.write(str(folder / "repaired.nir"), frontend("rockpool").export(net, x[:1].transpose(1, 0, 2)))
    np.savez(folder / "run.npz", out=run(table()[0], x)["_3"], dt=DT)
    write_own(folder, lambda: to_nir(table()[0], torch.zeros(1, 1, x.shape[-1])))


def importer(graph: nir.NIRGraph, x: np.ndarray, dt: float) -> np.ndarray:
    """It takes no dt: it derives one from r. And it makes float32 modules."""
    torch.set_default_dtype(torch.float32)
    out: Any = from_nir(graph)(torch.from_numpy(x.transpose(1, 0, 2).astype(np.float32)))
    while isinstance(out, tuple):
        out = out[0]
    return np.asarray(out.detach().numpy().transpose(1, 0, 2))


class Own(TorchModule):
    """Linear, LIF, Linear, recurrent LIF, by attributes."""

    def __init__(self) -> None:
        super().__init__(shape=(4, 3))
        self.fc1, self.lif1 = LinearTorch((4, 6)), LIFTorch(6, spike_generation_fn=Spikes)
        back = np.ones((3, 3))
        self.fc2 = LinearTorch((6, 3))
        self.rec = LIFTorch(3, has_rec=True, w_rec=back, spike_generation_fn=Spikes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rec(self.fc2(self.lif1(self.fc1(x)[0])[0])[0])[0]


def names() -> None:
    """The nodes of a Sequential, of a module of a user's own, and of one neuron, as JSON."""
    make, x = frontend("rockpool").export, np.zeros((1, 2, 4))

    def some(size: int) -> Any:
        return LIFTorch(size, spike_generation_fn=Spikes)

    row = Sequential(LinearTorch((4, 6)), some(6), LinearTorch((6, 3)), some(3))
    sys.stdout.write(json.dumps([list(make(net, x).nodes) for net in (row.double(), Own().double(), some(4).double())]))


def refused() -> None:
    make, x = frontend("rockpool").export, np.zeros((1, 1, 4))
    refusals(
        {
            "noisy": lambda: make(LIFTorch(4, noise_std=0.1), x),
            "half": lambda: make(LIFTorch(4, max_spikes_per_dt=1.5), x),
            "times": lambda: make(Sequential(LIFTorch(4, dt=1e-3), LIFTorch(4, dt=1e-2)), x),
            "time": lambda: make(LIFTorch(4, dt=1e-3), x, 1e-4),
            "lowpass": lambda: make(Sequential(LinearTorch((4, 4)), LowPass(4, dt=1e-3, tau_mem=0.1)), x),
            "synapses": lambda: make(LIFTorch((4, 2)), x),
            "rate": lambda: make(RateTorch(4), x),
        }
    )


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "random":
        random(Path(rest[0]), int(rest[1]))
    elif command == "export":
        export(Path(rest[0]))
    elif command == "import":
        import_all(Path(rest[0]), importer)
    elif command == "names":
        names()
    else:
        refused()
