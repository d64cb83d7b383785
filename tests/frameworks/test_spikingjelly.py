"""SpikingJelly: what --from spikingjelly exports spikes as SpikingJelly does, soft reset included."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange.frontends import export_from
from tests.frameworks.networks import (
    Ledger,
    Maker,
    assert_home,
    at_home,
    convolutional,
    dense,
    export_and_compare,
    in_eighths,
    in_float64,
    numbered,
    stimulus,
    weighted,
)

STEPS = 60
KINDS = ("IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode")
VARIANTS = list(product(KINDS, ("soft", "hard", "hard, away"), (True, False)))


def maker(rng: np.random.Generator, kind: str, reset: str, decay_input: bool, step_mode: str = "s") -> Maker:
    def make(shape: tuple[int, ...]) -> nn.Module:
        v_reset = None if reset == "soft" else float(rng.uniform(-0.3, 0.3)) if "away" in reset else 0.0
        options: dict[str, Any] = {"v_threshold": float(rng.uniform(0.5, 1.2)), "v_reset": v_reset}
        if kind == "LIFNode":
            options |= {"tau": float(rng.uniform(1.2, 12.0)), "decay_input": decay_input}
        elif kind == "ParametricLIFNode":
            options |= {"init_tau": float(rng.uniform(1.2, 12.0)), "decay_input": decay_input}
        elif kind == "CUBALIFNode":
            options |= {"c_decay": float(rng.uniform(0.1, 0.9)), "v_decay": float(rng.uniform(0.1, 0.95))}
        node: Any = getattr(neuron, kind)(**options)
        node.step_mode = step_mode
        return node

    return make


def neurons_of(layers: list[nn.Module]) -> dict[str, nn.Module]:
    return numbered(layers, lambda layer: isinstance(layer, neuron.BaseNode))


@pytest.mark.parametrize(("kind", "reset", "decay_input"), VARIANTS)
def test_dense_networks_spike_as_at_home(
    kind: str, reset: str, decay_input: bool, ledger: Ledger, tmp_path: Path
) -> None:
    for seed in range(4):
        rng = np.random.default_rng([seed, VARIANTS.index((kind, reset, decay_input))])
        drive = 3.0 if decay_input and "LIF" in kind else 1.0
        layers, shape = dense(rng, maker(rng, kind, reset, decay_input), drive=drive)
        net, x = in_float64(nn.Sequential(*layers)), stimulus(rng, STEPS, shape)
        folder = tmp_path if seed == 0 else None
        export_and_compare("spikingjelly", net, neurons_of(layers), x, net, ledger, folder=folder)


@pytest.mark.parametrize("kind", KINDS)
def test_convolutional_networks_spike_as_at_home(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    for seed, reset in enumerate(("soft", "hard", "hard, away", "soft")):
        rng = np.random.default_rng([seed, 99, KINDS.index(kind)])
        make = maker(rng, kind, reset, decay_input=False)
        layers, shape = convolutional(rng, make, lambda: nn.AvgPool2d(2), drive=2.0)
        net, x = in_float64(nn.Sequential(*layers)), stimulus(rng, STEPS, shape)
        folder = tmp_path if seed == 0 else None
        export_and_compare("spikingjelly", net, neurons_of(layers), x, net, ledger, folder=folder)


def test_multi_step_networks_and_resets_mixed(ledger: Ledger) -> None:
    """step_mode 'm', SpikingJelly's own layers, hard and soft resets in one net, another dt."""
    for seed in range(8):
        rng = np.random.default_rng([seed, 7])
        n, m, k = (int(size) for size in rng.integers(2, 9, 3))
        layers: list[nn.Module] = []
        for before, after in ((n, m), (m, k)):
            layers.append(weighted(layer.Linear(before, after, step_mode="m"), rng))
            kind, reset, decay_input = VARIANTS[rng.integers(len(VARIANTS))]
            layers.append(maker(rng, kind, reset, decay_input, step_mode="m")((after,)))
        net, x = in_float64(nn.Sequential(*layers)), stimulus(rng, STEPS, (n,))
        neurons = neurons_of(layers)
        home = {name: spikes.reshape(STEPS, 2, -1) for name, spikes in at_home(neurons, x[None], net).items()}
        functional.reset_net(net)
        graph = export_from("spikingjelly", net, x, dt=1e-3)
        assert_home(graph, x, home)
        ledger.add(home)


def test_a_membrane_that_just_touches_the_threshold(ledger: Ledger) -> None:
    for seed in range(8):
        rng = np.random.default_rng([seed, 31])
        v_reset = 0.0 if seed % 2 else None
        layers, shape = dense(rng, lambda shape: neuron.IFNode(v_reset=v_reset))  # noqa: B023
        net, x = in_float64(nn.Sequential(*in_eighths(layers))), stimulus(rng, STEPS, shape)
        export_and_compare("spikingjelly", net, neurons_of(layers), x, net, ledger)


@pytest.mark.parametrize("kind", KINDS)
def test_spikingjellys_own_export_under_the_preset(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(2):
        rng = np.random.default_rng([seed, 5, KINDS.index(kind)])
        layers, shape = dense(rng, maker(rng, kind, "hard", decay_input=bool(seed)), drive=2.0)
        net, x = in_float64(nn.Sequential(*layers)), stimulus(rng, STEPS, shape)
        home = at_home(neurons_of(layers), x, net)
        functional.reset_net(net)
        raw = export_to_nir(net, x[0], dt=1e-4)
        assert_home(raw, x, home, dialect="spikingjelly", folder=tmp_path)
        ledger.add(home)


def test_a_module_without_a_node_is_refused() -> None:
    with pytest.raises(ExportError, match="0 \\(GroupNorm\\).*train with BatchNorm1d"):
        export_from("spikingjelly", nn.Sequential(nn.GroupNorm(2, 4), neuron.IFNode()), torch.zeros(1, 4))
