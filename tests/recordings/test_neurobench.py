"""Networks that NeuroBench publishes, as trained in snnTorch: exported, built, and run on the virtual board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import snntorch
import torch
from torch import nn

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.exchange.frontends import export_from
from nirdeploy.graph.check import check
from nirdeploy.sim import float_
from nirdeploy.targets import registry as targets
from tests.frameworks.networks import BATCH, assert_home, at_home, in_float64

pytestmark = pytest.mark.xdist_group("default-board")


def state(folder: Path, name: str) -> dict[str, Any]:
    return torch.load(folder / name, weights_only=True, map_location="cpu")


def leaky(**options: Any) -> Any:
    return snntorch.Leaky(beta=0.9, init_hidden=True, **options)  # what was trained comes with the state


def speech(folder: Path) -> nn.Module:
    """Google Speech Commands: four dense layers, stepped from outside."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in ((20, 256), (256, 256), (256, 256), (256, 35)):
        layers += [nn.Linear(before, after), leaky(output=after == 35)]
    net = nn.Sequential(*layers)
    net.load_state_dict(state(folder, "gsc.pt"))
    return in_float64(net.eval())


class Gestures(nn.Module):
    """DVS gestures: the largest of the currents in each window drives a neuron."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.pool1, self.lif1 = nn.Conv2d(2, 16, 5, padding="same"), nn.MaxPool2d(2), leaky()
        self.conv2, self.pool2, self.lif2 = nn.Conv2d(16, 32, 5, padding="same"), nn.MaxPool2d(2), leaky()
        self.conv3, self.pool3, self.lif3 = nn.Conv2d(32, 64, 5, padding="same"), nn.MaxPool2d(2), leaky()
        self.linear1, self.dropout, self.lif4 = nn.Linear(1024, 11), nn.Dropout(0.5), leaky(output=True)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.lif1(self.pool1(self.conv1(x)))
        x = self.lif2(self.pool2(self.conv2(x)))
        x = self.lif3(self.pool3(self.conv3(x)))
        return self.lif4(self.dropout(self.linear1(x.flatten(1))))


class Reaching(nn.Module):
    """Primate reaching: the membrane of a neuron without reset says the velocity of the hand."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(96, 50, bias=False)
        self.lif1 = snntorch.Leaky(beta=0.96, threshold=1, reset_mechanism="zero")
        self.fc_out = nn.Linear(50, 2, bias=False)
        self.lif_out = snntorch.Leaky(beta=0.96, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, velocity = self.lif1.reset_mem(), self.lif_out.reset_mem()
        given = []
        for frame in x:
            spikes, hidden = self.lif1(self.fc1(frame), hidden)
            _, velocity = self.lif_out(self.fc_out(spikes), velocity)
            given.append(velocity)
        return torch.stack(given)


def reaching(folder: Path) -> nn.Module:
    net = Reaching()
    net.load_state_dict(state(folder, "primate_reaching_snn2.pt")["model_state_dict"])
    return in_float64(net.eval())


def counts(seed: int, shape: tuple[int, ...], rate: float, most: int = 7) -> torch.Tensor:
    """Event counts (T, B, *shape), float64."""
    drawn = np.random.default_rng(seed).poisson(rate, (*shape[:1], BATCH, *shape[1:]))
    return torch.tensor(np.minimum(drawn, most).astype(np.float64))


def test_speech_commands_at_home(neurobench: Path) -> None:
    net: Any = speech(neurobench)
    x = torch.tensor(np.random.default_rng(1).normal(0, 1, (100, BATCH, 20)))
    home = at_home({f"_{index}": net[index] for index in (2, 4, 6, 8)}, x, net)
    assert all(spikes.any() for spikes in home.values())
    assert_home(export_from("snntorch", net, x[0]), x, home)


def test_gestures_at_home(neurobench: Path) -> None:
    net = Gestures()
    net.load_state_dict(state(neurobench, "dvs_gesture.pt"))
    in_float64(net.eval())
    x = counts(2, (6, 2, 32, 32), 3.0)
    home = at_home({name: getattr(net, name) for name in ("lif1", "lif2", "lif3", "lif4")}, x, net)
    assert all(spikes.any() for spikes in home.values())
    graph = export_from("snntorch", net, x[0])
    assert [type(graph.nodes[name]).__name__ for name in ("pool1", "lif1")] == ["MaxPool2d", "LIF"]
    assert_home(graph, x, home)


def test_reaching_at_home(neurobench: Path) -> None:
    net: Any = reaching(neurobench)
    x = counts(3, (400, 96), 0.4)
    home = at_home({"lif1": net.lif1}, x[None], net)
    assert home["lif1"].any()
    graph = export_from("snntorch", net, x[:3])
    assert_home(graph, x, home)
    assert isinstance(graph.nodes["lif_out"], nir.LI), "its membrane is the output: there is nothing to fire"
    with torch.no_grad():
        velocity = net(x).numpy()
    (found,) = float_.simulate(check(graph), x.numpy(), probe="outputs").membrane.values()
    assert np.abs(velocity).max() > 0.1
    np.testing.assert_array_equal(found, velocity)


@pytest.fixture(scope="module")
def board() -> Iterator[Device]:
    with nd.open_device("virtual", targets.load("fpga")) as device:
        yield device


def assert_on_the_board(graph: nir.NIRGraph, stimulus: np.ndarray, board: Device, **inputs: Any) -> None:
    """Every population of the board, spikes and membranes, is the integer simulator's."""
    built = nd.build(graph, "fpga", **inputs)
    nd.flash(built, board)
    expected, measured = nd.simulate(built, stimulus), nd.run(board, stimulus)
    verdict = nd.verify(expected, measured)
    assert verdict.equal, verdict.summary()
    assert {p.population for p in verdict.populations} == {p.name for p in built.network.populations}
    assert all(spikes.any() for spikes in measured.spikes.values())


def test_speech_commands_on_the_board(neurobench: Path, board: Device) -> None:
    """Speech is coded in real numbers; counts drive the same network."""
    graph = export_from("snntorch", speech(neurobench), torch.zeros(1, 20))
    real = np.random.default_rng(4).normal(0, 1, (100, BATCH, 20)).clip(-4, 4)
    assert_on_the_board(graph, real, board, input_bits=8, input_range=(-4.0, 4.0))
    assert_on_the_board(graph, counts(4, (60, 20), 2.0).numpy().astype(np.uint8), board, input_bits=3)


def test_reaching_on_the_board(neurobench: Path, board: Device) -> None:
    graph = export_from("snntorch", reaching(neurobench), torch.zeros(3, 1, 96))
    assert_on_the_board(graph, counts(5, (100, 96), 0.4).numpy().astype(np.uint8), board, input_bits=3)


def test_a_state_that_was_saved_with_another_reset(neurobench: Path) -> None:
    """The state brings the number of its reset, not what the neuron does; the remedy names the one to build."""
    net = Reaching()
    net.lif1 = snntorch.Leaky(beta=0.96)
    net.load_state_dict(state(neurobench, "primate_reaching_snn2.pt")["model_state_dict"])
    with pytest.raises(nd.errors.ExportError, match=r"lif1 \(Leaky\).* from 'subtract' to 'zero'") as caught:
        export_from("snntorch", net, torch.zeros(3, 1, 96))
    assert caught.value.hint == "build it with reset_mechanism='zero', then load the state"
