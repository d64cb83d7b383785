"""Transposed convolutions and upsampling: a matrix where they are small, else a node of ours that keeps its grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import nn

import nirdeploy as nd
from nirdeploy.exchange import IF, LI, export_to_nir, import_from_nir
from nirdeploy.exchange.modules import MultiStep, Sequential
from nirdeploy.graph import file as nirfile
from nirdeploy.graph.check import check
from nirdeploy.graph.extension import ConvTranspose2d
from nirdeploy.semantics.operators import Convolution, Dense
from nirdeploy.sim import float_
from nirdeploy.targets import fitting
from nirdeploy.targets.fit import Fit

STEPS, BATCH = 3, 2
LARGE: dict[str, tuple[tuple[int, ...], list[nn.Module]]] = {
    "kernel is stride": ((8, 9, 9), [nn.ConvTranspose2d(8, 6, 2, stride=2)]),
    "overlapping, more at the end": (
        (8, 9, 8),
        [nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1, bias=False)],
    ),
    "groups, oblong, dilated": (
        (8, 9, 8),
        [nn.ConvTranspose2d(8, 4, (3, 2), stride=(1, 3), padding=(2, 0), dilation=(2, 1), groups=2)],
    ),
    "batch norm behind": ((8, 9, 9), [nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2), nn.BatchNorm2d(6)]),
    "nearest": ((8, 9, 9), [nn.Upsample(scale_factor=2)]),
    "nearest, before a convolution": ((6, 9, 9), [nn.Upsample(scale_factor=(2, 3)), nn.Conv2d(6, 5, 3, padding=1)]),
    "nearest, before a strided and grouped one": (
        (6, 12, 9),
        [nn.Upsample((36, 18)), nn.Conv2d(6, 4, 3, stride=2, padding=2, dilation=2, groups=2), nn.BatchNorm2d(4)],
    ),
    "nearest, before a pool": ((8, 8, 8), [nn.Upsample(scale_factor=3), nn.AvgPool2d(2)]),
}


def net(layers: list[nn.Module]) -> Any:
    """The layers with weights at random and a membrane that takes half of what they give."""
    torch.manual_seed(1)
    for module in layers:
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight, module.bias):
                nn.init.uniform_(values, 0.3, 1.2)  # type: ignore[arg-type]
    return Sequential(MultiStep(*layers), LI(tau=torch.tensor(2e-4, dtype=torch.float64))).double().eval()


@pytest.mark.parametrize("name", LARGE)
def test_a_large_one_keeps_its_grid(name: str, tmp_path: Path) -> None:
    shape, layers = LARGE[name]
    module, x = net(layers), torch.rand(STEPS, BATCH, *shape, dtype=torch.float64)
    with torch.no_grad():
        expected = module(x)
    nirfile.write(tmp_path / "net.nir", export_to_nir(module, x))
    graph = nirfile.read(tmp_path / "net.nir")
    assert sum(isinstance(node, ConvTranspose2d) for node in graph.nodes.values()) == 1
    assert not [node for node in graph.nodes.values() if isinstance(node, (nir.Linear, nir.Affine))]
    (projection,) = (checked := check(graph)).projections
    assert isinstance(projection.operator, Convolution)
    (found,) = float_.simulate(checked, x.numpy()).membrane.values()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-12)
    again = export_to_nir(import_from_nir(graph, dtype=torch.float64, step_mode="m"), x)
    assert list(again.nodes) == list(graph.nodes)
    (found,) = float_.simulate(check(again), x.numpy()).membrane.values()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(2, 3, 2, stride=2), nn.Upsample(scale_factor=2)])
def test_a_small_one_is_a_matrix_that_every_reader_knows(layer: nn.Module) -> None:
    module, x = net([layer]), torch.rand(STEPS, BATCH, 2, 4, 4, dtype=torch.float64)
    graph = export_to_nir(module, x)
    assert not [node for node in graph.nodes.values() if isinstance(node, ConvTranspose2d)]
    with torch.no_grad():
        expected = module(x).numpy()
    (found,) = float_.simulate(check(graph), x.numpy()).membrane.values()
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)


def spiking(channels: int, size: int) -> nir.NIRGraph:
    torch.manual_seed(2)
    up: Any = nn.Sequential(nn.ConvTranspose2d(channels, 2, 2, stride=2), nn.Conv2d(2, 2, 3, padding=1))
    with torch.no_grad():
        up[0].weight.mul_(4)
        up[1].weight.mul_(4)
    example = torch.zeros(1, 1, channels, size, size)
    return export_to_nir(Sequential(MultiStep(up[0]), IF(), MultiStep(up[1]), IF()), example)


def test_targets_walk_it_as_a_matrix() -> None:
    graph = check(spiking(8, 6))
    assert any(isinstance(p.operator, Convolution) and p.operator.spread == (2, 2) for p in graph.projections)
    fit = fitting.fit(graph, "fpga")
    assert fit.network is not None, fit.problems
    assert isinstance(fit.network.projections[0].operator, Dense)
    x = (np.random.default_rng(0).random((20, 2, 8, 6, 6)) < 0.3).astype(np.uint8)
    exact, kept = nd.simulate(graph, x), nd.simulate(graph, x, formats=fit.network.formats)
    for name, spikes in nd.simulate(fit.network, x).spikes.items():
        assert spikes.any()
        for rounded in (spikes, kept.spikes[name]):  # one scale per neuron, or one per channel
            assert (rounded != exact.spikes[name]).mean() < 0.05


def test_one_that_is_too_large_for_that_is_named() -> None:
    fit: Fit = fitting.fit(spiking(32, 64), "fpga")
    assert "is a transposed convolution (_0) of 4,294,967,296 weights" in str(fit.problems[0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weight": np.ones((3, 2, 2))}, "weight has shape"),
        ({"weight": np.ones((3, 2, 2, 2))}, "3 channels in 1 group"),
        ({"padding": np.array([3, 0])}, "takes more away than a kernel"),
        ({"stride": np.array([0, 1])}, "stride"),
        ({"stride": np.array([1 << 20, 1 << 20])}, "at most 67,108,864 are held"),
        ({"bias": np.zeros(7)}, "bias has shape"),
    ],
)
def test_odd_ones_are_refused(changed: dict[str, Any], message: str) -> None:
    two = np.array([2, 2])
    values: dict[str, Any] = {
        "weight": np.ones((2, 2, 2, 2)), "stride": two, "padding": 0 * two, "output_padding": 0 * two,
        "dilation": two // 2, "groups": 1, "bias": np.zeros(2), **changed,
    }  # fmt: skip
    ones = np.ones((2, 8, 8))
    nodes: dict[str, nir.NIRNode] = {
        "x": nir.Input({"input": np.array([2, 4, 4])}),
        "up": ConvTranspose2d(**values),
        "n": nir.IF(ones, ones, 0 * ones),
        "y": nir.Output({"output": np.array([2, 8, 8])}),
    }
    graph = nir.NIRGraph(nodes, [("x", "up"), ("up", "n"), ("n", "y")], type_check=False)
    with pytest.raises(nd.errors.GraphError, match=message):
        check(graph)
