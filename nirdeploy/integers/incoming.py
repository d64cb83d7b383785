"""incoming: a projection on its way to integers: what can arrive by it, and how fine its weights must be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.graph.parts import Projection
from nirdeploy.integers import grid
from nirdeploy.semantics.operators import Convolution, Elementwise, Operator


@dataclass(frozen=True, eq=False)
class Incoming:
    """A projection on its way to integers: ``operator`` in current per LSB (or spike) of the source.

    ``zero``: the LSBs that stand for 0, where the source is an input. ``lift``: its weights are in units of 2^lift.
    """

    projection: Projection
    operator: Operator
    analog: bool
    largest: np.ndarray  # of the source, per neuron
    zero: int = 0
    lift: int = 0

    @property
    def bits(self) -> int:
        """Of what the source sends, where that is no membrane."""
        return int(self.largest.max()).bit_length()

    def _pooled(self, values: np.ndarray) -> np.ndarray:
        return values if self.projection.pool is None else self.projection.pool.apply(values)

    def current(self) -> np.ndarray:
        """The largest current (size of the target) that can arrive, the zero point's apart."""
        furthest = np.maximum(self.largest - self.zero, self.zero)
        return self._behind(self.operator.reach(self._pooled(furthest)))

    def sums(self) -> np.ndarray:
        """The largest sum (size of the target) of weights, as a current."""
        if not self.zero:
            return self.current()
        # Exact where zero points make sums large: what adds and what takes away, each by itself.
        ways = (replace(self.operator, weight=np.maximum(sign * self.operator.weight, 0.0)) for sign in (1, -1))
        return self._behind(np.maximum(*(way.reach(self._pooled(self.largest)) for way in ways)))

    def largest_weight(self, negative: float = 1.0) -> np.ndarray:
        """Of what each neuron of the target shares its unit with; negative weights are multiplied by ``negative``."""
        return self._behind(_largest_weight(self.operator, negative)) / 2.0**self.lift

    def steps(self, most: int) -> np.ndarray:
        """The step of the grid that the weights of each neuron of the target are on, as :func:`grid.of_rows` finds it,
        lifted as they are."""
        weight = self.operator.weight.reshape(self.operator.weight.shape[0], -1)
        return self._behind(grid.of_rows(weight, most)[self.operator.groups_of_outputs]) / 2.0**self.lift

    def _behind(self, values: np.ndarray) -> np.ndarray:
        """The largest of what a maximum is taken over, in the size of the target."""
        maximum = self.projection.maximum
        return values if maximum is None else maximum.apply(values)

    def groups(self) -> np.ndarray | None:
        """Which neurons of the target share a unit: those of a channel, where weights or a maximum are shared."""
        if self.projection.maximum is not None:
            return self.projection.maximum.channels_behind
        return self.operator.groups_of_outputs if isinstance(self.operator, Convolution) else None

    def per_output(self, unit: np.ndarray) -> np.ndarray:
        """The target's units (its size) as the operator's, in front of a maximum."""
        maximum = self.projection.maximum
        return unit if maximum is None else maximum.in_front(unit)

    def most_inputs(self) -> float:
        """The most that can arrive where every weight is one: how often a weight's rounding counts."""
        ones = np.ones(self.operator.weight.shape)
        return float(replace(self.operator, weight=ones).reach(self._pooled(self.largest)).max() * 2.0**self.lift)


def _largest_weight(operator: Operator, negative: float) -> np.ndarray:
    """Per output."""
    size = np.maximum(operator.weight, -negative * operator.weight)
    if isinstance(operator, Elementwise):
        return np.asarray(size)
    rows = size.reshape(operator.weight.shape[0], -1).max(axis=1)
    return np.asarray(rows[operator.groups_of_outputs])
