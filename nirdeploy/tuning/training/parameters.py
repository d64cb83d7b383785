"""parameters: what of a population is trained: weights, the steps of the grid they are on, a bias.

Steps are learned (LSQ: Esser et al. 2020, arXiv 1902.08153), as logarithms beside where they started: so they stay
positive, an optimizer changes small and large ones alike, and a decay of parameters leads back to the start, where
rounding costs least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers import grid
from nirdeploy.semantics.operators import Convolution, Elementwise

_TRIED = np.linspace(0.02, 1.0, 99)  # steps that are tried at the start, as parts of the one that cuts nothing off


def trains(population: Population, into: Sequence[Projection]) -> bool:
    """Whether there is anything to train: not where signals only pass on (skip connections, pools, scales), nor where
    a Threshold counts them (a maximum or a gate of spikes: weights alike, or none)."""
    found = [p for p in into if not isinstance(p.operator, Elementwise)]
    weights = np.concatenate([np.abs(p.weight.ravel()) for p in found]) if found else np.zeros(0)
    alike = len(np.unique(weights[weights > 0])) <= 1
    return bool(weights.any()) and not (population.model == "Threshold" and alike)


class Parameters(nn.Module):
    """Those of one population and the projections into it.

    ``weights``: one for each projection, in the operator's shape; ``log_step``: one for each group of neurons;
    ``bias``: one for each channel, or each neuron, or None where the graph has none.

    Args:
        bits: of the weights.
        on_grid: whether the weights were trained on a grid before.
    """

    def __init__(self, population: Population, into: Sequence[Projection], bits: int, *, on_grid: bool) -> None:
        super().__init__()
        self.most, self.shape = 2 ** (bits - 1) - 1, population.shape
        self._passing = [isinstance(p.operator, Elementwise) for p in into]
        groups = _groups(population, into)
        rows = [_rows(p, groups) for p in into]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.tensor(p.weight, dtype=torch.float32), requires_grad=not passing)
            for p, passing in zip(into, self._passing, strict=True)
        )
        steps = _start([p.weight for p in into], rows, int(groups.max()) + 1, self.most)
        self.log_step = nn.Parameter(torch.zeros(len(steps)))
        self.register_buffer("start", torch.tensor(steps, dtype=torch.float32))
        for index, (p, own) in enumerate(zip(into, rows, strict=True)):
            self.register_buffer(f"rows{index}", torch.tensor(own), persistent=False)
            kept = _connected(p.weight, on_grid=on_grid)
            self.register_buffer(f"connected{index}", None if kept is None else torch.tensor(kept), persistent=False)
        per_channel = population.bias.reshape(population.shape[0], -1)
        whole = (per_channel == per_channel[:, :1]).all()
        values = per_channel[:, 0] if whole else population.bias
        self.bias = nn.Parameter(torch.tensor(values, dtype=torch.float32)) if population.bias.any() else None

    def steps(self) -> Tensor:
        """float32 (groups,): the steps of the grid."""
        return self.get_buffer("start") * self.log_step.exp()

    def on_grid(self) -> list[Tensor]:
        """The weights of each projection as whole multiples of their steps (float32), straight through."""
        return [self._rounded(index) for index in range(len(self.weights))]

    def _rounded(self, index: int) -> Tensor:
        weight = self.weights[index]
        step = self.steps()[self.get_buffer(f"rows{index}")].reshape(-1, *[1] * (weight.ndim - 1))
        scale = 1 / math.sqrt(max(weight[0].numel() * self.most, 1))  # of the gradient, as LSQ has it
        step = step.detach() + scale * (step - step.detach())
        connected = getattr(self, f"connected{index}")
        exact = (weight if connected is None else weight * connected) / step
        whole = exact.detach().round().clamp(-self.most, self.most)
        inside = exact.clamp(-self.most - 0.5, self.most + 0.5)  # what is not cut off, only rounded
        rounded: Tensor = (whole + (inside - inside.detach())) * step
        return rounded

    def whole_bias(self) -> Tensor | None:
        """The bias of each neuron, in the population's shape."""
        if self.bias is None or self.bias.shape == self.shape:
            return self.bias
        return self.bias.reshape(-1, *[1] * (len(self.shape) - 1)).expand(self.shape)


def _groups(population: Population, into: Sequence[Projection]) -> np.ndarray:
    """int64 (size,): neurons of one number share their step, as they share the scale of their integers."""
    found = np.arange(population.size)
    alike = [_alike(population, p) for p in into]
    while True:
        joined = found
        for groups in alike:
            first = np.full(groups.max() + 1, len(joined))
            np.minimum.at(first, groups, joined)
            joined = first[groups]
        if (joined == found).all():
            return np.unique(found, return_inverse=True)[1]
        found = joined


def _alike(population: Population, p: Projection) -> np.ndarray:
    """int64 (size,): which neurons share weights of a projection, or would where it is written by channel."""
    if p.maximum is not None:
        return p.maximum.channels_behind
    if isinstance(p.operator, Elementwise):
        by_channel = p.weight.reshape(population.shape[0], -1)
        if (by_channel == by_channel[:, :1]).all():
            return np.repeat(np.arange(by_channel.shape[0]), by_channel.shape[1])
    return p.operator.groups_of_outputs if isinstance(p.operator, Convolution) else np.arange(population.size)


def _rows(p: Projection, groups: np.ndarray) -> np.ndarray:
    """int64: the group of each row of the weights."""
    in_front = groups if p.maximum is None else p.maximum.in_front(groups)
    _, first = np.unique(p.operator.groups_of_outputs, return_index=True)
    return np.asarray(in_front[first])


def _connected(weight: np.ndarray, *, on_grid: bool) -> np.ndarray | None:
    """Which weights are connections, float32: one that is exactly 0 is none, and stays 0. None: all are.

    On a grid 0 is a value as others are: then only rows of zeros are none.
    """
    rows = weight.reshape(len(weight), -1).any(axis=1).reshape(-1, *[1] * (weight.ndim - 1))
    live = rows if on_grid else weight != 0
    if live.all() or not live.any():
        return None
    return np.broadcast_to(live, weight.shape).astype(np.float32)


def _start(weights: Sequence[np.ndarray], rows: Sequence[np.ndarray], groups: int, most: int) -> np.ndarray:
    """float64 (groups,): the steps that lose the least of the weights (sum of squares); nothing where these are on a
    grid already."""
    flat = [weight.reshape(len(weight), -1) for weight in weights]
    largest, there = np.zeros(groups), np.full(groups, np.inf)
    for values, own in zip(flat, rows, strict=True):
        np.maximum.at(largest, own, np.abs(values).max(axis=1))
        found = grid.steps(values, most)
        np.minimum.at(there, own, np.where(found > 0, found, np.inf))
    largest = np.where(largest > 0, largest, largest.max() or 1.0)
    whole = largest / most  # cuts nothing off
    best, steps = np.full(groups, np.inf), whole
    for step in (np.where(np.isfinite(there), there, whole), *(whole * part for part in _TRIED)):
        lost = np.zeros(groups)
        for values, own in zip(flat, rows, strict=True):
            of_row = step[own, None]
            rounded = np.clip(np.rint(values / of_row), -most, most) * of_row
            np.add.at(lost, own, ((rounded - values) ** 2).sum(axis=1))
        better = lost < best
        best, steps = np.where(better, lost, best), np.where(better, step, steps)
    return steps
