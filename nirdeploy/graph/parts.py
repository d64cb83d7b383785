"""parts: the populations and projections of a checked graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nirdeploy.records.brief import Brief
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import (
    Maximum,
    Operator,
    Passage,
    Pool,
)


@dataclass(frozen=True, repr=False)
class Population(Brief):
    """Neurons of one NIR node (or an input, or an analog output).

    ``model`` is ``"Input"`` or a key of :data:`nirdeploy.semantics.neuron.PARAMETERS`; ``params`` are float64
    arrays of ``shape``, finite and in range; ``bias`` is the constant current (float64, ``shape``)
    folded from Affine nodes on the way in; ``late_bias`` holds what of it begins only in a later step
    (behind a Delay, say), by that step. ``dialect``: its own, where it differs from the graph's. ``weight_bits``: of
    the weights into it, where that is not left to the target (:mod:`nirdeploy.graph.precision`).
    """

    name: str
    model: str
    shape: tuple[int, ...]
    params: Mapping[str, np.ndarray]
    bias: np.ndarray
    late_bias: Mapping[int, np.ndarray] = field(default_factory=dict)
    dialect: Dialect | None = None
    weight_bits: int | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, repr=False)
class Projection(Brief, Passage):
    """A linear operator from one population's spikes to another's input current.

    The signal passes ``pool`` (if any), ``operator`` and ``maximum`` (if any), over flattened (C order) populations,
    and arrives ``delay`` steps later; ``nodes`` are the NIR nodes folded into it, in order.
    """

    source: str
    target: str
    operator: Operator
    nodes: tuple[str, ...] = ()
    pool: Pool | None = None
    delay: int = 0
    maximum: Maximum | None = None
