"""snnTorch: what --from snntorch exports spikes as snnTorch does, whatever the reset."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import snntorch
import torch
from snntorch.export_nir import export_to_nir
from torch import nn

import nirdeploy
from nirdeploy.errors import ExportError, UsageProblem
from nirdeploy.exchange.frontends import export_from
from nirdeploy.graph.check import check
from nirdeploy.semantics import dialect as dialects
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
    in_our_names,
    numbered,
    stimulus,
    uniform,
    weighted,
)

STEPS = 60
KINDS = ("Leaky", "Synaptic", "RLeaky", "RSynaptic")
RESETS = ("subtract", "zero", "none")
VARIANTS = [
    (kind, reset, delay)
    for kind, reset, delay in product(KINDS, RESETS, (True, False))
    if kind != "RSynaptic" or delay  # snnTorch itself cannot run the other
]


def maker(rng: np.random.Generator, kind: str, reset: str, delay: bool) -> Maker:
    """Neurons with one value or one per neuron of everything; decays now and then beyond their ends."""

    def make(shape: tuple[int, ...]) -> nn.Module:
        beta = uniform(rng, 0.3, 0.98, shape) if rng.random() < 0.8 else torch.tensor(rng.choice([-0.3, 0.0, 1.0, 1.2]))
        options: dict[str, Any] = {
            "beta": beta.double(),
            "threshold": uniform(rng, 0.4, 1.3, shape),
            "reset_mechanism": reset,
            "reset_delay": delay,
            "init_hidden": True,
        }
        if kind in ("Synaptic", "RSynaptic"):
            options["alpha"] = uniform(rng, 0.2, 0.9, shape)
        if kind in ("RLeaky", "RSynaptic"):
            if len(shape) > 1:
                options |= {"conv2d_channels": shape[0], "kernel_size": 3}
            elif rng.random() < 0.6:
                options["linear_features"] = shape[0]
            else:
                options |= {"all_to_all": False, "V": uniform(rng, -0.5, 0.5, shape)}
        neuron: Any = getattr(snntorch, kind)(**options)
        if getattr(neuron, "all_to_all", False):
            weighted(neuron.recurrent, rng, 0.5)
        return neuron

    return make


def sequential(layers: list[nn.Module]) -> tuple[nn.Module, dict[str, nn.Module]]:
    for module in layers:
        if isinstance(module, snntorch.SpikingNeuron):
            module.reset_mem()
    neurons = numbered(layers, lambda layer: isinstance(layer, snntorch.SpikingNeuron))
    return in_float64(nn.Sequential(*layers)), neurons


@pytest.mark.parametrize(("kind", "reset", "delay"), VARIANTS)
def test_dense_networks_spike_as_at_home(kind: str, reset: str, delay: bool, ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(5):
        rng = np.random.default_rng([seed, KINDS.index(kind), RESETS.index(reset), delay])
        layers, shape = dense(rng, maker(rng, kind, reset, delay), drive=0.7)
        net, neurons = sequential(layers)
        x = stimulus(rng, STEPS, shape)
        export_and_compare("snntorch", net, neurons, x, net, ledger, folder=tmp_path if seed == 0 else None)


@pytest.mark.parametrize("kind", KINDS)
def test_convolutional_networks_spike_as_at_home(kind: str, ledger: Ledger, tmp_path: Path) -> None:
    for seed, reset in enumerate((*RESETS, *RESETS)):
        rng = np.random.default_rng([seed, 99, KINDS.index(kind)])
        delay = kind == "RSynaptic" or bool(rng.random() < 0.5)
        layers, shape = convolutional(rng, maker(rng, kind, reset, delay), lambda: nn.AvgPool2d(2), drive=0.7)
        net, neurons = sequential(layers)
        x = stimulus(rng, STEPS, shape)
        export_and_compare("snntorch", net, neurons, x, net, ledger, folder=tmp_path if seed == 0 else None)


def test_a_net_may_mix_neurons_and_resets(ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(10):
        rng = np.random.default_rng([seed, 7])
        order = rng.permutation(len(VARIANTS))
        chosen = iter([VARIANTS[i] for i in order])
        layers, shape = dense(rng, lambda shape: maker(rng, *next(chosen))(shape), drive=0.7)  # noqa: B023
        net, neurons = sequential(layers)
        x = stimulus(rng, STEPS, shape)
        export_and_compare("snntorch", net, neurons, x, net, ledger, folder=tmp_path if seed == 0 else None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_membrane_that_just_touches_the_threshold(kind: str, ledger: Ledger) -> None:
    """Values with few bits meet the threshold all the time, and every tie falls as at home."""

    def make(shape: tuple[int, ...]) -> nn.Module:
        options: dict[str, Any] = {"alpha": torch.tensor(0.5).double()} if "Synaptic" in kind else {}
        options |= {"all_to_all": False, "V": torch.tensor(0.25).double()} if kind.startswith("R") else {}
        neuron: nn.Module = getattr(snntorch, kind)(beta=torch.tensor(0.5).double(), init_hidden=True, **options)
        return neuron

    for seed in range(4):
        rng = np.random.default_rng([seed, 31])
        layers, shape = dense(rng, make)
        net, neurons = sequential(in_eighths(layers))
        x = stimulus(rng, STEPS, shape)
        export_and_compare("snntorch", net, neurons, x, net, ledger)


class Written(nn.Module):
    """A forward as snnTorch's tutorials write it: states handed on, a loop over the steps, a view for a Flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(12, 6)
        self.lif1 = snntorch.Leaky(beta=0.9)
        self.drop = nn.Dropout(0.4)
        self.fc2 = nn.Linear(6, 3)
        self.output = snntorch.Synaptic(alpha=0.7, beta=0.8, reset_mechanism="zero")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mem1 = self.lif1.reset_mem()
        syn2, mem2 = self.output.reset_mem()
        given = []
        for frame in x:
            spk1, mem1 = self.lif1(self.fc1(frame.view(frame.shape[0], -1)), mem1)
            spk2, syn2, mem2 = self.output(self.fc2(self.drop(spk1)), syn2, mem2)
            given.append(spk2)
        return torch.stack(given), mem2


