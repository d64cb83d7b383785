"""arriving: what samples send through a projection, and how that weighs the errors of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.records.inputs import analog
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise, Operator

_MOST_ROWS = 60_000  # patches that a correlation is taken from: more change its digits, not the rounding


def sent(graph: CheckedGraph, record: SpikeRecord, x: Any) -> Mapping[str, np.ndarray]:
    """What each population (and input) sends in the samples: float64 (T B, size), membranes in volts."""
    given = analog(x, [(name, graph.population(name).shape) for name in graph.inputs])
    found = {name: values.reshape(-1, graph.population(name).size).astype(np.float64) for name, values in given.items()}
    record = record.aligned()
    for population in graph.populations:
        name = population.name
        if name in record.spikes:
            found[name] = record.spikes[name].reshape(-1, population.size).astype(np.float64)
        elif name in record.membrane:
            found[name] = record.volts(name).reshape(-1, population.size)
    return found


@dataclass(frozen=True, eq=False)
class Arriving:
    """``correlation``: float64 (groups, columns, columns), the mean of x x^T over what each group's weights see."""

    correlation: np.ndarray

    @classmethod
    def through(cls, p: Projection, signal: np.ndarray, rng: np.random.Generator) -> Arriving:
        """Of a projection's operator, from its source's signal (rows, size)."""
        if isinstance(p.operator, Elementwise):
            return cls(((signal if p.pool is None else p.pool.apply(signal)) ** 2).mean(axis=0)[:, None, None])
        columns = patches(p.operator, signal if p.pool is None else p.pool.apply(signal), rng)
        return cls(np.stack([seen.T @ seen / max(len(seen), 1) for seen in columns]))

    def error(self, off: np.ndarray) -> np.ndarray:
        """The mean square of what errors (outputs, columns) of the weights do to each output: float64 (outputs,)."""
        groups = off.reshape(len(self.correlation), -1, off.shape[1])
        cost: np.ndarray = np.einsum("gri,gij,grj->gr", groups, self.correlation, groups, optimize=True)
        return cost.ravel()


def known(operator: Operator) -> bool:
    """Whether :func:`patches` tells what its weights see."""
    return not isinstance(operator, Convolution) or operator.spread == (1, 1)


def patches(operator: Operator, signal: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """What the weights of each group see: float64 (patches, columns), columns as in ``weight.reshape(outputs, -1)``."""
    if isinstance(operator, Dense):
        return [_some(signal, rng)]
    assert isinstance(operator, Convolution)
    places = int(np.prod(operator.out_shape[1:]))
    image = _some(signal, rng, max(_MOST_ROWS // places, 1)).reshape(-1, *operator.shape)
    padded = np.pad(image, ((0, 0), (0, 0), *operator.padding))
    high, wide = operator.weight.shape[2:]
    extent = [(kernel - 1) * step + 1 for kernel, step in zip((high, wide), operator.dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(padded, tuple(extent), axis=(2, 3))
    seen = seen[:, :, :: operator.stride[0], :: operator.stride[1], :: operator.dilation[0], :: operator.dilation[1]]
    by_group = seen.reshape(len(image), operator.groups, -1, *seen.shape[2:]).transpose(1, 0, 3, 4, 2, 5, 6)
    return list(by_group.reshape(operator.groups, len(image) * places, -1))


def _some(rows: np.ndarray, rng: np.random.Generator, most: int = _MOST_ROWS) -> np.ndarray:
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]
