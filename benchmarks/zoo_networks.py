"""The networks of benchmarks/zoo.py, as the frameworks build them.

SpikingJelly's own collection, by its own builders; a DenseNet-like and a U-Net-like net of its layers; the nets of
snnTorch's tutorials 5 to 7; a Norse net and a Sinabs net as their MNIST examples have them. ``small`` has fewer
channels or smaller images, of the same layers.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """A network: how to build it (``small`` or not), its sample's shape, and how its framework steps it.

    ``steps``: "all" (the net takes (T, B, ...)), "each" (one call per step),
    "held" (the net steps by itself on one input), "squeezed" (batch and time in one dimension).
    """

    framework: str
    build: Callable[[bool], nn.Module]
    shape: Callable[[bool], Shape]
    steps: str = "all"


def collection() -> Any:
    """SpikingJelly's model collection, whose modules want torchvision only to download weights."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in ("torchvision", "torchvision.models", "torchvision.models.utils"):
            sys.modules[name] = types.ModuleType(name)
        sys.modules["torchvision.models.utils"].load_state_dict_from_url = (  # type: ignore[attr-defined]
            torch.hub.load_state_dict_from_url
        )
    from spikingjelly.activation_based import layer, neuron
    from spikingjelly.activation_based.model import parametric_lif_net, sew_resnet, spiking_resnet, spiking_vgg

    return types.SimpleNamespace(
        layer=layer,
        neuron=neuron,
        plif=parametric_lif_net,
        sew=sew_resnet,
        resnet=spiking_resnet,
        vgg=spiking_vgg,
    )


def multi_step(net: nn.Module) -> nn.Module:
    from spikingjelly.activation_based import functional as jelly

    jelly.set_step_mode(net, "m")
    return net


def _parametric(name: str, channels: int, small: bool) -> nn.Module:
    jelly = collection()
    kind = getattr(jelly.plif, name)
    return multi_step(kind(8 if small else channels, jelly.neuron.ParametricLIFNode, v_reset=None))


