"""Forwards as people write them: calls between modules, containers, loops over time; spikes as at home."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import norse.torch as norse
import numpy as np
import pytest
import sinabs.layers as sinabs
import snntorch
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn
from torch.nn import functional as torch_functional

from nirdeploy.exchange.frontends import export_from
from nirdeploy.graph.check import check
from nirdeploy.sim import float_
from tests.frameworks.networks import in_float64

STEPS, BATCH = 6, 2
F = torch_functional


def lively(net: nn.Module, seed: int = 0) -> Any:
    """Weights of a size that makes neurons spike, and batch statistics that do something; float64, eval."""
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.15, 2.0 / np.sqrt(module.weight[0].numel()))
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return in_float64(net).eval()


def stimulus(*shape: int, seed: int = 0) -> torch.Tensor:
    drawn = np.random.default_rng(seed).random((STEPS, BATCH, *shape)) < 0.4
    return torch.from_numpy(drawn.astype(np.float64))


def run_jelly(net: nn.Module, x: torch.Tensor) -> np.ndarray:
    functional.reset_net(net)
    with torch.no_grad():
        out: torch.Tensor = net(x)
    functional.reset_net(net)
    return out.numpy()


def found(graph: nir.NIRGraph, x: torch.Tensor) -> np.ndarray:
    """The one output of a graph, (T, B, ...)."""
    record = float_.simulate(check(graph), x.numpy(), probe="outputs")
    (values,) = [*record.spikes.values(), *record.membrane.values()]
    return values


def assert_same(graph: nir.NIRGraph, x: torch.Tensor, expected: np.ndarray, *, spikes: bool = True) -> None:
    values = found(graph, x).reshape(expected.shape)
    assert (expected != 0).sum() > 10, "nothing spiked"
    if spikes:
        np.testing.assert_array_equal(values, expected)
    else:
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)


class Sew(nn.Module):
    """A block whose branches meet element by element."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv1, self.sn1 = layer.Conv2d(2, 4, 3, padding=1), neuron.IFNode(v_threshold=0.5)
        self.conv2, self.bn2, self.sn2 = layer.Conv2d(4, 4, 3, padding=1), layer.BatchNorm2d(4), neuron.IFNode()
        self.fc, self.out = layer.Linear(64, 5), neuron.LIFNode(v_threshold=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.sn1(self.conv1(x))
        y = self.sn2(self.bn2(self.conv2(x)))
        if self.how == "and":
            x = x * y
        elif self.how == "iand":
            x = y * (1.0 - x)
        elif self.how == "minus":
            x = x - y
        elif self.how == "in place":
            y += x
            x = y
        elif self.how == "twice":
            x = x + x
        else:
            x = 0.5 * (x + y) / 2
        if x.shape[2] == 4:  # a condition on shapes
            x = x.flatten(2)
        out: torch.Tensor = self.out(self.fc(x))
        return out


@pytest.mark.parametrize("how", ["and", "iand", "minus", "in place", "twice", "scaled"])
def test_branches_meet_element_by_element(how: str) -> None:
    net, x = lively(Sew(how)), stimulus(2, 4, 4)
    if how == "minus":
        nn.init.normal_(net.fc.weight, 0.0, 0.5)
    functional.set_step_mode(net, "m")
    assert_same(export_from("spikingjelly", net, x), x, run_jelly(net, x))


class Functional(nn.Module):
    """Every call of torch.nn.functional that a net has between its modules."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 2, 3, 3))
        self.conv, self.up = nn.Conv2d(6, 4, 3, padding=1, groups=2), nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.sn1, self.sn2, self.sn3 = (neuron.IFNode(step_mode="m") for _ in range(3))
        self.fc, self.sn4 = nn.Linear(36 + 2, 4), neuron.LIFNode(step_mode="m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps, batch = x.shape[:2]
        y = F.conv2d(F.pad(x.flatten(0, 1), (1, 2, 0, 1)), self.weight, padding=1)
        z = self.sn1(
            F.avg_pool2d(y.unflatten(0, (steps, batch)).view(-1, *y.shape[1:]), 2).view(steps, batch, 6, -1, 5)
        )
        z = F.max_pool2d(F.relu(z).reshape(steps * batch, 6, *z.shape[3:]), 2)
        z = self.sn2(F.dropout(self.conv(z), 0.5, self.training).reshape(steps, batch, 4, *z.shape[2:]))
        w = self.sn3(self.up(z.flatten(0, 1)).unflatten(0, (steps, batch)))
        flat = torch.cat([z.permute(0, 1, 3, 4, 2).reshape(steps, batch, -1), w.view(steps, batch, -1)], dim=-1)
        mean = w.mean(dim=(3, 4))
        out: torch.Tensor = self.sn4(self.fc(torch.cat((flat, mean), 2)[..., : self.fc.in_features]))
        return out


def test_functional_calls_views_and_permutations() -> None:
    net, x = Functional(), stimulus(2, 8, 8)
    nn.init.normal_(net.weight, 0.1, 0.5)
    net.fc = nn.Linear(16 + 32 + 2, 4)
    lively(net)
    assert_same(export_from("spikingjelly", net, x), x, run_jelly(net, x))


def contained(kind: str) -> nn.Module:
    conv = [layer.Conv2d(2, 3, 3, padding=1), layer.BatchNorm2d(3), layer.MaxPool2d(2)]
    if kind == "sequence to ANN":
        return nn.Sequential(
            layer.SeqToANNContainer(*conv[:2]), neuron.IFNode(step_mode="m"), layer.SeqToANNContainer(conv[2]),
            layer.Flatten(step_mode="m"), layer.Linear(12, 4, step_mode="m"), neuron.LIFNode(step_mode="m"),
        )  # fmt: skip
    if kind == "multi-step":
        return layer.MultiStepContainer(
            *conv[:2], neuron.IFNode(), conv[2], layer.Flatten(), layer.Linear(12, 4), neuron.LIFNode()
        )
    if kind == "step mode":
        return nn.Sequential(
            layer.StepModeContainer(False, "m", *conv[:2]),
            layer.StepModeContainer(True, "m", neuron.IFNode(), conv[2]),
            layer.StepModeContainer(True, "m", layer.Flatten(), layer.Linear(12, 4), neuron.LIFNode()),
        )
    inner = nn.Sequential(layer.Linear(8, 4), neuron.IFNode())
    recurrent = layer.LinearRecurrentContainer(inner, 8, 4, step_mode="m")
    return nn.Sequential(layer.Flatten(step_mode="m"), layer.Linear(32, 8, step_mode="m"), recurrent)


@pytest.mark.parametrize("kind", ["sequence to ANN", "multi-step", "step mode", "recurrent"])
def test_containers_of_spikingjelly(kind: str) -> None:
    net, x = lively(contained(kind)), stimulus(2, 4, 4)
    assert_same(export_from("spikingjelly", net, x), x, run_jelly(net, x))


class Static(nn.Module):
    """An image that is seen in every step, after a convolution that is computed once; votes at the end."""

    def __init__(self, vote: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.first = nn.Sequential(layer.Conv2d(1, 3, 3), layer.BatchNorm2d(3))
        self.rest = nn.Sequential(
            neuron.IFNode(step_mode="m"), layer.MaxPool2d(2, step_mode="m"), layer.Flatten(step_mode="m"),
            layer.Linear(12, 6, step_mode="m"), neuron.IFNode(step_mode="m"), layer.VotingLayer(2, step_mode="m"),
        )  # fmt: skip
        self.vote = vote

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        many = self.first(x).unsqueeze(0).repeat(STEPS, 1, 1, 1, 1)
        return self.vote(self.rest(many))


@pytest.mark.parametrize("vote", [lambda y: y.mean(0), lambda y: y.sum(dim=0), lambda y: F.softmax(y.mean(0), dim=1)])
def test_an_image_is_repeated_and_the_votes_are_read_out(vote: Callable[[torch.Tensor], torch.Tensor]) -> None:
    net, image = lively(Static(vote)), stimulus(1, 6, 6)[0]
    graph = export_from("spikingjelly", net, image)
    net.vote = lambda y: y
    held = image.expand(STEPS, *image.shape).contiguous()
    assert_same(graph, held, run_jelly(net, image), spikes=False)


class ByHand(nn.Module):
    """A recurrent connection in a loop of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.back = nn.Linear(5, 7), nn.Linear(7, 7)
        self.lif, self.slow = snntorch.Leaky(beta=0.8), nn.Linear(7, 3)
        self.out = snntorch.Synaptic(alpha=0.6, beta=0.7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem, spk = self.lif.init_leaky(), torch.zeros(x.shape[1], 7, dtype=x.dtype)
        syn, last = self.out.init_synaptic()
        given = []
        for step in range(x.shape[0]):
            before = spk
            spk, mem = self.lif(self.fc(x[step]) + self.back(spk), mem)
            out, syn, last = self.out(self.slow(before), syn, last)  # what was spiked the step before
            given.append(out)
        return torch.stack(given)


def test_a_recurrence_by_hand_and_a_late_connection() -> None:
    net, x = lively(ByHand(), 3), stimulus(5)
    with torch.no_grad():
        net.slow.bias.zero_()  # before the first step there is nothing that it could be added to
        expected = net(x).numpy()
    graph = export_from("snntorch", net, x)
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert kinds.count("Delay") == 1
    assert ("back", "lif") in graph.edges
    assert ("lif", "back") in graph.edges
    assert_same(graph, x, expected)


class Shifted(nn.Module):
    """The spikes of the step before, by moving the whole sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.sn = layer.Linear(5, 8, bias=False, step_mode="m"), neuron.IFNode(step_mode="m")
        self.head, self.out = layer.Linear(8, 4, bias=False, step_mode="m"), neuron.LIFNode(step_mode="m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.sn(self.fc(x))
        late = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
        out: torch.Tensor = self.out(self.head(late))
        return out


def test_a_sequence_that_is_moved_by_a_step() -> None:
    net, x = lively(Shifted()), stimulus(5)
    with torch.no_grad():
        net.head.weight.abs_().mul_(2)
    graph = export_from("spikingjelly", net, x)
    assert [type(node).__name__ for node in graph.nodes.values()].count("Delay") == 1
    assert_same(graph, x, run_jelly(net, x))


class BatchFirst(nn.Module):
    def __init__(self, turned: bool) -> None:
        super().__init__()
        self.turned = turned
        self.fc, self.lif = nn.Linear(6, 8), snntorch.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> Any:
        mem, out = self.lif.init_leaky(), 0
        if self.turned:
            x = x.permute(1, 0, 2)
        for step in range(STEPS):
            spk, mem = self.lif(self.fc(x[step] if self.turned else x[:, step]), mem)
            out = out + spk
        return out / STEPS


@pytest.mark.parametrize("turned", [True, False])
def test_batch_first_and_spikes_counted_over_time(turned: bool) -> None:
    net, x = lively(BatchFirst(turned)), stimulus(6)
    graph = export_from("snntorch", net, x.transpose(0, 1).contiguous())
    with torch.no_grad():
        expected = net(x.transpose(0, 1)).numpy()
    assert expected.sum() > 1
    np.testing.assert_allclose(found(graph, x).mean(0), expected, rtol=1e-6)  # snnTorch counts in float32


def test_a_layer_that_is_used_twice() -> None:
    shared = nn.Linear(4, 4)
    net: Any = nn.Sequential(
        shared, snntorch.Leaky(beta=0.9, init_hidden=True), shared, snntorch.Leaky(beta=0.9, init_hidden=True)
    )
    lively(net)
    x = stimulus(4)
    with torch.no_grad():
        shared.weight.abs_()
    graph = export_from("snntorch", net, x[0])
    assert list(graph.nodes) == ["input_1", "_0", "_1", "_0_1", "_3", "output"]
    for module in (net[1], net[3]):
        module.reset_mem()
    with torch.no_grad():
        assert_same(graph, x, torch.stack([net(frame) for frame in x]).numpy())


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_lapicque(reset: str) -> None:
    for options in ({"beta": 0.8}, {"R": 2.0, "C": 3.0}, {"R": 1.5, "C": 2.0, "time_step": 0.5}):
        neurons: nn.Module = snntorch.Lapicque(init_hidden=True, reset_mechanism=reset, **options)
        net, x = lively(nn.Sequential(nn.Linear(6, 9), neurons)), stimulus(6)
        with torch.no_grad():
            net[0].weight.mul_(4)
        graph = export_from("snntorch", net, x[0])
        net[1].reset_mem()
        with torch.no_grad():
            assert_same(graph, x, torch.stack([net(frame) for frame in x]).numpy())


@pytest.mark.parametrize("whole", [True, False])
def test_norses_neurons_with_weights_and_over_time(whole: bool) -> None:
    parameters = norse.LIFParameters(*(torch.tensor(v).double() for v in (200.0, 100.0, 0.0, 0.6, 0.0)))
    read_out = norse.LIParameters(*(torch.tensor(v).double() for v in (200.0, 100.0, 0.0)))
    kinds: Any = (
        (norse.LIFRecurrent, norse.LIF, norse.LI) if whole else (norse.LIFRecurrentCell, norse.LIFCell, norse.LICell)
    )
    layers = [
        kinds[0](5, 8, p=parameters),
        nn.Linear(8, 6),
        kinds[1](p=parameters),
        nn.Linear(6, 3),
        kinds[2](p=read_out),
    ]
    net, x = lively(norse.SequentialState(*layers), 1), stimulus(5)
    with torch.no_grad():
        net[0].input_weights.mul_(4)
        net[1].weight.mul_(4)
    graph = export_from("norse", net, x if whole else x[0])
    state, outs = None, []
    with torch.no_grad():
        if whole:
            expected = net(x)[0].numpy()
        else:
            for frame in x:
                out, state = net(frame, state)
                outs.append(out)
            expected = torch.stack(outs).numpy()
    assert_same(graph, x, expected, spikes=False)


def test_one_dimension() -> None:
    modules = [
        layer.Conv1d(2, 4, 3, padding=1), layer.BatchNorm1d(4), neuron.IFNode(), layer.MaxPool1d(2),
        layer.Conv1d(4, 4, 3, groups=4), neuron.IFNode(), layer.AvgPool1d(2), layer.BatchNorm1d(4), neuron.LIFNode(),
        layer.AdaptiveAvgPool1d(1), layer.Flatten(), layer.Linear(4, 5), layer.BatchNorm1d(5), neuron.IFNode(),
    ]  # fmt: skip
    net = lively(nn.Sequential(*modules))
    functional.set_step_mode(net, "m")
    with torch.no_grad():
        net[11].weight.abs_().mul_(6)
    x = stimulus(2, 14)
    assert_same(export_from("spikingjelly", net, x), x, run_jelly(net, x))


@pytest.mark.parametrize("rising", [True, False])
def test_batch_norms_meet_pools(rising: bool) -> None:
    """Behind a mean, and (where it does not turn the order around) behind a maximum of currents, it folds."""
    modules = [
        nn.Conv2d(1, 3, 3), nn.AvgPool2d(2), nn.BatchNorm2d(3), nn.MaxPool2d(2) if rising else nn.AvgPool2d(2),
        nn.BatchNorm2d(3), snntorch.Leaky(beta=0.8, init_hidden=True),
    ]  # fmt: skip
    net, x = lively(nn.Sequential(*modules), 2), stimulus(1, 10, 10)
    with torch.no_grad():
        net[0].weight.abs_().mul_(3)
        net[4].weight[0].mul_(1 if rising else -1)
    graph = export_from("snntorch", net, x[0])
    assert not [name for name in graph.nodes if name in ("_2", "_4")]
    net[5].reset_mem()
    with torch.no_grad():
        assert_same(graph, x, torch.stack([net(frame) for frame in x]).numpy())


def test_a_maximum_of_counts() -> None:
    """sinabs' neurons spike several times a step; the largest number goes on."""
    modules = [
        nn.Conv2d(1, 3, 3), sinabs.IAFSqueeze(batch_size=1), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2),
        sinabs.IAFSqueeze(batch_size=1),
    ]  # fmt: skip
    net, x = lively(nn.Sequential(*modules), 2), stimulus(1, 6, 6)[:, :1]
    with torch.no_grad():
        net[0].weight.abs_().mul_(4)
        expected = net(x[:, 0]).numpy()[:, None]
    graph = export_from("sinabs", net, x[0])
    assert expected.max() > 1
    assert_same(graph, x, expected)


@pytest.mark.parametrize("kind", [neuron.NonSpikingIFNode, neuron.NonSpikingLIFNode])
def test_membranes_are_read_out(kind: Any) -> None:
    net = lively(nn.Sequential(layer.Linear(5, 6), neuron.IFNode(), layer.Linear(6, 3), kind(decode="last_mem")))
    functional.set_step_mode(net, "m")
    x = stimulus(5)
    graph = export_from("spikingjelly", net, x)
    np.testing.assert_allclose(found(graph, x)[-1], run_jelly(net, x), rtol=1e-9)