def test_a_forward_with_a_loop_over_time(ledger: Ledger, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = Written().eval()
    with torch.no_grad():
        for layer in (net.fc1, net.fc2):
            layer.weight.mul_(2.5)
    x = stimulus(np.random.default_rng(3), STEPS, (3, 4)).float()
    home = at_home({"lif1": net.lif1, "output": net.output}, x[None], net)
    net.train()
    graph = export_from("snntorch", net, x)
    assert net.drop.training, "the export leaves the net in the mode it was in"
    assert list(graph.nodes) == ["x", "fc1_flatten", "fc1", "lif1", "fc2", "output", "output_1"]
    assert graph.nodes["x"].input_type["input"].tolist() == [3, 4]
    assert_home(graph, x.double(), home, folder=tmp_path)
    ledger.add(home)


def test_the_export_leaves_the_state_alone() -> None:
    net: Any = nn.Sequential(nn.Linear(4, 3), snntorch.Leaky(beta=0.9, init_hidden=True))
    with torch.no_grad():
        net(torch.ones(5, 4))
    before = net[1].mem.clone()
    export_from("snntorch", net, torch.ones(1, 4))
    assert torch.equal(net[1].mem, before)


def test_plain_nir_means_the_same_to_readers_without_a_dialect(ledger: Ledger) -> None:
    """r, w_in and tau say what Leaky(reset_mechanism='zero', reset_delay=False) does in NIR's own equation."""
    for seed, kind in enumerate(("Leaky", "Synaptic") * 3):
        rng = np.random.default_rng([seed, 21])
        layers, shape = dense(rng, maker(rng, kind, "zero", False))
        net, neurons = sequential(layers)
        x = stimulus(rng, STEPS, shape)
        export_and_compare("snntorch", net, neurons, x, net, ledger, dialect="nir")


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic", "RLeaky", "RSynaptic"])
@pytest.mark.parametrize("reset", RESETS)
def test_snntorchs_own_export_under_the_preset(kind: str, reset: str, ledger: Ledger, tmp_path: Path) -> None:
    """What its exporter can write (one value per neuron) needs no repair but the dialect."""
    for seed in range(2):
        rng = np.random.default_rng([seed, 5, KINDS.index(kind), RESETS.index(reset)])
        n, m, k = (int(size) for size in rng.integers(2, 9, 3))
        per_neuron: dict[int, dict[str, Any]] = {}
        for size in (m, k):
            per_neuron[size] = {
                "beta": torch.tensor(rng.uniform(0.3, 0.97, size)),
                "threshold": torch.ones(size).double(),
            }
            if kind in ("Synaptic", "RSynaptic"):
                per_neuron[size]["alpha"] = torch.tensor(rng.uniform(0.2, 0.9, size))
            if kind in ("RLeaky", "RSynaptic"):
                per_neuron[size]["linear_features"] = size
        make = getattr(snntorch, kind)
        layers: list[nn.Module] = []
        for before, after in ((n, m), (m, k)):
            layers.append(weighted(nn.Linear(before, after), rng))
            layers.append(make(**per_neuron[after], init_hidden=True, reset_mechanism=reset))
        net, neurons = sequential(layers)
        x = stimulus(rng, STEPS, (n,))
        home = at_home(neurons, x, net)
        raw = export_to_nir(net, x[0], ignore_dims=[0])
        theirs = {name.lstrip("_"): spikes for name, spikes in home.items()}
        named = {name if name in raw.nodes else f"{name}.lif": spikes for name, spikes in theirs.items()}
        assert_home(raw, x, named, dialect=f"snntorch,reset={reset}", folder=tmp_path)
        ours = export_from("snntorch", net, x[0])
        inner = {"1.lif": "_1", "3.lif": "_3", "1.w_rec": "_1_recurrent", "3.w_rec": "_3_recurrent"}
        assert in_our_names(raw.edges, **inner) == set(ours.edges)
        ledger.add(home)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"inhibition": True}, "inhibition"),
        ({"graded_spikes_factor": 2.0}, "graded_spikes_factor"),
        ({"state_quant": torch.round}, "state_quant"),
        ({"spike_grad": torch.sigmoid}, "spike_grad"),
        ({"threshold": torch.ones(2, 3)}, "threshold has shape"),
    ],
)
@pytest.mark.filterwarnings("ignore:Inhibition")
def test_what_no_dialect_does_is_refused(options: dict[str, Any], reason: str) -> None:
    net = nn.Sequential(nn.Linear(4, 3), snntorch.Leaky(beta=0.9, init_hidden=True, **options))
    with pytest.raises(ExportError, match=reason):
        export_from("snntorch", net, torch.zeros(2, 4))


