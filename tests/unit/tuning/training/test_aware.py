"""quantize_aware: what it takes, what it refuses and in which words, and that training is worth it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import nirdeploy as nd
from nirdeploy.cli.demo_ import digits
from nirdeploy.errors import DoesNotFit, ExportError, UnknownPopulation, UsageProblem
from nirdeploy.exchange.modules import LIF
from nirdeploy.graph import file as nirfile
from nirdeploy.targets import registry as targets
from nirdeploy.tuning.training.module import IntegerModule
from tests import networks

CHIPS = [name for name in targets.names() if targets.backend_of(targets.load(name)).dynamics is not None]


def spikes(*shape: int) -> torch.Tensor:
    return torch.as_tensor(networks.spikes(0, shape)).float()


def agrees(module: IntegerModule, x: Any) -> bool:
    record = nd.simulate(module.network(), np.asarray(x))
    found = module.signals(x)
    assert any(values.any() for values in record.spikes.values())
    return all((found[name].detach().numpy() == values).all() for name, values in record.spikes.items())


# --- what it takes ------------------------------------------------------------------------


def test_a_graph_a_file_and_a_checked_graph_are_the_same(tmp_path: Path) -> None:
    graph = networks.two_layers()
    nirfile.write(tmp_path / "m.nir", graph)
    made = [nd.quantize_aware(given, bits=4) for given in (graph, tmp_path / "m.nir", nd.check(graph))]
    assert len({one.network().digest() for one in made}) == 1
    assert agrees(made[0], networks.spikes(0, (8, 3, 20)))


def test_a_module_of_ours_is_read_and_left_alone() -> None:
    net = nn.Sequential(nn.Linear(6, 8), LIF(tau=4e-3, r=4.0, v_threshold=0.3, dt=1e-3))
    before = {name: values.clone() for name, values in net.state_dict().items()}
    made = nd.quantize_aware(net, bits=2, example_input=spikes(5, 1, 6))
    assert agrees(made, spikes(9, 4, 6))
    made(spikes(9, 4, 6)).sum().backward()
    torch.optim.SGD(made.parameters(), lr=1.0).step()
    assert all((values == before[name]).all() for name, values in net.state_dict().items())


def snntorch_net() -> nn.Module:
    import snntorch

    return nn.Sequential(
        nn.Conv2d(1, 3, 3), snntorch.Leaky(beta=0.7, threshold=0.4, init_hidden=True), nn.Flatten(), nn.Linear(48, 5),
        snntorch.Leaky(beta=0.8, threshold=0.3, init_hidden=True),
    )  # fmt: skip


def spikingjelly_net() -> nn.Module:
    from spikingjelly.activation_based import layer, neuron

    return nn.Sequential(
        layer.Conv2d(1, 3, 3, step_mode="m"), neuron.LIFNode(v_threshold=0.3, step_mode="m"),
        layer.MaxPool2d(2, step_mode="m"), layer.Flatten(step_mode="m"), layer.Linear(12, 5, step_mode="m"),
        neuron.IFNode(v_threshold=0.2, step_mode="m"),
    )  # fmt: skip


def norse_net() -> nn.Module:
    import norse.torch as norse

    def cell(threshold: float) -> nn.Module:
        return norse.LIFBoxCell(norse.LIFBoxParameters(tau_mem_inv=300.0, v_th=torch.tensor(threshold)))

    return norse.SequentialState(nn.Conv2d(1, 3, 3), cell(0.05), nn.Flatten(), nn.Linear(48, 5), cell(0.02))


@pytest.mark.parametrize(
    ("make", "dialect", "steps"),
    [(snntorch_net, "snntorch", False), (spikingjelly_net, "spikingjelly", True), (norse_net, "norse", False)],
)
def test_nets_of_frameworks_are_known_by_their_classes(make: Any, dialect: str, steps: bool) -> None:
    torch.manual_seed(1)
    net, x = make(), spikes(8, 3, 1, 6, 6)
    made = nd.quantize_aware(net, bits=4, example_input=x if steps else x[0])
    assert made.graph().dialect.preset == dialect
    assert agrees(made, x)
    assert nd.quantize_aware(net, bits=4, example_input=x if steps else x[0], framework=dialect).network().digest() == (
        made.network().digest()
    )


# --- what it refuses ----------------------------------------------------------------------


@pytest.mark.parametrize("name", CHIPS)
def test_a_target_with_neurons_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(UsageProblem, match=rf"neurons step by rules of their own.*target {name}.*train for a target"):
        nd.quantize_aware(networks.two_layers(), name)


def test_widths_that_the_target_has_not_are_refused() -> None:
    with pytest.raises(DoesNotFit, match=r"'lif1' are to have 5 bits, the target has 2, 4 or 8 bits"):
        nd.quantize_aware(networks.two_layers(), bits=5)
    with pytest.raises(UnknownPopulation, match=r"no population 'fc9'"):
        nd.quantize_aware(networks.two_layers(), bits={"fc9": 4})


def test_a_module_needs_an_example() -> None:
    with pytest.raises(UsageProblem, match=r"only when it runs; give one input as it wants it"):
        nd.quantize_aware(nn.Sequential(nn.Linear(2, 2), LIF(tau=2e-3)))


def test_what_does_not_export_is_refused() -> None:
    with pytest.raises(ExportError, match="Softmax"):
        nd.quantize_aware(nn.Sequential(nn.Linear(2, 2), nn.Softmax(1), LIF(tau=2e-3)), example_input=spikes(4, 1, 2))


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(UsageProblem, match=r"a list is neither a module, nor a graph, nor a file; name its framework"):
        nd.quantize_aware([1], example_input=spikes(4, 1, 2))


def test_modules_of_two_frameworks_ask_which() -> None:
    net = nn.ModuleList([snntorch_net(), norse_net()])
    with pytest.raises(UsageProblem, match="modules of snntorch and norse; name the one that runs it"):
        nd.quantize_aware(net, example_input=spikes(4, 1, 2))


def test_a_network_without_weights_is_refused() -> None:
    graph = networks.two_layers()
    for name in ("fc1", "fc2"):
        graph.nodes[name].weight = np.zeros_like(graph.nodes[name].weight)
    with pytest.raises(UsageProblem, match="there is nothing to train"):
        nd.quantize_aware(graph)


# --- what it is worth ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> tuple[digits.Digits, nn.Sequential, float]:
    """The data of the demo, a float network that was trained a little, and its accuracy."""
    data = digits.load()
    torch.manual_seed(0)
    net = digits.network()
    train(net, data, epochs=8, rate=4e-3)
    return data, net, accuracy(net, data)


def train(net: nn.Module, data: digits.Digits, epochs: int, rate: float) -> None:
    x, y = torch.as_tensor(data.train_x).float(), torch.as_tensor(data.train_y)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(net(x[:, batch]).sum(dim=0), y[batch]).backward()
            optimizer.step()


def accuracy(net: nn.Module, data: digits.Digits) -> float:
    with torch.no_grad():
        found = net(torch.as_tensor(data.test_x).float()).sum(dim=0).argmax(dim=1).numpy()
    return float((found == data.test_y).mean())


@pytest.mark.parametrize(("bits", "lost"), [(2, 0.02), (4, 0.01)])
def test_training_on_few_bits_wins_back_what_rounding_loses(
    trained: tuple[digits.Digits, nn.Sequential, float], bits: int, lost: float
) -> None:
    data, net, best = trained
    made = nd.quantize_aware(net, bits=bits, example_input=torch.zeros(digits.STEPS, 1, 64))
    plain = nd.fit(nd.export_to_nir(net, torch.zeros(digits.STEPS, 1, 64), dt=digits.DT), bits=bits).network
    rounded = nd.accuracy(nd.simulate(plain, data.test_x, probe="outputs"), data.test_y)
    before = accuracy(made, data)
    torch.manual_seed(0)
    train(made, data, epochs=4, rate=2e-3)
    after = accuracy(made, data)
    assert after > max(rounded, before)
    assert after >= best - lost
    built = nd.build(made.nir_graph(), stop="quantize")
    assert nd.accuracy(nd.simulate(built, data.test_x, probe="outputs"), data.test_y) == after
