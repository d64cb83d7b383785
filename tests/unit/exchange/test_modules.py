"""The spiking modules: their own equations, step by step or all at once, and trainable."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nirdeploy.errors import DialectError, UsageProblem
from nirdeploy.exchange import IF, LI, LIF

DT = 1e-4


def lif(**options: Any) -> LIF:
    return LIF(tau=4 * DT, r=4.0, **options)


def test_a_trace_by_hand() -> None:
    """dt / tau = 1/4 and r = 4: v' = 3/4 v + I."""
    neuron = lif()
    spikes, state = neuron.many(torch.tensor([[[0.75]], [[0.5]], [[0.5]]]), None)
    assert spikes.flatten().tolist() == [0.0, 1.0, 0.0]
    assert state.v.item() == 0.5


def test_if_adds_its_input_by_default() -> None:
    x = torch.full((5, 1, 1), 0.375)
    assert IF()(x).flatten().tolist() == [0, 0, 1, 0, 0]
    assert IF(dialect="nir,reset=subtract")(x).flatten().tolist() == [0, 0, 1, 0, 0]
    assert IF(dialect="nir,reset=subtract").many(x, None)[1].v.item() == pytest.approx(0.875)


@pytest.mark.parametrize(("dialect", "expected"), [("nir", 0.0), ("spikingjelly", 1.0), ("nir,threshold=>=", 1.0)])
def test_reaching_the_threshold(dialect: str, expected: float) -> None:
    assert lif(dialect=dialect)(torch.ones(1, 1, 1)).item() == expected


def test_li_gives_its_membrane() -> None:
    assert LI(tau=2 * DT)(torch.ones(2, 1, 1)).flatten().tolist() == [0.5, 0.75]


@pytest.mark.parametrize("make", [lif, IF, lambda **o: LI(tau=2 * DT, **o)])
def test_steps_are_the_whole_in_pieces(make: Any) -> None:
    x = torch.rand(7, 3, 5, generator=torch.Generator().manual_seed(0))
    whole = make(step_mode="m")(x)
    state, pieces = None, []
    single = make(step_mode="s")
    for current in x:
        out, state = single(current, state)
        pieces.append(out)
    torch.testing.assert_close(torch.stack(pieces), whole, rtol=0, atol=0)


def test_no_state_stays_between_calls() -> None:
    neuron = lif()
    x = torch.full((3, 1, 1), 0.4)
    torch.testing.assert_close(neuron(x), neuron(x), rtol=0, atol=0)


def test_gradients_reach_weights_and_learned_parameters() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), lif(learn=("tau",)), nn.Linear(8, 2), LI(tau=2 * DT))
    net(torch.rand(10, 4, 6)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(6, 16), LIF(tau=5 * DT, r=5.0), nn.Linear(16, 2), LI(tau=5 * DT, r=5.0))
    x = (torch.rand(12, 32, 6) < 0.4).float()
    target = (x[..., :3].mean((0, 2)) > x[..., 3:].mean((0, 2))).long()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(net(x).mean(0), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_parameters_are_one_or_one_each() -> None:
    neuron = LIF(tau=torch.tensor([2.0, 4.0]) * DT, r=torch.tensor([2.0, 4.0]), v_threshold=10.0)
    _, state = neuron.many(torch.ones(2, 1, 2), None)
    assert state.v.flatten().tolist() == [1.5, 1.75]


def test_float64_parameters_stay_exact() -> None:
    tau = torch.tensor([0.0123456789012345], dtype=torch.float64)
    neuron: Any = LIF(tau=tau)
    assert neuron.tau.dtype == torch.float64
    assert neuron.tau.item() == tau.item()


def test_buffers_and_parameters_are_in_the_state_dict() -> None:
    neuron = lif(learn=("v_threshold",))
    assert set(neuron.state_dict()) == {"tau", "r", "v_leak", "v_threshold", "v_reset"}
    assert [name for name, _ in neuron.named_parameters()] == ["v_threshold"]


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(UsageProblem, match="not 'x'"):
        lif(step_mode="x")
    with pytest.raises(UsageProblem, match="no parameter"):
        lif(learn=("weight",))
    with pytest.raises(DialectError, match="martian"):
        lif(dialect="martian")
    with pytest.raises(UsageProblem, match="no steps"):
        lif()(torch.zeros(0, 1, 1))
