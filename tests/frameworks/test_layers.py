"""Every layer of torch.nn and of SpikingJelly: it comes in and computes the same, or is refused with a remedy."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import layer as jelly_layers
from spikingjelly.activation_based import neuron as jelly_neurons
from torch import nn

from nirdeploy.errors import ExportError
from nirdeploy.exchange import LI, export_to_nir
from nirdeploy.graph.check import check
from nirdeploy.sim import float_

TAU = torch.tensor(2e-4, dtype=torch.float64)  # of two steps
ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    (), (4, 4, 3), (1, 2), (4,), (2, 4), (4, 4), (2,), (3,), (1,), (4, 2), (2, 2), (0.5,), (4, 2, 1),
    ((6, 6), (3, 3)), (4, 4, 4), (1, (2, 2)), (nn.TransformerEncoderLayer(4, 2), 1), (4, 10, [2]), (2.0, 1.0, 4),
    (4, 4, 4, 6), (4, 6, 6),
)  # fmt: skip
SHAPES = ((2, 4), (2, 4, 6), (2, 4, 6, 6), (2, 4, 6, 6, 6))
CONTAINERS = {
    "Container", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential", "DataParallel",
    "MultiStepContainer", "SeqToANNContainer", "StepModeContainer", "ElementWiseRecurrentContainer", "MemoryModule",
    "LinearRecurrentContainer", "OTTTSequential", "RNNBase", "RNNCellBase", "StepModule", "MultiStepModule",
}  # fmt: skip
#: What comes in; all else is refused.
COMES_IN = {
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AlphaDropout", "AvgPool1d", "AvgPool2d",
    "BatchNorm1d", "BatchNorm2d", "ChannelShuffle", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d",
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout", "Flatten", "Identity", "LPPool1d",
    "LPPool2d", "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyConv1d", "LazyConv2d", "LazyConvTranspose1d",
    "LazyConvTranspose2d", "LazyLinear", "Linear", "MaxPool2d", "PixelShuffle", "PixelUnshuffle", "Unflatten",
    "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d", "ZeroPad1d", "ZeroPad2d",
}  # fmt: skip
#: Layers by the shape they are for, where they also run on others.
SHAPED = {
    **dict.fromkeys(("AvgPool2d", "MaxPool2d", "AdaptiveAvgPool2d", "LPPool2d"), (2, 4, 6, 6)),
    **dict.fromkeys(("ZeroPad2d", "LazyConv2d", "LazyConvTranspose2d", "ChannelShuffle", "Upsample"), (2, 4, 6, 6)),
    **dict.fromkeys(("AvgPool1d", "AdaptiveAvgPool1d", "LPPool1d", "LazyConv1d", "LazyConvTranspose1d"), (2, 4, 6)),
    "AdaptiveMaxPool2d": (2, 4, 8, 8),
    **dict.fromkeys(("MaxPool1d", "AdaptiveMaxPool1d", "ZeroPad1d"), (2, 4, 6)),
}


TABLE = jelly_neurons.FewSpikeTable([1.0], [1.0], [1.0])
#: Classes that want arguments of their own.
OWN: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "MultiDimensionalAttention": ((16, 16), {}),
    "FlexSN": ((lambda x, v: (x, v), 1), {}),
    "FewSpikeNode": ((TABLE,), {}),
    "HGNode": (([TABLE, TABLE], [0.5]), {}),
    "OutlierAwareThresholdNode": ((TABLE, TABLE, 0.5), {}),
    "MPBNBaseNode": ((), {"out_features": 4}),
    "MPBNLIFNode": ((), {"out_features": 4}),
    "ThresholdDependentBatchNorm1d": ((1.0, 0.5, 4), {}),
    "ThresholdDependentBatchNorm2d": ((1.0, 0.5, 4), {}),
    "VotingLayer": ((2,), {}),
}


def classes(module: Any) -> list[str]:
    return [
        name
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, nn.Module) and name not in CONTAINERS and name[0] != "_"
    ]


def made(kind: type[nn.Module], name: str) -> tuple[nn.Module, torch.Tensor]:
    """A layer of a class, and an input: one that it runs on, if there is one."""
    built = list(attempts(kind))
    assert built, f"no arguments make a {kind.__name__}"
    wanted = SHAPED.get(name)
    for module in built:
        for shape in SHAPES if wanted is None else (wanted,):
            x = torch.rand(shape, generator=torch.Generator().manual_seed(1)).double()
            try:
                out = module(x)
            except Exception:  # noqa: BLE001 - a layer says in many ways that it takes another shape
                continue
            if isinstance(out, torch.Tensor) and out.is_floating_point() and out.ndim > 1 and len(out) == 2:
                return module, x
    return built[0], torch.zeros(2, 4, dtype=torch.float64)


def attempts(kind: type[nn.Module]) -> Iterator[nn.Module]:
    given, named = OWN.get(kind.__name__, ((), {}))
    for arguments in (given,) if kind.__name__ in OWN else ARGUMENTS:
        try:
            yield kind(*arguments, **named).double().eval()
        except Exception:  # noqa: BLE001 - as above
            continue


def assert_comes_in(module: nn.Module, x: torch.Tensor) -> None:
    """Behind the layer a membrane takes half of what it gives."""
    with torch.no_grad():
        expected = 0.5 * module(x)
    graph = export_to_nir(nn.Sequential(module, LI(tau=TAU, step_mode="s")).double(), x)
    (found,) = float_.simulate(check(graph), x[None].numpy(), probe="outputs").membrane.values()
    np.testing.assert_allclose(found.reshape(expected.shape), expected.numpy(), rtol=1e-12, atol=1e-12)


def assert_refused(module: nn.Module, x: torch.Tensor) -> None:
    with pytest.raises(ExportError) as caught:
        export_to_nir(nn.Sequential(nn.Sequential(nn.Identity(), module)), x)
    message = str(caught.value)
    assert f"0.1 ({type(module).__name__})" in message, message
    assert caught.value.hint, message
    assert "write forward" not in message, message


def with_statistics(module: nn.Module) -> None:
    """A batch norm that does something."""
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is not None:
            assert norm.running_var is not None
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
            if norm.weight is not None:
                nn.init.uniform_(norm.weight, 0.5, 1.5)
            if norm.bias is not None:
                nn.init.uniform_(norm.bias, -1, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", classes(nn))
def test_every_layer_of_torch(name: str) -> None:
    torch.manual_seed(0)
    module: Any
    module, x = made(getattr(nn, name), name)
    if name.startswith("LPPool") and not name.endswith("3d"):
        module.norm_type = 1
    if name == "ConstantPad1d":
        module.value = 2.0
    with_statistics(module)
    if name in COMES_IN:
        assert_comes_in(module, x)
    else:
        assert_refused(module, x)


JELLY_COMES_IN = {
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Conv1d",
    "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Dropout", "Dropout2d", "Flatten", "Linear", "MaxPool2d",
    "PrintShapeModule", "ThresholdDependentBatchNorm1d", "ThresholdDependentBatchNorm2d", "Upsample", "VotingLayer",
    "WSConv2d", "WSLinear",
}  # fmt: skip
NEURONS = {"IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode", "NonSpikingIFNode", "NonSpikingLIFNode"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*classes(jelly_layers), *classes(jelly_neurons)])
def test_every_layer_of_spikingjelly(name: str) -> None:
    if name in NEURONS:  # held to their own runs elsewhere
        return
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module, x = made(getattr(jelly_layers, name, None) or getattr(jelly_neurons, name), name)
    if name.startswith("ThresholdDependent"):
        x = torch.rand(3, 2, 4, *[6] * (2 * name.endswith("2d")))
    module, x = module.double().eval(), x.double()
    with_statistics(module)
    if name not in JELLY_COMES_IN:
        assert_refused(module, x)
    elif name.startswith("Threshold"):
        expected = 0.5 * module(x)[0]
        graph = export_to_nir(nn.Sequential(module, LI(tau=TAU)).double(), x)
        (found,) = float_.simulate(check(graph), x[:1].numpy(), probe="outputs").membrane.values()
        np.testing.assert_allclose(found[0].reshape(expected.shape), expected.detach(), rtol=1e-12, atol=1e-12)
    else:
        assert_comes_in(module, x)
