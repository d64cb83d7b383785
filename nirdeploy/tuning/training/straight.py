"""straight: integers with gradients: the value is the integer, the gradient that of what was rounded to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.parts import IntegerPopulation, IntegerProjection
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise
from nirdeploy.tuning.training import passages


def through(exact: Tensor, soft: Tensor) -> Tensor:
    """``exact``, with the gradient of ``soft``."""
    return exact + (soft - soft.detach()).to(exact.dtype)


@dataclass(frozen=True, eq=False)
class Gain:
    """What one unit of current adds to a population's membrane, in the end: float64 (size,)."""

    total: np.ndarray

    @classmethod
    def of(cls, graph: CheckedGraph, population: Population) -> Gain:
        params = {key: values.ravel() for key, values in population.params.items()}
        how = neuron.coefficients(population.model, params, graph.dialect_of(population.name))
        total = how.gain * (1.0 if how.synapse_gain is None else how.synapse_gain)
        return cls(np.broadcast_to(np.asarray(total, dtype=np.float64), population.size))

    def bias(self, integers: IntegerPopulation, current: Tensor | None, device: torch.device) -> Tensor:
        """What a step adds to what enters, whole numbers in float64 (size,); ``current``: of each neuron."""
        whole = integers.synapse_bias if integers.synaptic else integers.bias
        exact = torch.from_numpy(whole.astype(np.float64)).to(device)
        if current is None:
            return exact
        factor = torch.from_numpy(self.total / integers.scale).to(device)
        return through(exact, current.flatten() * factor)

    def weight(self, p: Projection, q: IntegerProjection, current: Tensor, exact: Tensor) -> Tensor:
        """The integer weights ``exact`` of ``q`` with the gradient of ``current``, the graph's weights of ``p``."""
        written = _written(p, q, current)
        unit = q.unit if q.maximum is None else q.maximum.in_front(q.unit)
        sign = np.sign(self.total) if q.maximum is None else np.ones(unit.size)
        _, first = np.unique(q.operator.groups_of_outputs, return_index=True)
        factor = torch.from_numpy((sign / unit)[first].reshape(-1, *[1] * (written.ndim - 1))).to(current)
        return through(exact, written * factor)


def _written(p: Projection, q: IntegerProjection, weight: Tensor) -> Tensor:
    """A projection's weights in the form that the target has them in: as they are, by channel, or as a matrix."""
    if isinstance(p.operator, Elementwise) and isinstance(q.operator, Convolution):
        return weight.reshape(q.weight.shape[0], -1)[:, :1, None, None]
    alike = type(p.operator) is type(q.operator) and (p.pool is None) == (q.pool is None)
    return weight if alike or not isinstance(q.operator, Dense) else passages.matrix(p, weight)
