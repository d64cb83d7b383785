"""A net whose output is a membrane, as snnTorch's regressions have it: a read-out, where no reset says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from nirdeploy.exchange.frontends import export_from
from nirdeploy.graph.check import check
from nirdeploy.sim import float_
from tests.frameworks.networks import in_float64, stimulus, weighted

Written = Callable[[list[torch.Tensor], list[torch.Tensor]], Any]


class Regression(nn.Module):
    """Gives what ``written`` makes of the hidden spikes and the last membrane of each step."""

    def __init__(self, last: Any, written: Written) -> None:
        super().__init__()
        rng = np.random.default_rng(3)
        self.fc1, self.lif1 = weighted(nn.Linear(6, 9), rng), snntorch.Leaky(beta=0.8)
        self.fc2, self.last, self.written = weighted(nn.Linear(9, 2), rng), last, written
        self.membranes: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> Any:
        state, own = self.lif1.reset_mem(), self.last.reset_mem()
        hidden, membranes = [], []
        for frame in x:
            spikes, state = self.lif1(self.fc1(frame), state)
            _, *own = self.last(self.fc2(spikes), *(own if isinstance(own, (tuple, list)) else [own]))
            hidden.append(spikes)
            membranes.append(own[-1])
        self.membranes = membranes
        return self.written(hidden, membranes)


LAST: dict[str, Callable[..., Any]] = {
    "LI": lambda **options: snntorch.Leaky(beta=torch.tensor([0.9, 0.7]), **options),
    "CubaLI": lambda **options: snntorch.Synaptic(alpha=0.6, beta=0.9, **options),
}


@pytest.mark.parametrize(
    "written",
    [
        lambda hidden, membranes: torch.stack(membranes),
        lambda hidden, membranes: membranes[-1],
        lambda hidden, membranes: torch.stack(membranes).mean(0).softmax(-1),
        lambda hidden, membranes: (torch.stack(hidden), torch.stack(membranes)),
    ],
    ids=["stack", "last", "mean", "beside spikes"],
)
@pytest.mark.parametrize("model", LAST)
def test_a_membrane_is_the_output(model: str, written: Written) -> None:
    net: Any = in_float64(Regression(LAST[model](reset_mechanism="none"), written).eval())
    x = stimulus(np.random.default_rng(1), 30, (6,))
    with torch.no_grad():
        net(x)
    membranes = torch.stack(net.membranes).numpy()
    graph = export_from("snntorch", net, x[:2])
    assert type(graph.nodes["last"]).__name__ == model
    record = float_.simulate(check(graph), x.numpy(), probe="outputs")
    np.testing.assert_allclose(record.membrane["last"], membranes, rtol=1e-12, atol=1e-12)
    assert np.abs(membranes).max() > 0.5
    assert len(record.outputs) == len(record.spikes) + 1


def test_a_membrane_that_spikes_reset_is_no_read_out() -> None:
    net = in_float64(Regression(snntorch.Leaky(beta=0.9), lambda hidden, membranes: torch.stack(membranes)))
    graph = export_from("snntorch", net, stimulus(np.random.default_rng(1), 2, (6,)))
    assert type(graph.nodes["last"]).__name__ == "LIF"


def test_a_neuron_whose_spikes_go_on_fires() -> None:
    """Its membrane is given as well, and it has no reset."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(4, 3), snntorch.Leaky(beta=0.9, reset_mechanism="none")
            self.fc2, self.lif2 = nn.Linear(3, 2), snntorch.Leaky(beta=0.9)

        def forward(self, x: torch.Tensor) -> Any:
            spikes, membrane = self.lif1(self.fc1(x), self.lif1.reset_mem())
            return self.lif2(self.fc2(spikes), self.lif2.reset_mem())[0], membrane

    graph = export_from("snntorch", Net(), torch.zeros(1, 4))
    assert [type(graph.nodes[name]).__name__ for name in ("lif1", "lif2")] == ["LIF", "LIF"]
    assert [name for name in graph.nodes if name.startswith("output")] == ["output"]
