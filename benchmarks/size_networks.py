"""The networks of benchmarks/size.py: SpikingJelly's own, at full width, made lively as in zoo.py and kept as files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import nirdeploy as nd
from benchmarks import zoo
from benchmarks.zoo_networks import NETWORKS, Entry, collection, multi_step
from nirdeploy.graph import file as nirfile
from nirdeploy.records import cache


@dataclass(frozen=True)
class Sized:
    """A network, and the stimulus that it gets."""

    entry: Entry
    steps: int
    samples: int


def _vgg_with_a_small_head(_: bool) -> nn.Module:
    """spiking_vgg11_bn on 32 x 32: its features, which end in 512 values of one pixel, and a matrix to 10."""
    jelly = collection()
    net: Any = jelly.vgg.spiking_vgg11_bn(spiking_neuron=jelly.neuron.IFNode)
    net.avgpool, net.classifier = jelly.layer.AdaptiveAvgPool2d((1, 1)), nn.Sequential(jelly.layer.Linear(512, 10))
    return multi_step(net)


def _at_32(name: str) -> Entry:
    return replace(NETWORKS[name], shape=lambda _: (3, 32, 32))


SIZED: dict[str, Sized] = {
    "MNISTNet": Sized(NETWORKS["MNISTNet"], 4, 8),
    "NMNISTNet": Sized(NETWORKS["NMNISTNet"], 4, 8),
    "DVSGestureNet": Sized(NETWORKS["DVSGestureNet"], 16, 1),
    "spiking_vgg11_bn": Sized(replace(_at_32("spiking_vgg11_bn"), build=_vgg_with_a_small_head), 4, 1),
    "sew_resnet18": Sized(_at_32("sew_resnet18"), 4, 1),
}


def made(name: str, small: bool = False) -> tuple[Path, Path]:
    """The network (.nir) and its stimulus (.npy, (T, B, ...)), from the cache or made now; ``small``: at the width that
    it has in zoo.py."""
    folder = cache.folder() / "benchmarks"
    sized = SIZED[name]
    stem = f"{name}{'-small' if small else ''}-{sized.steps}-steps-{sized.samples}-samples"
    graph, stimulus = folder / f"{stem}.nir", folder / f"{stem}.npy"
    if not graph.exists():
        net, x, _, _ = zoo.lively(sized.entry, small=small, seed=0, steps=sized.steps, batch=sized.samples)
        stimulus.parent.mkdir(parents=True, exist_ok=True)
        np.save(stimulus, x.numpy().astype(np.uint8))
        nirfile.write(graph, nd.export_from(sized.entry.framework, net, x[:, :1]))
    return graph, stimulus
