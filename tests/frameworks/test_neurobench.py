"""Metrics of random snnTorch networks, against NeuroBench's package on the networks themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from tests.frameworks.networks import Maker, convolutional, dense, in_float64, uniform, weighted
from tests.frameworks.package import Steps, assert_same, ours, theirs

STEPS, SAMPLES = 25, 3
#: Kinds of neurons, and a pool of their spikes where convolutions come first.
NETWORKS: list[tuple[str, Callable[[], nn.Module] | None]] = [
    ("Leaky", None),
    ("Leaky", None),
    ("Synaptic", None),
    ("RLeaky", None),
    ("RLeaky", None),
    ("RSynaptic", None),
    ("Leaky", lambda: nn.AvgPool2d(2)),
    ("Leaky", lambda: nn.MaxPool2d(2)),
    ("Synaptic", lambda: nn.AvgPool2d(2)),
    ("RLeaky", lambda: nn.MaxPool2d(2)),
]


def maker(rng: np.random.Generator, kind: str) -> Maker:
    """Neurons of a kind with any reset; recurrent ones as :func:`test_where_it_differs` leaves them."""

    resets = ["subtract", "none"] if kind[0] == "R" else ["subtract", "zero", "none"]

    def make(shape: tuple[int, ...]) -> nn.Module:
        options: dict[str, Any] = {
            "beta": uniform(rng, 0.3, 0.98, shape),
            "threshold": uniform(rng, 0.4, 1.3, shape),
            "reset_mechanism": str(rng.choice(resets)),
            "reset_delay": kind == "RSynaptic" or bool(rng.random() < 0.5),
            "init_hidden": True,
        }
        if "Synaptic" in kind:
            options["alpha"] = uniform(rng, 0.2, 0.9, shape)
        if kind[0] == "R":
            own = {"conv2d_channels": shape[0], "kernel_size": 3}
            options |= own if len(shape) > 1 else {"linear_features": shape[0]}
        neuron: Any = getattr(snntorch, kind)(**options)
        if kind[0] == "R":
            neuron.recurrent.register_parameter("bias", None)
            weighted(neuron.recurrent, rng, 0.5)
        return neuron

    return make


def network(rng: np.random.Generator, kind: str, pool: Callable[[], nn.Module] | None) -> tuple[nn.Module, Any]:
    """A net some of whose weights are 0, and the shape of its input."""
    make = maker(rng, kind)
    layers, shape = dense(rng, make, drive=0.7) if pool is None else convolutional(rng, make, pool, drive=0.7)
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.weight.data *= torch.tensor(rng.random(layer.weight.shape) < 0.8)
    return in_float64(nn.Sequential(*layers)).eval(), shape


def stimulus(rng: np.random.Generator, shape: tuple[int, ...]) -> torch.Tensor:
    """A step of spikes, a step of counts, and so on: (T, B, *shape), float64."""
    counts = rng.poisson(0.4, (STEPS, SAMPLES, *shape))
    counts[::2] = np.minimum(counts[::2], 1)
    return torch.tensor(counts.astype(np.float64))


@pytest.mark.parametrize("seed", range(len(NETWORKS)))
def test_random_networks(seed: int) -> None:
    rng = np.random.default_rng([seed, 14])
    net, shape = network(rng, *NETWORKS[seed])
    x = stimulus(rng, shape)
    found, expected = ours(net, x, x[0]), theirs(Steps(net), x, through_time=True)
    assert 0 < found.activation_sparsity < 1
    assert found.macs > 0
    assert found.acs > 0
    assert found.acs + found.macs < found.dense
    assert_same(found, expected)


def test_neurons_without_a_leak_and_few_spikes_behind_a_pool() -> None:
    """A decay of 1 is held too; a spike alone in its window is a quarter, four of them are one."""
    torch.manual_seed(6)
    first, last = (snntorch.Leaky(1.0, threshold=0.9, init_hidden=True) for _ in range(2))
    once = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(once.weight)
    net = nn.Sequential(once, first, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3), last)
    in_float64(net).eval()
    x = torch.zeros(4, 2, 1, 4, 4, dtype=torch.float64)
    x[0, 0, 0, 0, 0] = x[2, :, 0, :2, :2] = 1
    found = ours(net, x, x[0])
    assert_same(found, theirs(Steps(net), x, through_time=True))
    assert (found.macs, found.acs) == (3 / 2, (1 + 8) / 2 + 2 * 3 / 2)


def test_where_it_differs() -> None:
    """snnTorch runs the recurrent layer twice a step where the reset is to zero, and the package counts both; a
    recurrent layer's bias and the one before it are one in a graph; a decay that is trained is no parameter of it."""
    torch.manual_seed(5)
    options: dict[str, Any] = {"threshold": 0.5, "init_hidden": True, "reset_mechanism": "zero", "learn_beta": True}
    neurons: Any = snntorch.RLeaky(0.8, linear_features=4, **options)
    net = in_float64(nn.Sequential(nn.Linear(6, 4), neurons)).eval()
    x = stimulus(np.random.default_rng(5), (6,))
    found, expected = ours(net, x, x[0]), theirs(Steps(net), x, through_time=True)
    before = sum(int(np.count_nonzero(values)) for values in spikes_of(net, x)[:-1]) * 4 / SAMPLES
    assert before > 0
    operations = expected["SynapticOperations"]
    assert found.acs == pytest.approx(operations["Effective_ACs"] - before, rel=1e-12)
    assert (found.macs, found.dense) == (operations["Effective_MACs"], operations["Dense"] - STEPS * 4 * 4)
    assert found.parameters == expected["ParameterCount"] - 4 - 1
    assert found.footprint == expected["Footprint"] - 4 * 4


def spikes_of(net: nn.Module, x: torch.Tensor) -> list[np.ndarray]:
    """Of the last neurons, in each step."""
    with torch.no_grad():
        return list(Steps(net)(x.swapaxes(0, 1)).numpy())