def _vgg(name: str, small: bool) -> nn.Module:
    jelly = collection()
    if not small:
        return multi_step(getattr(jelly.vgg, name)(spiking_neuron=jelly.neuron.IFNode))
    letter = {"spiking_vgg11": "A", "spiking_vgg16": "D"}[name.removesuffix("_bn")]
    thin = [size if size == "M" else size // 16 for size in jelly.vgg.cfgs[letter]]
    net = jelly.vgg.SpikingVGG(
        jelly.vgg.cfgs["A"][:1], name.endswith("_bn"), num_classes=10, spiking_neuron=jelly.neuron.IFNode
    )
    net.features = net.make_layers(thin, name.endswith("_bn"), neuron=jelly.neuron.IFNode)
    net.classifier[0], net.classifier[3] = jelly.layer.Linear(32 * 49, 64), jelly.layer.Linear(64, 64)
    net.classifier[6] = jelly.layer.Linear(64, 10)
    return multi_step(net)


def _resnet(name: str, small: bool) -> nn.Module:
    jelly = collection()
    classes = {"num_classes": 10 if small else 1000}
    if name.startswith("sew"):
        net = getattr(jelly.sew, name)(cnf="ADD", spiking_neuron=jelly.neuron.IFNode, **classes)
    else:
        net = getattr(jelly.resnet, name)(spiking_neuron=jelly.neuron.LIFNode, **classes)
    return multi_step(net)


class Dense(nn.Module):
    """Blocks whose layers each read all that came before, put together along the channels."""

    def __init__(self, growth: int) -> None:
        super().__init__()
        jelly = collection()
        layer, neuron = jelly.layer, jelly.neuron.LIFNode
        self.stem = nn.Sequential(
            layer.Conv2d(3, growth, 3, padding=1, bias=False), layer.BatchNorm2d(growth), neuron()
        )
        self.first = nn.ModuleList(self._layer(layer, neuron, growth * (1 + i), growth) for i in range(3))
        self.between = nn.Sequential(
            layer.Conv2d(4 * growth, 2 * growth, 1, bias=False), layer.BatchNorm2d(2 * growth), neuron()
        )
        self.pool = layer.AvgPool2d(2)
        self.second = nn.ModuleList(self._layer(layer, neuron, growth * (2 + i), growth) for i in range(3))
        self.head = nn.Sequential(layer.BatchNorm2d(5 * growth), neuron(), layer.AdaptiveAvgPool2d(1), layer.Flatten())
        self.fc = layer.Linear(5 * growth, 10)

    @staticmethod
    def _layer(layer: Any, neuron: Any, before: int, growth: int) -> nn.Module:
        return nn.Sequential(
            layer.Conv2d(before, growth, 3, padding=1, bias=False), layer.BatchNorm2d(growth), neuron()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for one in self.first:
            x = torch.cat([x, one(x)], dim=2)
        x = self.pool(self.between(x))
        for one in self.second:
            x = torch.cat([x, one(x)], dim=2)
        out: torch.Tensor = self.fc(self.head(x))
        return out


class UNet(nn.Module):
    """Down by maxima, up by transposed convolutions and to the nearest, with a skip at each size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        jelly = collection()
        layer, neuron, c = jelly.layer, jelly.neuron.IFNode, channels

        def block(before: int, after: int) -> nn.Module:
            conv = layer.Conv2d(before, after, 3, padding=1, bias=False)
            return nn.Sequential(conv, layer.BatchNorm2d(after), neuron())

        self.down1, self.down2, self.bottom = block(2, c), block(c, 2 * c), block(2 * c, 4 * c)
        self.pool = layer.MaxPool2d(2)
        self.up2 = nn.Sequential(layer.ConvTranspose2d(4 * c, 2 * c, 2, stride=2), neuron())
        self.up1 = nn.Sequential(layer.Upsample(scale_factor=2), layer.Conv2d(2 * c, c, 3, padding=1), neuron())
        self.join2, self.join1 = block(4 * c, 2 * c), block(2 * c, c)
        self.out = layer.Conv2d(c, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.down1(x)
        two = self.down2(self.pool(one))
        three = self.bottom(self.pool(two))
        two = self.join2(torch.cat([two, self.up2(three)], dim=2))
        one = self.join1(torch.cat([one, self.up1(two)], dim=2))
        out: torch.Tensor = self.out(one)
        return out


class Tutorial5(nn.Module):
    """snnTorch's tutorial 5: two dense layers that step by themselves on one image."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        import snntorch

        self.fc1, self.lif1 = nn.Linear(784, hidden), snntorch.Leaky(beta=0.95)
        self.fc2, self.lif2 = nn.Linear(hidden, 10), snntorch.Leaky(beta=0.95)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for _ in range(4):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes, dim=0), torch.stack(membranes, dim=0)


class Tutorial6(nn.Module):
    """snnTorch's tutorial 6: convolutions whose currents are pooled before the neurons."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        import snntorch

        self.conv1, self.lif1 = nn.Conv2d(1, channels, 5), snntorch.Leaky(beta=0.5)
        self.conv2, self.lif2 = nn.Conv2d(channels, 64, 5), snntorch.Leaky(beta=0.5)
        self.fc1, self.lif3 = nn.Linear(64 * 4 * 4, 10), snntorch.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        spikes = []
        for _ in range(4):
            spk1, mem1 = self.lif1(functional.max_pool2d(self.conv1(x), 2), mem1)
            spk2, mem2 = self.lif2(functional.max_pool2d(self.conv2(spk1), 2), mem2)
            spk3, mem3 = self.lif3(self.fc1(spk2.view(x.size(0), -1)), mem3)
            spikes.append(spk3)
        return torch.stack(spikes), mem3


def _tutorial7(small: bool) -> nn.Module:
    """snnTorch's tutorial 7: event frames of N-MNIST through a Sequential."""
    import snntorch

    channels = 4 if small else 12
    return nn.Sequential(
        nn.Conv2d(2, channels, 5),
        nn.MaxPool2d(2),
        snntorch.Leaky(beta=0.5, init_hidden=True),
        nn.Conv2d(channels, 32, 5),
        nn.MaxPool2d(2),
        snntorch.Leaky(beta=0.5, init_hidden=True),
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 10),
        snntorch.Leaky(beta=0.5, init_hidden=True, output=True),
    )