def test_a_reset_that_snntorch_carries_out_by_half_is_refused() -> None:
    neuron = snntorch.Leaky(beta=0.9, init_hidden=True)
    neuron.reset_mechanism = "zero"
    with pytest.raises(ExportError, match=r"0 \(Leaky\): its reset_mechanism was changed"):
        export_from("snntorch", nn.Sequential(neuron), torch.zeros(1, 4))
    recurrent = snntorch.RSynaptic(alpha=0.5, beta=0.9, linear_features=4, reset_delay=False)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.neuron = recurrent

        def forward(self, x: torch.Tensor) -> Any:
            return self.neuron(x, *(torch.zeros_like(x) for _ in range(3)))

    with pytest.raises(ExportError, match="reset_delay=False"):
        export_from("snntorch", Net(), torch.zeros(1, 4))


def leaky() -> nn.Module:
    neuron: nn.Module = snntorch.Leaky(beta=0.9, init_hidden=True)
    return neuron


class Block(nn.Module):
    """A layer and its neurons."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.lif = layer, leaky()

    def forward(self, x: torch.Tensor) -> Any:
        return self.lif(self.layer(x))


def test_blocks_within_blocks_and_one_dimension(ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(4):
        rng = np.random.default_rng([seed, 17])
        conv = nn.Conv1d(2, 4, 3, stride=seed % 2 + 1, padding=1, groups=2, bias=seed > 1)
        first, out = Block(weighted(conv, rng)), (9 + 2 - 3) // (seed % 2 + 1) + 1
        inner = Block(weighted(nn.Linear(4 * out, 3), rng))
        second = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Flatten(), inner)
        net = in_float64(nn.Sequential(first, second))
        x = stimulus(rng, STEPS, (2, 9))
        neurons: dict[str, Any] = {"_0_lif": first.lif, "_1_3_lif": inner.lif}
        folder = tmp_path if seed == 0 else None
        export_and_compare("snntorch", net, neurons, x, net, ledger, folder=folder)


class Odd(nn.Module):
    """A forward that does between its modules what ``between`` does."""

    def __init__(self, between: Any) -> None:
        super().__init__()
        self.fc1, self.lif1, self.fc2, self.lif2 = nn.Linear(4, 4), leaky(), nn.Linear(4, 4), leaky()
        self.between = between

    def forward(self, x: torch.Tensor) -> Any:
        return self.lif2(self.fc2(self.between(self.lif1(self.fc1(x)))))


@pytest.mark.parametrize(
    ("net", "shape", "message"),
    [
        (
            nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), leaky()),
            (1, 4),
            "1 \\(LayerNorm\\).*with BatchNorm1d",
        ),
        (nn.Sequential(nn.Linear(4, 4), snntorch.Alpha(0.9, 0.5, init_hidden=True)), (1, 4), "snntorch's Alpha"),
        (nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), leaky()), (1, 1, 5, 5), "no ceil_mode"),
        (nn.Sequential(nn.AvgPool2d(3, padding=1, count_include_pad=False), leaky()), (1, 1, 5, 5), "counts the pad"),
        (nn.Sequential(nn.LPPool2d(1, 2, ceil_mode=True), leaky()), (1, 1, 5, 5), "no ceil_mode"),
        (nn.Sequential(nn.LPPool2d(2, 2), leaky()), (1, 1, 5, 5), "LPPool2d"),
        (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), leaky()), (1, 1, 5, 5), "circular"),
        (nn.Sequential(nn.Linear(4, 4), shared := leaky(), nn.Linear(4, 4), shared), (1, 4), "in another call, _2"),
        (nn.Sequential(nn.Identity()), (1, 4), "calls none of its modules"),
        (nn.Sequential(nn.Flatten(0), leaky()), (1, 4), "use nn.Flatten\\(1\\)"),
        (nn.Sequential(nn.Linear(4, 4), leaky()), (1, 5), "does not go through"),
        (nn.Sequential(nn.Linear(4, 4), leaky()), (4,), "the net takes \\(B"),
        (Odd(lambda x: x + 1), (1, 4), "fc2 reads a tensor that no module gave"),
        (Odd(lambda x: x.view(2, 2, 4)), (4, 4), "reshaped from \\(4, 4\\) to \\(2, 2, 4\\)"),
        (Odd(lambda x: x.t()), (4, 4), "no module gave"),
        (Odd(lambda x: x.mul_(2)), (1, 4), "changed in place"),
    ],
)
def test_what_cannot_be_seen_or_written_is_refused(net: nn.Module, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export_from("snntorch", net, torch.zeros(shape))


def test_branches_from_the_input_and_shared_names() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input, self.left, self.right = nn.Linear(4, 3), leaky(), leaky()
            self.other = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> Any:
            return self.left(self.input(x)), self.right(self.other(x))

    graph = export_from("snntorch", Net(), torch.zeros(1, 4), dt=1e-3)
    assert graph.edges == [
        ("x", "input_1"), ("input_1", "left"), ("x", "other"), ("other", "right"),
        ("left", "output_0"), ("right", "output_1"),
    ]  # fmt: skip
    assert isinstance(graph.nodes["x"], nir.Input)
    assert check(graph).dialect == dialects.parse("snntorch,gain=one,dt=0.001")


def test_an_unknown_framework_and_a_dt_that_is_none() -> None:
    with pytest.raises(UsageProblem, match="known: snntorch, norse"):
        export_from("brian", leaky(), torch.zeros(1, 4))
    with pytest.raises(ExportError, match="dt must be a positive number"):
        export_from("snntorch", leaky(), torch.zeros(1, 4), dt=0.0)


def test_without_its_name_the_error_names_it() -> None:
    net = nn.Sequential(nn.Linear(4, 3), snntorch.Leaky(beta=0.9, init_hidden=True))
    with pytest.raises(ExportError, match=r"the net has modules of snntorch: 1 \(Leaky\)") as caught:
        nirdeploy.export_to_nir(net, torch.ones(1, 4))
    assert "nd.export_from('snntorch', net, x)" in caught.value.hint
