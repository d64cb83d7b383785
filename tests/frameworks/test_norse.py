"""Norse: what --from norse exports spikes as Norse's cells do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse.torch.functional.iaf import IAFParameters
from norse.torch.functional.leaky_integrator import LIParameters
from norse.torch.functional.leaky_integrator_box import LIBoxParameters
from norse.torch.functional.lif import LIFParameters
from norse.torch.functional.lif_box import LIFBoxParameters
from norse.torch.functional.reset import reset_subtract
from norse.torch.module.leaky_integrator_box import LIBoxCell
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
    in_our_names,
    numbered,
    stimulus,
    uniform,
    weighted,
)

STEPS = 60
KINDS = ("LIFBoxCell", "LIFBoxCell, subtract", "LIFCell", "IAFCell")


def maker(rng: np.random.Generator, kind: str, dt: float = 1e-3) -> Maker:
    """Cells with one value or one per neuron of everything; rest and reset away from 0 in one of two."""

    def make(shape: tuple[int, ...]) -> nn.Module:
        away = 0.4 if rng.random() < 0.5 else 0.0
        common: dict[str, Any] = {
            "v_th": uniform(rng, 0.5, 1.0, shape),
            "v_reset": uniform(rng, -away, away, shape),
        }
        if kind == "IAFCell":
            return norse.IAFCell(IAFParameters(**common), dt=dt)
        common |= {"v_leak": uniform(rng, -away, away, shape), "tau_mem_inv": uniform(rng, 0.05, 0.9, shape) / dt}
        if kind == "LIFCell":
            return norse.LIFCell(LIFParameters(tau_syn_inv=uniform(rng, 0.1, 0.9, shape) / dt, **common), dt=dt)
        if kind == "LIFBoxCell, subtract":
            common["reset_method"] = reset_subtract
        return norse.LIFBoxCell(LIFBoxParameters(**common), dt=dt)

    return make


def readout(rng: np.random.Generator, shape: tuple[int, ...], dt: float) -> nn.Module:
    rate = uniform(rng, 0.05, 0.9, shape) / dt
    zero = torch.zeros(shape).double()
    if rng.random() < 0.5:
        return LIBoxCell(LIBoxParameters(tau_mem_inv=rate, v_leak=zero), dt=dt)
    slow = uniform(rng, 0.05, 0.9, shape) / dt
    return norse.LICell(LIParameters(tau_mem_inv=rate, tau_syn_inv=slow, v_leak=zero), dt=dt)


class Stepped:
    """A SequentialState with its state between steps."""

    def __init__(self, layers: list[nn.Module]) -> None:
        self.net = norse.SequentialState(*layers).double()
        self.state: Any = None

    def __call__(self, frame: torch.Tensor) -> None:
        _, self.state = self.net(frame, self.state)


def neurons_of(layers: list[nn.Module]) -> dict[str, nn.Module]:
    return numbered(layers, lambda layer: type(layer).__module__.startswith("norse"))


@pytest.mark.parametrize("kind", KINDS)
def test_dense_networks_spike_as_at_home(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(12):
        rng = np.random.default_rng([seed, KINDS.index(kind)])
        dt = float(rng.choice([1e-3, 1e-4, 0.5]))
        layers, shape = dense(rng, maker(rng, kind, dt), drive=1.0 if kind == "IAFCell" else 3.0)
        if seed % 2:
            before: Any = layers[-2]
            layers += [weighted(nn.Linear(before.out_features, 3), rng), readout(rng, (3,), dt)]
        home = Stepped(layers)
        x = stimulus(rng, STEPS, shape)
        folder = tmp_path if seed < 2 else None
        export_and_compare("norse", home.net, neurons_of(layers), x, home, ledger, folder=folder)


@pytest.mark.parametrize("kind", KINDS)
def test_convolutional_networks_spike_as_at_home(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(4):
        rng = np.random.default_rng([seed, 99, KINDS.index(kind)])
        drive = 1.0 if kind == "IAFCell" else 6.0
        layers, shape = convolutional(rng, maker(rng, kind), lambda: nn.AvgPool2d(2), drive=drive)
        home = Stepped(layers)
        x = stimulus(rng, STEPS, shape)
        folder = tmp_path if seed == 0 else None
        export_and_compare("norse", home.net, neurons_of(layers), x, home, ledger, folder=folder)


@pytest.mark.parametrize("kind", ["LIFBoxCell", "IAFCell"])
def test_a_membrane_that_just_touches_the_threshold(kind: str, ledger: Ledger) -> None:
    def make(shape: tuple[int, ...]) -> nn.Module:
        half = LIFBoxParameters(tau_mem_inv=torch.tensor(1.0).double())
        return norse.LIFBoxCell(half, dt=0.5) if kind == "LIFBoxCell" else norse.IAFCell(dt=0.5)

    for seed in range(4):
        rng = np.random.default_rng([seed, 31])
        layers, shape = dense(rng, make, drive=2.0)
        home = Stepped(in_eighths(layers))
        x = stimulus(rng, STEPS, shape)
        export_and_compare("norse", home.net, neurons_of(layers), x, home, ledger)


def test_plain_nir_means_the_same_to_readers_without_a_dialect(ledger: Ledger) -> None:
    for seed in range(8):
        rng = np.random.default_rng([seed, 21])
        kind = ("LIFBoxCell", "LIFCell", "IAFCell")[seed % 3]
        layers, shape = dense(rng, maker(rng, kind, 1e-4), drive=2.0)
        home = Stepped(layers)
        x = stimulus(rng, STEPS, shape)
        export_and_compare("norse", home.net, neurons_of(layers), x, home, ledger, dialect="nir")


def test_norses_own_export_under_the_preset(ledger: Ledger, tmp_path: Path) -> None:
    """Asked with dt=1 (its tau is dt / tau_mem_inv), its LIF and IF need no repair but the dialect."""
    for seed in range(6):
        rng = np.random.default_rng([seed, 5])
        n, m, k = (int(size) for size in rng.integers(2, 9, 3))
        layers: list[nn.Module] = []
        for before, after in ((n, m), (m, k)):
            layers.append(weighted(nn.Linear(before, after), rng, 2.0))
            ones, zeros = torch.ones(after).double(), torch.zeros(after).double()
            rate = torch.tensor(rng.uniform(50, 900, after))
            lif = LIFBoxParameters(tau_mem_inv=rate, v_th=ones, v_leak=zeros, v_reset=zeros)
            iaf = IAFParameters(v_th=ones, v_reset=zeros)
            layers.append(norse.LIFBoxCell(lif) if seed % 2 else norse.IAFCell(iaf))
        home = Stepped(layers)
        x = stimulus(rng, STEPS, (n,))
        given = at_home(neurons_of(layers), x, home)
        raw = norse.to_nir(home.net, x[0, 0], dt=1.0)
        theirs = {name.lstrip("_"): spikes for name, spikes in given.items()}
        assert_home(raw, x, theirs, dialect="norse", folder=tmp_path)
        assert in_our_names(raw.edges) == set(export_from("norse", home.net, x[0]).edges)
        ledger.add(given)


@pytest.mark.parametrize(
    ("layers", "dt", "message"),
    [
        ([norse.LIFCell(dt=0.1), norse.LIFCell(dt=0.2)], None, "0 by 0.1 s, 1 by 0.2 s"),
        ([norse.LIFCell(dt=0.1)], 0.2, "the net's cells step by dt = 0.1 s"),
        ([norse.LIFBoxCell(LIFBoxParameters(reset_method=lambda z, v, r, th: v))], None, "reset_method"),
        ([LIBoxCell(LIBoxParameters(v_leak=torch.tensor(0.2)))], None, "set v_leak to 0"),
        ([norse.LIFBoxCell(LIFBoxParameters(tau_mem_inv=torch.tensor(0.0)))], None, "tau_mem_inv"),
        ([norse.LSNNRecurrentCell(4, 4)], None, "norse's LSNNRecurrentCell"),
        ([nn.ReLU(), norse.LIFCell()], None, "torch's ReLU"),
    ],
)
def test_what_no_dialect_does_is_refused(layers: list[nn.Module], dt: float | None, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export_from("norse", norse.SequentialState(*layers), torch.zeros(1, 4), dt=dt)
