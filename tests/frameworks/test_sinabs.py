"""sinabs: what --from sinabs exports spikes as sinabs does, several times a step where it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sinabs.layers as sl
import torch
from sinabs.activation import MaxSpike, MembraneReset, MembraneSubtract, MultiSpike, SingleSpike
from sinabs.nir import to_nir
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange.frontends import export_from
from tests.frameworks.networks import (
    BATCH,
    Ledger,
    Maker,
    assert_home,
    at_home,
    convolutional,
    dense,
    export_and_compare,
    in_eighths,
    in_float64,
    in_our_names,
    numbered,
    stimulus,
    weighted,
)

STEPS = 60
KINDS = ("IAF", "LIF", "IAF, tau_syn", "LIF, tau_syn", "IAFRecurrent", "LIFRecurrent")
SPIKES = (MultiSpike, SingleSpike, MaxSpike(2), MaxSpike())
RESETS = (MembraneSubtract(), MembraneSubtract(0.75), MembraneReset())


def some(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Any:
    """One value or one per neuron, in 64ths: sinabs computes some products in float32, where these are exact."""
    drawn = rng.integers(int(64 * low), int(64 * high), shape if rng.random() < 0.5 else ()) / 64
    return torch.tensor(drawn, dtype=torch.float32)


def maker(rng: np.random.Generator, kind: str, *, squeeze: bool = False) -> Maker:
    def make(shape: tuple[int, ...]) -> nn.Module:
        threshold = some(rng, 0.5, 1.5, shape)
        options: dict[str, Any] = {
            "spike_threshold": threshold,
            "spike_fn": SPIKES[rng.integers(len(SPIKES))],
            "reset_fn": RESETS[rng.integers(len(RESETS))],
            "min_v_mem": -threshold if rng.random() < 0.5 else None,
        }
        if kind.startswith("LIF"):
            options |= {
                "tau_mem": some(rng, 1.0, 20.0, shape),
                "norm_input": bool(rng.random() < 0.5),
                "train_alphas": bool(rng.random() < 0.3),
            }
        if kind.endswith("tau_syn"):
            options["tau_syn"] = some(rng, 0.5, 8.0, shape)
        if kind.endswith("Recurrent"):
            options["rec_connect"] = weighted(nn.Linear(shape[0], shape[0], bias=bool(rng.random() < 0.5)), rng, 0.2)
        name = kind.partition(",")[0]
        options |= {"batch_size": BATCH} if squeeze else {}
        neuron: nn.Module = getattr(sl, f"{name}Squeeze" if squeeze else name)(**options)
        return neuron

    return make


def neurons_of(layers: list[nn.Module]) -> dict[str, nn.Module]:
    return numbered(layers, lambda layer: isinstance(layer, sl.StatefulLayer))


def sequential(layers: list[nn.Module]) -> nn.Module:
    return in_float64(nn.Sequential(*layers))


@pytest.mark.parametrize("kind", KINDS)
def test_dense_networks_spike_as_at_home(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(10):
        rng = np.random.default_rng([seed, KINDS.index(kind)])
        squeeze = seed % 2 == 1 and not kind.endswith("Recurrent")
        drive = 4.0 if kind.startswith("LIF") else 2.0
        layers, shape = dense(rng, maker(rng, kind, squeeze=squeeze), drive=drive)
        if seed % 3 == 0:
            leak = {"tau_mem": some(rng, 1.0, 9.0, (3,)), "norm_input": seed == 0, "batch_size": BATCH}
            last = sl.ExpLeakSqueeze(**leak) if squeeze else sl.ExpLeak(leak["tau_mem"], norm_input=seed == 0)
            before: Any = layers[-2]
            layers += [weighted(nn.Linear(before.out_features, 3), rng), last]
        net, x = sequential(layers), stimulus(rng, STEPS, shape)
        # Without Squeeze a layer takes all steps at once; its recurrent spikes are lost between two calls.
        home = at_home(neurons_of(layers), x if squeeze else x.transpose(0, 1)[None], net)
        if not squeeze:
            home = {name: given.reshape(BATCH, STEPS, -1).swapaxes(0, 1) for name, given in home.items()}
        graph = export_from("sinabs", net, x[0] if squeeze else x[:3].transpose(0, 1))
        assert_home(graph, x, home, folder=tmp_path if seed == 0 else None)
        ledger.add(home)


@pytest.mark.parametrize("kind", ["IAF", "LIF"])
def test_convolutional_networks_spike_as_at_home(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(8):
        rng = np.random.default_rng([seed, 99, KINDS.index(kind)])
        pool = (lambda: sl.SumPool2d(2)) if seed % 2 else (lambda: nn.AvgPool2d(2))
        layers, shape = convolutional(rng, maker(rng, kind, squeeze=True), pool, drive=2.0)
        net, x = sequential(layers), stimulus(rng, STEPS, shape)
        folder = tmp_path if seed == 0 else None
        export_and_compare("sinabs", net, neurons_of(layers), x, net, ledger, folder=folder)


def test_a_membrane_that_just_touches_the_threshold(ledger: Ledger) -> None:
    for seed in range(8):
        rng = np.random.default_rng([seed, 31])
        options: dict[str, Any] = {"batch_size": BATCH, "min_v_mem": -1.0 if seed % 2 else None}
        layers, shape = dense(rng, lambda shape: sl.IAFSqueeze(**options), drive=2.0)  # noqa: B023
        net, x = sequential(in_eighths(layers)), stimulus(rng, STEPS, shape)
        export_and_compare("sinabs", net, neurons_of(layers), x, net, ledger, dt=1e-3 if seed < 4 else None)


def test_plain_nir_means_the_same_to_readers_without_a_dialect(ledger: Ledger) -> None:
    """r says what norm_input does: NIR's own equation, solved exactly, is sinabs' step."""
    exact = "nir,discretization=exponential,dt=0.001,threshold=>=,reset=subtract,spikes=multi"
    for seed in range(8):
        rng = np.random.default_rng([seed, 21])
        options = {"spike_fn": MultiSpike, "norm_input": seed % 2 == 0, "batch_size": BATCH}
        if seed % 4 > 1:
            options["tau_syn"] = 3.0
        layers, shape = dense(rng, lambda shape: sl.LIFSqueeze(tau_mem=7.0, **options), drive=4.0)  # noqa: B023
        net, x = sequential(layers), stimulus(rng, STEPS, shape)
        export_and_compare("sinabs", net, neurons_of(layers), x, net, ledger, dt=1e-3, dialect=exact)


def test_sinabs_own_export_under_the_preset(ledger: Ledger, tmp_path: Path) -> None:
    """Its own nodes (one value per neuron, norm_input off, no lower bound) need no repair but the dialect."""
    for seed in range(6):
        rng = np.random.default_rng([seed, 5])
        n, m, k = (int(size) for size in rng.integers(2, 9, 3))
        layers: list[nn.Module] = []
        for before, after in ((n, m), (m, k)):
            layers.append(weighted(nn.Linear(before, after), rng, 2.0))
            if seed % 2:
                layers.append(sl.IAFSqueeze(batch_size=BATCH))
            else:
                tau, one = torch.tensor(rng.integers(64, 900, after) / 64), torch.ones(after)
                layers.append(sl.LIFSqueeze(tau_mem=tau, spike_threshold=one, norm_input=False, batch_size=BATCH))
        net, x = sequential(layers), stimulus(rng, STEPS, (n,))
        home = at_home(neurons_of(layers), x, net)
        raw = to_nir(net, x[0])
        theirs = {name.lstrip("_"): spikes for name, spikes in home.items()}
        assert_home(raw, x, theirs, dialect="sinabs", folder=tmp_path)
        assert in_our_names(raw.edges) == set(export_from("sinabs", net, x[0]).edges)
        ledger.add(home)


def test_the_export_leaves_state_and_random_numbers_alone() -> None:
    net: Any = nn.Sequential(nn.Linear(4, 3), sl.IAFSqueeze(batch_size=-1, num_timesteps=1))
    net(torch.ones(5, 4))
    before, seed = net[1].v_mem.clone(), torch.get_rng_state()
    export_from("sinabs", net, torch.ones(2, 4))
    assert torch.equal(net[1].v_mem, before)
    assert torch.equal(torch.get_rng_state(), seed)


class Bursting:
    """Neither of sinabs' spike functions nor of its resets."""

    required_states = ("v_mem",)

    def apply(self, v_mem: torch.Tensor, *_: Any) -> torch.Tensor:
        return v_mem

    def __call__(self, spikes: torch.Tensor, state: Any, threshold: Any) -> Any:
        return dict(state)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([sl.IAF(), sl.IAFSqueeze(batch_size=1)], "mixes layers"),
        ([sl.IAF(min_v_mem=-2.0)], "min_v_mem is not -spike_threshold"),
        ([sl.IAF(reset_fn=MembraneReset(0.5))], "reset_value in every step"),
        ([sl.IAF(spike_fn=Bursting())], "the spike_fn Bursting"),
        ([sl.IAF(reset_fn=Bursting())], "the reset_fn Bursting"),
        ([sl.ExpLeak(5.0, min_v_mem=-1.0)], "no lower bound"),
        ([sl.LIF(tau_mem=1e20)], "decay of 1 per step"),
        ([sl.ALIF(tau_mem=5.0, tau_adapt=5.0)], "sinabs's ALIF"),
    ],
)
def test_what_no_dialect_does_is_refused(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export_from("sinabs", nn.Sequential(*layers), torch.zeros(1, 3, 4))
