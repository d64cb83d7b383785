"""A small network with data and samples of its own, for sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np

import nirdeploy as nd
from nirdeploy.tuning.sweep import Sweep
from tests import networks

FILES = ("trials.jsonl", "sweep.json", "sweep.html")


@dataclass(frozen=True, eq=False)
class Case:
    """``labels`` are what the float network says, but for a few; of the ``samples``, all."""

    graph: nir.NIRGraph
    x: np.ndarray
    labels: np.ndarray
    samples: np.ndarray
    sample_labels: np.ndarray

    def sweep(self, out: Path, calibrate: bool = True, **options: Any) -> Sweep:
        options = {"workers": 1, **options}
        if calibrate:
            options |= {"calibrate": self.samples, "calibrate_labels": self.sample_labels}
        return nd.sweep(self.graph, self.x, self.labels, out=out, **options)


def case(sizes: tuple[int, int, int] = (12, 14, 4), samples: int = 24) -> Case:
    graph = networks.two_layers(sizes=sizes)
    x, others = (networks.spikes(seed, (6, samples, sizes[0]), 0.3) for seed in (3, 4))
    labels = said(graph, x)
    labels[:3] = (labels[:3] + 1) % sizes[-1]
    return Case(graph, x, labels, others, said(graph, others))


def faint() -> nir.NIRGraph:
    """Of a network whose weights are too small beside a threshold: integers have nothing of them left."""
    graph = networks.two_layers(sizes=(12, 14, 4))
    graph.nodes["fc1"].weight = graph.nodes["fc1"].weight * 1e-7
    return graph


def said(graph: nir.NIRGraph, x: np.ndarray) -> np.ndarray:
    return np.asarray(nd.simulate(graph, x)["lif2"].sum(axis=0).argmax(axis=-1))


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}
