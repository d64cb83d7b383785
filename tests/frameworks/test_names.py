"""One rule of names (docs/export.md): the same network has the same nodes, whichever framework it is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import nir
import norse.torch as norse
import pytest
import sinabs.layers as sinabs
import snntorch
import torch
from spikingjelly.activation_based import layer, neuron
from torch import nn

import nirdeploy as nd
from nirdeploy.exchange import LIF, MultiStep, Recurrent, Sequential


@dataclass(frozen=True)
class Framework:
    """How one framework writes a network: LIF neurons, recurrent ones, a layer, and the leading shape of its input."""

    lif: Callable[[], nn.Module]
    recurrent: Callable[[int], nn.Module] | None
    leading: tuple[int, ...]
    name: str = ""  # of the frontend; "": export_to_nir
    layer: Callable[[nn.Module], nn.Module] = lambda module: module

    def export(self, net: nn.Module, *shape: int) -> nir.NIRGraph:
        x = torch.zeros(*self.leading, *shape)
        return nd.export_from(self.name, net, x) if self.name else nd.export_to_nir(net, x)


def jelly() -> nn.Module:
    node: nn.Module = neuron.LIFNode()
    return node


FRAMEWORKS = {
    "nirdeploy": Framework(
        lambda: LIF(tau=2e-3),
        lambda size: Recurrent(LIF(tau=2e-3), nn.Linear(size, size)),
        (3, 2),
        layer=MultiStep,
    ),
    "spikingjelly": Framework(
        jelly,
        None,  # its containers: below
        (2,),
        "spikingjelly",
    ),
    "spikingjelly, to_nir": Framework(
        jelly,
        None,  # its containers: below
        (2,),
    ),
    "snntorch": Framework(
        lambda: snntorch.Leaky(beta=0.9, init_hidden=True),
        lambda size: snntorch.RLeaky(beta=0.9, linear_features=size, init_hidden=True),
        (2,),
        "snntorch",
    ),
    "norse": Framework(
        norse.LIFCell,
        lambda size: norse.LIFRecurrentCell(size, size),
        (2,),
        "norse",
    ),
    "sinabs": Framework(
        lambda: sinabs.LIFSqueeze(tau_mem=10.0, batch_size=1),
        lambda size: sinabs.LIFRecurrent(tau_mem=10.0, rec_connect=nn.Linear(size, size)),
        (2,),
        "sinabs",
    ),
}
every = pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)


class Net(nn.Module):
    """Modules by name, called one after the other; a flatten that is a call in front of ``fc``."""

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name, module in self.named_children():
            given: Any = module(x.flatten(-3) if name == "fc" else x)
            x = given[0] if isinstance(given, tuple) else given
        return x


def in_a_row(*names: str) -> list[tuple[str, str]]:
    return list(pairwise(names))


@every
def test_attributes_of_a_net(framework: Framework) -> None:
    net = Net(fc1=nn.Linear(4, 6), lif1=framework.lif(), fc2=nn.Linear(6, 3), lif2=framework.lif())
    graph = framework.export(net, 4)
    assert list(graph.nodes) == ["x", "fc1", "lif1", "fc2", "lif2", "output"]
    assert graph.edges == in_a_row(*graph.nodes)


@every
def test_numbers_in_a_sequential(framework: Framework) -> None:
    layers = [nn.Linear(4, 6), framework.lif(), nn.Linear(6, 3), framework.lif()]
    own = {"norse": norse.SequentialState, "": Sequential}.get(framework.name, nn.Sequential)
    for kind in {nn.Sequential, own} if framework.name != "norse" else {own}:
        graph = framework.export(kind(*layers), 4)
        assert list(graph.nodes) == ["input_1", "_0", "_1", "_2", "_3", "output"]


@every
def test_a_convolution_blocks_and_a_flatten(framework: Framework) -> None:
    block = Net(conv=framework.layer(nn.Conv2d(1, 2, 3)), lif=framework.lif())
    pool = framework.layer(nn.AvgPool2d(2))
    net = Net(block1=block, pool=pool, fc=nn.Linear(8, 3), lif2=framework.lif())
    graph = framework.export(net, 1, 6, 6)
    names = ["x", "block1_conv", "block1_lif", "pool", "fc_flatten", "fc", "lif2", "output"]
    assert list(graph.nodes) == names
    assert graph.edges == in_a_row(*names)


@pytest.mark.parametrize("name", [name for name, one in FRAMEWORKS.items() if one.recurrent])
def test_recurrent_neurons(name: str) -> None:
    framework = FRAMEWORKS[name]
    assert framework.recurrent is not None
    modules = {"fc1": nn.Linear(4, 6), "rec": framework.recurrent(6), "fc2": nn.Linear(6, 3)}
    if name == "sinabs":
        graph = nd.export_from("sinabs", Net(**modules, lif2=sinabs.LIF(tau_mem=10.0)), torch.zeros(2, 3, 4))
    else:
        graph = framework.export(Net(**modules, lif2=framework.lif()), 4)
    own = ["rec_input_weights"] if name == "norse" else []  # its cell has weights of its own behind fc1's
    assert [node for node in graph.nodes if node not in own] == [
        "x",
        "fc1",
        "rec",
        "rec_recurrent",
        "fc2",
        "lif2",
        "output",
    ]
    assert {("rec", "rec_recurrent"), ("rec_recurrent", "rec")} < set(graph.edges)


def test_what_a_wrapper_holds_is_called_as_the_wrapper() -> None:
    cell = layer.LinearRecurrentContainer(jelly(), 6, 6, step_mode="m")
    found = nd.export_to_nir(Net(fc1=layer.Linear(4, 6, step_mode="m"), rec=cell), torch.zeros(3, 2, 4))
    assert list(found.nodes) == ["x", "fc1", "rec_rc", "rec", "rec_rc_1", "output"]
    wrapped = Net(conv=layer.SeqToANNContainer(nn.Conv1d(2, 2, 3)), lif=neuron.LIFNode(step_mode="m"))
    assert list(nd.export_to_nir(wrapped, torch.zeros(5, 1, 2, 6)).nodes) == ["x", "conv", "lif", "output"]
    several = layer.SeqToANNContainer(nn.Conv1d(2, 2, 3), nn.Conv1d(2, 2, 3))
    graph = nd.export_to_nir(Net(conv=several, lif=neuron.LIFNode(step_mode="m")), torch.zeros(5, 1, 2, 6))
    assert list(graph.nodes) == ["x", "conv_0", "conv_1", "lif", "output"]
    lifted = Net(conv=norse.Lift(nn.Conv1d(2, 2, 3)), lif=norse.LIF())
    assert list(nd.export_from("norse", lifted, torch.zeros(5, 1, 2, 6)).nodes) == ["x", "conv", "lif", "output"]


@every
def test_a_layer_that_is_used_twice_is_numbered(framework: Framework) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif1, self.lif2, self.fc_1 = (
                nn.Linear(4, 4),
                framework.lif(),
                framework.lif(),
                nn.Linear(4, 2),
            )

        def forward(self, x: torch.Tensor) -> Any:
            for lif in (self.lif1, self.lif2):
                given: Any = lif(self.fc(x))
                x = given[0] if isinstance(given, tuple) else given
            return self.fc_1(x)

    found = list(framework.export(Twice(), 4).nodes)
    assert found == ["x", "fc", "lif1", "fc_2", "lif2", "fc_1", "output"]


@every
def test_one_neuron_alone_and_names_that_python_has(framework: Framework) -> None:
    assert list(framework.export(framework.lif(), 4).nodes) == ["input_1", "_0", "output"]
    net = Net(input=nn.Linear(4, 4), lif=framework.lif(), output=nn.Linear(4, 2))
    assert list(framework.export(net, 4).nodes) == ["x", "input_1", "lif", "output", "output_1"]
