"""zero_point: what the zero point of an input adds to the sums of integer weights, and so takes from the biases.

An input holds q for the number scale (q - zero). Weights times q are weights times (q - zero), and a constant: the
weights as rounded, through pool and padding, times zero. Taken from the bias in integers, it leaves nothing: padding
adds what the zero point adds, as in the graph, where both are 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from nirdeploy.errors import DoesNotFit
from nirdeploy.integers.parts import IntegerPopulation, IntegerProjection
from nirdeploy.records.inputs import InputEncoding


def constant(projection: IntegerProjection, zero: int) -> np.ndarray:
    """Of one projection: int64 (size of the target), in weight units.

    Raises:
        DoesNotFit: a maximum stands behind it, whose windows hold several constants.
    """
    ways = np.full(projection.inputs, zero, dtype=np.int64)
    sums = projection.operator.apply(ways if projection.pool is None else projection.pool.apply(ways))
    if projection.maximum is None:
        return sums
    most, least = projection.maximum.apply(sums), -projection.maximum.apply(-sums)
    if (most != least).any():
        raise DoesNotFit(
            f"the zero point of the input {projection.source!r} is {zero}, and on the way to {projection.target!r} a "
            "maximum is taken over sums that hold it more and less often (at the padding): no bias makes up for that",
            hint="give the input a range from 0 (--input-range 0:HI), train without padding in front of the maximum, "
            "or let all that reads the input be convolutions padded alike: the host pads then",
        )
    return most


def folded(
    population: IntegerPopulation, incoming: Iterable[IntegerProjection], encodings: Mapping[str, InputEncoding]
) -> IntegerPopulation:
    """The population with what zero points add taken from its bias, from the step in which they arrive."""
    zeros: dict[int, np.ndarray] = {}
    for p in incoming:
        if p.source in encodings and (zero := encodings[p.source].zero):
            added = constant(p, zero) << (population.shift + p.shift)
            zeros[p.delay] = zeros.get(p.delay, np.zeros_like(added)) + added
    if not zeros:
        return population
    late = {step: population.late_bias.get(step, 0) - added for step, added in zeros.items() if step}
    name = "synapse_bias" if population.synaptic else "bias"
    bias = getattr(population, name) - sum(zeros.values())
    return replace(population, late_bias={**population.late_bias, **late}, zeros=zeros, **{name: bias})
