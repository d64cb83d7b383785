"""Calls between modules that cannot come in: each is named with the line of the user's code and what would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import snntorch
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn
from torch.nn import functional as torch_functional

from nirdeploy.errors import ExportError
from nirdeploy.exchange.frontends import export_from

F = torch_functional


class Between(nn.Module):
    """A net that does ``call`` between two layers."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self.fc1, self.lif = nn.Linear(4, 4), snntorch.Leaky(beta=0.9)
        self.fc2, self.out = nn.Linear(4, 4), snntorch.Leaky(beta=0.9)
        self.call = call

    def forward(self, x: torch.Tensor) -> Any:
        spk, mem = self.lif(self.fc1(x), self.lif.init_leaky())
        return self.out(self.fc2(self.call(spk, mem)), self.out.init_leaky())[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda spk, mem: torch.sigmoid(spk), r"fc2 reads .*sigmoid at .*test_refused_calls.py:\d+"),
        (lambda spk, mem: mem, "fc2 reads the membrane of lif"),
        (lambda spk, mem: spk + 1, "a constant is added"),
        (lambda spk, mem: spk.cumsum(1), "cumsum"),
        (lambda spk, mem: F.layer_norm(spk, (4,)), "layer_norm"),
        (lambda spk, mem: spk if spk.sum() > 0 else mem, "cannot trace Between.forward: it has control flow"),
        (lambda spk, mem: F.relu(mem), "the membrane of lif"),
    ],
)
def test_a_call_that_cannot_come_in_is_named_with_its_line(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export_from("snntorch", Between(call), torch.zeros(2, 4))


@pytest.mark.parametrize("container", ["ElementWiseRecurrentContainer", "LinearRecurrentContainer"])
def test_one_step_does_not_show_what_comes_back(container: str) -> None:
    more: Any = {"element_wise_function": torch.add} if container[0] == "E" else {"in_features": 4, "out_features": 4}
    net = nn.Sequential(nn.Linear(4, 4), getattr(layer, container)(neuron.LIFNode(), **more))
    with pytest.raises(ExportError, match=rf"1 \({container}\) brings back .*one step") as caught:
        export_from("spikingjelly", net, torch.zeros(2, 4))
    assert "(T, B, ...)" in caught.value.hint
    functional.set_step_mode(net, "m")
    edges = export_from("spikingjelly", net, torch.zeros(3, 2, 4)).edges
    assert ("_1", "_1") in edges or ("_1_rc_1", "_1") in edges


def test_currents_are_not_rectified() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(4, 4), snntorch.Leaky(beta=0.9, init_hidden=True)

        def forward(self, x: torch.Tensor) -> Any:
            return self.lif(F.relu(self.fc(x)))

    with pytest.raises(ExportError, match=r"no NIR node for relu .*on spikes it does nothing"):
        export_from("snntorch", Net(), torch.zeros(2, 4))