class NorseMnist(nn.Module):
    """Norse's convolutional net for MNIST: pooled spikes, a scaled convolution, a read-out with weights of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        import norse.torch as norse

        self.conv1, self.conv2 = nn.Conv2d(1, channels, 5, 1), nn.Conv2d(channels, 2 * channels, 5, 1)
        self.fc1 = nn.Linear(16 * 2 * channels, 64)
        self.lif0, self.lif1, self.lif2 = norse.LIFCell(), norse.LIFCell(), norse.LIFCell()
        self.out = norse.LILinearCell(64, 10)
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s0 = s1 = s2 = so = None
        voltages = torch.zeros(x.shape[0], x.shape[1], 10, dtype=x.dtype)
        for step in range(x.shape[0]):
            z, s0 = self.lif0(self.conv1(x[step, :]), s0)
            z = functional.max_pool2d(z, 2, 2)
            z, s1 = self.lif1(10 * self.conv2(z), s1)
            z = functional.max_pool2d(z, 2, 2).view(-1, 16 * 2 * self.channels)
            z, s2 = self.lif2(self.fc1(z), s2)
            v, so = self.out(functional.relu(z), so)
            voltages[step, :, :] = v
        return voltages


def _sinabs_mnist(small: bool) -> nn.Module:
    """Sinabs's net for MNIST, converted from an ANN."""
    import sinabs.layers as sl

    c = 4 if small else 20

    def iaf() -> nn.Module:
        neuron: nn.Module = sl.IAFSqueeze(batch_size=1)
        return neuron

    return nn.Sequential(
        nn.Conv2d(1, c, 5, 1, bias=False),
        iaf(),
        sl.SumPool2d(2, 2),
        nn.Conv2d(c, 32, 5, 1, bias=False),
        iaf(),
        nn.AvgPool2d(2, 2),
        nn.Conv2d(32, 128, 3, 1, bias=False),
        iaf(),
        nn.AvgPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(128, 10, bias=False),
        iaf(),
    )


def _at(shape: Shape, full: Shape | None = None) -> Callable[[bool], Shape]:
    return lambda small: shape if small else full or shape


def _of(kind: type[nn.Module], small_size: int, full_size: int) -> Callable[[bool], nn.Module]:
    return lambda small: kind(small_size if small else full_size)


def _jelly_of(kind: type[nn.Module], small_size: int, full_size: int) -> Callable[[bool], nn.Module]:
    return lambda small: multi_step(kind(small_size if small else full_size))


NETWORKS: dict[str, Entry] = {
    "MNISTNet": Entry("spikingjelly", partial(_parametric, "MNISTNet", 128), _at((1, 28, 28))),
    "NMNISTNet": Entry("spikingjelly", partial(_parametric, "NMNISTNet", 128), _at((2, 34, 34))),
    "CIFAR10Net": Entry("spikingjelly", partial(_parametric, "CIFAR10Net", 256), _at((3, 32, 32))),
    "CIFAR10DVSNet": Entry("spikingjelly", partial(_parametric, "CIFAR10DVSNet", 128), _at((2, 128, 128))),
    "DVSGestureNet": Entry("spikingjelly", partial(_parametric, "DVSGestureNet", 128), _at((2, 128, 128))),
    **{
        name: Entry("spikingjelly", partial(_vgg, name), _at((3, 32, 32)))
        for name in ("spiking_vgg11", "spiking_vgg11_bn", "spiking_vgg16_bn")
    },
    **{
        name: Entry("spikingjelly", partial(_resnet, name), _at((3, 32, 32), (3, 64, 64)))
        for name in ("spiking_resnet18", "spiking_resnet34", "sew_resnet18", "sew_resnet34")
    },
    "densenet_like": Entry("spikingjelly", _jelly_of(Dense, 6, 24), _at((3, 16, 16), (3, 32, 32))),
    "unet_like": Entry("spikingjelly", _jelly_of(UNet, 4, 32), _at((2, 16, 16), (2, 64, 64))),
    "snntorch_tutorial5": Entry("snntorch", _of(Tutorial5, 50, 1000), _at((784,)), "held"),
    "snntorch_tutorial6": Entry("snntorch", _of(Tutorial6, 4, 12), _at((1, 28, 28)), "held"),
    "snntorch_tutorial7": Entry("snntorch", _tutorial7, _at((2, 34, 34)), "each"),
    "norse_mnist": Entry("norse", _of(NorseMnist, 4, 32), _at((1, 28, 28))),
    "sinabs_mnist": Entry("sinabs", _sinabs_mnist, _at((1, 28, 28)), "squeezed"),
}
