"""Random networks of any framework, run at home and held to nirdeploy's float reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from nirdeploy.exchange.frontends import export_from
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.sim import float_

BATCH = 2

#: Makes a neuron layer for so many neurons.
Maker = Callable[[tuple[int, ...]], nn.Module]


@dataclass
class Ledger:
    """How much was compared."""

    networks: int = 0
    spiking: int = 0
    compared: int = 0
    spikes: int = 0

    def add(self, home: dict[str, np.ndarray]) -> None:
        spikes = sum(int(values.sum()) for values in home.values())
        self.networks += 1
        self.spiking += spikes > 0
        self.compared += sum(values.size for values in home.values())
        self.spikes += spikes

    def close(self) -> None:
        assert self.spiking >= 0.8 * self.networks, "networks that do not spike prove nothing"


def uniform(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...] = ()) -> torch.Tensor:
    """One value, or now and then one per neuron, in float64."""
    return torch.tensor(rng.uniform(low, high, shape if rng.random() < 0.5 else ()))


def weighted(layer: Any, rng: np.random.Generator, drive: float = 1.0) -> nn.Module:
    """A layer in float64 with random weights that make the next one spike."""
    layer = layer.double()
    fan_in = layer.weight[0].numel()
    with torch.no_grad():
        shape = tuple(layer.weight.shape)
        layer.weight.copy_(torch.tensor(drive * (rng.normal(0, 1, shape) + 0.4) * 1.5 / np.sqrt(fan_in)))
        if layer.bias is not None:
            layer.bias.copy_(torch.tensor(drive * rng.normal(0.02, 0.1, shape[:1])))
    return layer


def dense(rng: np.random.Generator, make: Maker, *, drive: float = 1.0) -> tuple[list[nn.Module], tuple[int, ...]]:
    """One to three linear layers, each with neurons behind it; and the shape of their input."""
    sizes = [int(n) for n in rng.integers(2, 10, int(rng.integers(2, 5)))]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers.append(weighted(nn.Linear(before, after, bias=bool(rng.random() < 0.6)), rng, drive))
        layers.append(make((after,)))
    return layers, (sizes[0],)


def convolutional(
    rng: np.random.Generator, make: Maker, pool: Callable[[], nn.Module], *, drive: float = 1.0
) -> tuple[list[nn.Module], tuple[int, ...]]:
    """A convolution, neurons, a pool, and a linear layer with neurons; and the shape of their input."""
    channels, kernels = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    side, kernel, stride, padding = (int(rng.integers(*ends)) for ends in ((6, 9), (2, 4), (1, 3), (0, 2)))
    bias, after = bool(rng.random() < 0.6), int(rng.integers(2, 6))
    conv = nn.Conv2d(channels, kernels, kernel, stride=stride, padding=padding, bias=bias)
    out = (side + 2 * padding - kernel) // stride + 1
    pooled = out // 2
    layers = [
        weighted(conv, rng, drive),
        make((kernels, out, out)),
        pool(),
        nn.Flatten(),
        weighted(nn.Linear(kernels * pooled**2, after), rng, 1.5 * drive),
        make((after,)),
    ]
    return layers, (channels, side, side)


def stimulus(rng: np.random.Generator, steps: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Spikes (T, B, *shape), float64."""
    return torch.tensor((rng.random((steps, BATCH, *shape)) < 0.35).astype(np.float64))


def in_eighths(layers: list[nn.Module]) -> list[nn.Module]:
    """The layers with weights and biases that are multiples of 1/8."""
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                for values in layer.parameters():
                    values.copy_((8 * values).round() / 8)
    return layers


def in_float64(net: nn.Module) -> nn.Module:
    """The net in float64; layers take spikes that a framework gives in float32."""
    net.double()
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool2d, nn.LPPool2d)):
            module.register_forward_pre_hook(lambda module, args: (args[0].double(),))
    return net


def at_home(
    neurons: dict[str, nn.Module], x: torch.Tensor, step: Callable[[torch.Tensor], Any]
) -> dict[str, np.ndarray]:
    """What each neuron layer gives, (T, B, size), while ``step`` takes the net through ``x``."""
    given: dict[str, list[np.ndarray]] = {name: [] for name in neurons}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            out = output[0] if isinstance(output, tuple) else output
            given[name].append(out.detach().double().numpy().copy())

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in neurons.items()]
    with torch.no_grad():
        for frame in x:
            step(frame)
    for hook in hooks:
        hook.remove()
    return {name: np.stack(outputs).reshape(len(outputs), BATCH, -1) for name, outputs in given.items()}


def assert_home(
    graph: nir.NIRGraph,
    x: torch.Tensor,
    home: dict[str, np.ndarray],
    *,
    dialect: str | None = None,
    folder: Path | None = None,
) -> None:
    """The graph (by way of a file in ``folder``, if given) spikes as home did; a read-out agrees to 1e-9."""
    source: Any = graph
    if folder is not None:
        source = folder / "net.nir"
        nirfile.write(source, graph)
    record = float_.simulate(check(source, dialect=dialect), x.numpy())
    for name, expected in home.items():
        if name in record.spikes:
            differing = int((record.spikes[name].reshape(expected.shape) != expected).sum())
            assert differing == 0, f"{name}: {differing} of {expected.size} spikes differ from home"
        else:
            np.testing.assert_allclose(record.membrane[name].reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)


def export_and_compare(
    framework: str,
    net: nn.Module,
    neurons: dict[str, nn.Module],
    x: torch.Tensor,
    step: Callable[[torch.Tensor], Any],
    ledger: Ledger,
    **options: Any,
) -> nir.NIRGraph:
    """Run at home, export, and compare; the example is the first step's frame of ``x``."""
    home = at_home(neurons, x, step)
    example = options.pop("example", x[0])
    graph = export_from(framework, net, example, dt=options.pop("dt", None))
    assert_home(graph, x, home, **options)
    ledger.add(home)
    return graph


def in_our_names(edges: Iterable[tuple[str, str]], **also: str) -> set[tuple[str, str]]:
    """Edges of a Sequential that a framework exported itself, as the frontends name nodes."""
    ours = {"input": "input_1", "output": "output", **also}
    return {(ours.get(a, f"_{a}"), ours.get(b, f"_{b}")) for a, b in edges}


def numbered(layers: Sequence[nn.Module], is_neuron: Callable[[nn.Module], bool]) -> dict[str, nn.Module]:
    """The neuron layers of a Sequential by the names of their nodes."""
    return {f"_{index}": layer for index, layer in enumerate(layers) if is_neuron(layer)}
