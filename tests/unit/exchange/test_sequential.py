"""Convolutional nets of our own modules: they train, export, import and run, many steps at once or one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from nirdeploy.exchange import IF, LI, LIF, MultiStep, Sequential, export_to_nir, import_from_nir
from nirdeploy.graph.check import check
from nirdeploy.sim import float_

STEPS, DT = 4, 1e-3


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Images 0..1 (samples, 1, 8, 8) and labels."""
    data = load_digits()
    return torch.tensor(data.images / 16.0).float()[:, None], torch.tensor(data.target)


def convolutional() -> nn.Sequential:
    options: dict[str, Any] = {"dt": DT, "dialect": "nir"}
    return nn.Sequential(
        MultiStep(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)),
        LIF(tau=2 * DT, r=3.0, **options),
        MultiStep(nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8)),
        LIF(tau=2 * DT, r=3.0, **options),
        MultiStep(nn.AvgPool2d(2), nn.Flatten()),
        nn.Linear(32, 10),
        LI(tau=4 * DT, **options),
    )


def test_a_multi_step_convolutional_net_learns_digits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images, labels = digits()
    net = convolutional()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for start in 2 * list(range(0, 900, 60)):
        x = images[start : start + 60].expand(STEPS, -1, -1, -1, -1)
        loss = nn.functional.cross_entropy(4 * net(x).mean(0), labels[start : start + 60])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net = net.double().eval()
    x = images[900:1200].double().expand(STEPS, -1, -1, -1, -1)
    with torch.no_grad():
        expected = net(x)
    accuracy = float((expected.mean(0).argmax(1) == labels[900:1200]).double().mean())
    assert accuracy > 0.6
    path = tmp_path / "digits.nir"
    graph = export_to_nir(net, x[:, :1], save_path=path, dt=DT)
    assert "BatchNorm" not in str(graph.nodes)
    x = x[:, :40].contiguous()
    (found,) = float_.simulate(check(path), x.numpy(), probe="outputs").membrane.values()
    np.testing.assert_allclose(found, expected[:, :40], rtol=1e-9, atol=1e-12)
    module = import_from_nir(path, step_mode="m", dtype=torch.float64)
    with torch.no_grad():
        np.testing.assert_allclose(module(x)[0], expected[:, :40], rtol=1e-9, atol=1e-12)


def modules(step_mode: str) -> list[nn.Module]:
    torch.manual_seed(1)
    return [
        nn.Conv2d(1, 3, 3, padding=1),
        IF(v_threshold=0.3, step_mode=step_mode),
        nn.MaxPool2d(2),
        nn.Flatten(1),
        nn.Linear(48, 5),
        IF(v_threshold=0.1, step_mode=step_mode),
    ]


def test_steps_one_by_one_are_the_whole_in_pieces() -> None:
    x = digits()[0][:6].repeat(1, 1, 1, 1)[None].repeat(STEPS, 1, 1, 1, 1)
    whole = Sequential(*modules("m"))(x)
    assert whole.sum() > 10
    single, states, pieces = Sequential(*modules("s")), None, []
    for frame in x:
        out, states = single(frame, states)
        pieces.append(out)
    torch.testing.assert_close(torch.stack(pieces), whole, rtol=0, atol=0)


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("kind", [Sequential, nn.Sequential])
def test_both_step_modes_export_and_run(kind: type[nn.Sequential], step_mode: str) -> None:
    net = kind(*modules(step_mode)).double()
    x = digits()[0][:6][None].repeat(STEPS, 1, 1, 1, 1).double()
    if kind is nn.Sequential and step_mode == "m":  # torch's convolutions take no time: that is what MultiStep is for
        parts = list(net)
        net = nn.Sequential(MultiStep(parts[0]), parts[1], MultiStep(*parts[2:4]), *parts[4:])
    graph = export_to_nir(net, x if step_mode == "m" else x[0])
    expected = Sequential(*modules("m")).double()(x).detach().numpy()
    (found,) = float_.simulate(check(graph), x.numpy(), probe="outputs").spikes.values()
    np.testing.assert_array_equal(found, expected)
