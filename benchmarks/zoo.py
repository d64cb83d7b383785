"""Networks that people train, exported and held to their own framework's run, spike for spike.

    python benchmarks/zoo.py --json [--network NAME] [--width small|full]

Each network of ``zoo_networks.py`` gets random weights in float64, with batch statistics and scales set layer by layer
so that 5 to 30 % of its neurons fire, runs at home in eval mode for four steps, is exported, and runs again as a NIR
graph. ``cells`` are the outputs of all neurons in all steps and samples, ``differ`` those that are not the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch
from torch import nn

import nirdeploy as nd
from benchmarks.zoo_networks import NETWORKS, Entry
from nirdeploy.errors import NirdeployError

STEPS, BATCH = 4, 1
FIRE = (0.05, 0.30)  # share of neurons that fire in these steps, of a sample's
LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def measure(entry: Entry, *, small: bool, seed: int = 0) -> dict[str, Any]:
    """One network: exported or not, how many neurons fire, and how many cells differ."""
    net, x, home, fired = lively(entry, small=small, seed=seed)
    began = time.perf_counter()
    try:
        graph = nd.export_from(entry.framework, net, _frames(entry, x)[0])
    except NirdeployError as error:
        return {"exported": False, "error": str(error)[:600]}
    seconds = time.perf_counter() - began
    record = nd.simulate(graph, x.numpy())
    cells = differ = 0
    for name, expected in home.items():
        node = _node_of(name)
        if node in record.spikes:
            differ += int((record.spikes[node].reshape(expected.shape) != expected).sum())
        else:
            found = record.membrane[node].reshape(expected.shape)
            differ += int((~np.isclose(found, expected, rtol=1e-9, atol=1e-9)).sum())
        cells += expected.size
    return {
        "exported": True,
        "cells": cells,
        "differ": differ,
        "fire": round(fired, 3),
        "export_seconds": round(seconds, 1),
    }


def lively(
    entry: Entry, *, small: bool, seed: int, steps: int = STEPS, batch: int = BATCH
) -> tuple[nn.Module, torch.Tensor, dict[str, np.ndarray], float]:
    """A network of which 5 to 30 % of the neurons fire, its stimulus, its own run, and that share."""
    shape = entry.shape(small)
    x = torch.from_numpy((np.random.default_rng(seed).random((steps, batch, *shape)) < 0.3) * 1.0)
    if entry.steps == "held":
        x = x[:1].expand_as(x).contiguous()
    low, high, drive = 0.0, 0.0, 1.0
    for _ in range(12):
        torch.manual_seed(seed)
        net = entry.build(small).double().eval()
        _in_float64(net)
        neurons = {name: module for name, module in net.named_modules() if _is_neuron(module, entry.framework)}
        _excite(net, entry, x, drive)
        home = _at_home(net, neurons, entry, x)
        spikes = [values for values in home.values() if (values == np.round(values)).all()]
        fired = float(np.mean(np.concatenate([(values > 0).any(axis=0) for values in spikes], axis=1)))
        if FIRE[0] <= fired <= FIRE[1]:
            break
        low, high = (drive, high) if fired < FIRE[0] else (low, drive)
        drive = (low + high) / 2 if high else 2 * drive
    return net, x, home, fired


def _node_of(name: str) -> str:
    """The node of a module: its path as an identifier."""
    node = name.replace(".", "_")
    return f"_{node}" if node[:1].isdigit() else node


def _is_neuron(module: nn.Module, framework: str) -> bool:
    place = type(module).__module__
    if framework == "sinabs":
        return type(module).__name__ in ("IAFSqueeze", "LIFSqueeze")
    if framework == "norse":
        return place.startswith("norse") and hasattr(module, "p")
    return place.startswith((f"{framework}.activation_based.neuron", f"{framework}._neurons"))


def _in_float64(net: nn.Module) -> None:
    """Layers take spikes that a framework gives in float32."""
    for module in net.modules():
        if isinstance(module, (*LAYERS, nn.BatchNorm2d, nn.AvgPool2d, nn.LPPool2d, nn.MaxPool2d)):
            module.register_forward_pre_hook(lambda module, args: (args[0].double(), *args[1:]))


def _excite(net: nn.Module, entry: Entry, x: torch.Tensor, drive: float) -> None:
    """Scale each layer once, as the run comes to it, so that its currents are of the size of a threshold."""
    done: set[nn.Module] = set()
    hooks = [
        module.register_forward_hook(_scaler(drive, done))
        for module in net.modules()
        if isinstance(module, (*LAYERS, nn.BatchNorm2d))
    ]
    _reset(net, entry.framework)
    with torch.no_grad():
        for frame in _frames(entry, x)[:1]:
            net(frame)
    for hook in hooks:
        hook.remove()


def _scaler(drive: float, done: set[nn.Module]) -> Callable[..., Any]:
    def hook(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor | None:
        if module in done:
            return None
        done.add(module)
        norm: Any = module
        if isinstance(module, nn.BatchNorm2d):
            into = args[0].flatten(0, -4).transpose(0, 1).flatten(1)
            norm.running_mean.copy_(into.mean(1))
            norm.running_var.copy_(into.var(1) + 1e-3)
            norm.weight.uniform_(0.5 * drive, 0.8 * drive)
            norm.bias.uniform_(-0.2 * drive, 0.1 * drive)
            shape = [1] * output.ndim
            shape[-3] = -1
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            shifted: torch.Tensor = (args[0] - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(
                shape
            )
            return shifted
        size = float(output.std())
        factor = 0.6 * drive / size if size > 0 else 1.0
        module.weight.mul_(factor)
        if module.bias is not None:
            module.bias.mul_(factor)
        return output * factor

    return hook


def _frames(entry: Entry, x: torch.Tensor) -> list[torch.Tensor]:
    """What the net is called with, call by call."""
    if entry.steps == "all":
        return [x]
    if entry.steps == "held":
        return [x[0]]
    return [x[:, 0]] if entry.steps == "squeezed" else list(x)


def _reset(net: nn.Module, framework: str) -> None:
    if framework == "spikingjelly":
        from spikingjelly.activation_based import functional

        functional.reset_net(net)
    modules: list[Any] = list(net.modules())
    for module in modules:
        if framework == "snntorch" and hasattr(module, "reset_mem"):
            module.reset_mem()
        if framework == "sinabs" and hasattr(module, "reset_states"):
            module.reset_states()


def _at_home(net: nn.Module, neurons: dict[str, nn.Module], entry: Entry, x: torch.Tensor) -> dict[str, np.ndarray]:
    """What each neuron gives, (T, B, size)."""
    given: dict[str, list[np.ndarray]] = {name: [] for name in neurons}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            out = output[0] if isinstance(output, tuple) else output
            given[name].append(out.detach().double().numpy().copy())

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in neurons.items()]
    _reset(net, entry.framework)
    with torch.no_grad():
        for frame in _frames(entry, x):
            net(frame)
    for hook in hooks:
        hook.remove()
    _reset(net, entry.framework)
    return {name: np.stack(outputs).reshape(*x.shape[:2], -1) for name, outputs in given.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--network", choices=list(NETWORKS), action="append")
    parser.add_argument("--width", choices=("small", "full"), default="small")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    warnings.filterwarnings("ignore")
    for name in options.network or NETWORKS:
        with redirect_stdout(sys.stderr):  # nothing but the result goes to stdout
            found[name] = measure(NETWORKS[name], small=options.width == "small")
        if not options.json:
            print(f"{name:20} {found[name]}", flush=True)
    if options.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
