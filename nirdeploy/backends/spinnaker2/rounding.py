"""A checked graph in the chip's numbers: 8-bit weights, everything else in single precision.

The chip's neurons have no input gain: a spike adds its weight to the membrane, or to the synaptic current, and that
to the membrane. So a population's membrane is kept in units of its weights: with s = 127 / (largest weight into the
population), and g what a current adds to the membrane in a step (of CubaLIF: times what it adds to the synapse),

    weight    trunc(s W)               threshold  v_threshold s / g
    i_offset  offset s / g + bias s    (CubaLIF: bias s / (1 - decay of the synapse), the current's steady state)

after py-spinnaker2's conversion of NIR (``s2_nir.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.graph.check import CheckedGraph, Population, Projection
from nirdeploy.integers.network import Formats, IntegerNetwork, IntegerPopulation, IntegerProjection
from nirdeploy.integers.quantize import assembled
from nirdeploy.semantics import neuron
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Operator
from nirdeploy.targets.tables import Target

#: Fraction bits of the decays that reports show; the chip's are in ``extra``.
DECAY_BITS = 16
#: Bits, where the membrane is given in integers, of the threshold or of the largest weight: LSBs are 2^-20 of it.
_MEMBRANE_BITS = 20


def membrane_units(values: np.ndarray, finer: int) -> np.ndarray:
    """Single-precision membranes in LSBs of 2^-``finer`` weight units, downwards: int64."""
    return np.asarray(np.floor(values.astype(np.float64) * 2.0**finer).astype(np.int64))


def bits_of(values: np.ndarray) -> np.ndarray:
    """Single-precision values as the integers (int64) whose 32 bits they are."""
    return np.asarray(np.asarray(values, dtype=np.float32).view(np.uint32).astype(np.int64))


def value_of(bits: np.ndarray) -> np.ndarray:
    """The inverse of :func:`bits_of`: float32."""
    return np.asarray(bits).astype(np.uint32).view(np.float32)


def gain(population: Population, dialect: Dialect) -> np.ndarray:
    """What a unit of current adds to the membrane in a step; CubaLIF: to the synaptic current, and that to the
    membrane. float64 (size,)."""
    how = _coefficients(population, dialect)
    synapse = how.synapse_gain if population.model in neuron.SYNAPTIC else 1.0
    return np.broadcast_to(how.gain * synapse, population.size)


def _coefficients(population: Population, dialect: Dialect) -> neuron.Coefficients:
    params = {key: values.ravel() for key, values in population.params.items()}
    return neuron.coefficients(population.model, params, dialect)


def lags(graph: CheckedGraph) -> dict[str, int]:
    """How many steps later than in the graph a population sees its inputs, by the first way to it."""
    late = dict.fromkeys(graph.inputs, 0)
    for population in graph.populations:
        ways = [late[p.source] + 1 - min(p.delay, 1) for p in graph.into(population.name) if p.source in late]
        late.setdefault(population.name, next(iter(ways), 0))
    return late


def written_out(p: Projection) -> Operator:
    """The operator the chip computes: a convolution with a pool in front, or a list of synapses as a matrix."""
    plain = isinstance(p.operator, Convolution) or (isinstance(p.operator, Dense) and p.pool is None)
    return p.operator if plain else Dense(p.matrix())


def largest_parameter(graph: CheckedGraph, population: Population, target: Target) -> float:
    """The largest magnitude among the single-precision parameters, before rounding."""
    scaled = _Scaled.of(graph, population, [p.operator for p in graph.into(population.name)], target)
    return float(max(np.abs(values).max() for values in (scaled.threshold, scaled.i_offset, scaled.v_reset)))


@dataclass(frozen=True)
class _Scaled:
    """A population in units of its weights, not yet rounded: float64 (size,).

    ``largest`` is the largest weight into it, which becomes ``top``; 1 volt is ``per_volt`` units.
    """

    largest: float
    top: int
    per_volt: np.ndarray
    threshold: np.ndarray
    i_offset: np.ndarray
    v_reset: np.ndarray

    @property
    def weight_scale(self) -> float:
        return self.top / self.largest

    @classmethod
    def of(cls, graph: CheckedGraph, population: Population, operators: list[Operator], target: Target) -> _Scaled:
        dialect = graph.dialect_of(population.name)
        how = _coefficients(population, dialect)
        steady = 1.0 / (1.0 - how.synapse_decay) if population.model in neuron.SYNAPTIC else 1.0
        largest = max(float(np.abs(operator.weight).max(initial=0.0)) for operator in operators) or 1.0
        top = int(2 ** (target.formats.weight_bits - 1)) - 1
        scale = top / largest
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            per_volt = scale / gain(population, dialect)
            return cls(
                largest,
                top,
                per_volt,
                population.params["v_threshold"].ravel() * per_volt,
                how.offset * per_volt + population.bias.ravel() * steady * scale,
                population.params["v_reset"].ravel() * per_volt,
            )


def quantize(graph: CheckedGraph, target: Target) -> IntegerNetwork:
    """Round a graph that is free of problems; each projection takes one step."""
    made = []
    late = lags(graph)
    for population in graph.populations:
        if population.model == "Input":
            continue
        into = graph.into(population.name)
        operators = [written_out(p) for p in into]
        scaled = _Scaled.of(graph, population, operators, target)
        integer = replace(_population(graph, population, scaled), latency=late[population.name])
        rounded = [_truncated(operator, scaled) for operator in operators]
        incoming = []
        for p, operator in zip(into, rounded, strict=True):
            pool = p.pool if isinstance(operator, Convolution) else None
            unit = np.full(population.size, 1.0 / scaled.weight_scale)
            incoming.append(IntegerProjection(p.source, p.target, operator, unit, pool, delay=1))
        made.append((integer, incoming, _row(integer, operators, rounded, scaled)))
    return assembled(
        graph, target.name, Formats(target.formats.weight_bits, 25, 32, DECAY_BITS), made, dynamics=target.backend
    )


def _truncated(operator: Operator, scaled: _Scaled) -> Operator:
    """The weights in units of their scale, towards zero; divided first, so that the largest is ``top`` exactly."""
    weight = np.trunc(operator.weight / scaled.largest * scaled.top)
    return replace(operator, weight=np.ascontiguousarray(weight, dtype=np.int32))


def _population(graph: CheckedGraph, population: Population, scaled: _Scaled) -> IntegerPopulation:
    rules, size = graph.rules(population.name), population.size
    how = _coefficients(population, graph.dialect_of(population.name))
    synapse = np.broadcast_to(how.synapse_decay if population.model in neuron.SYNAPTIC else 0.0, size)
    decay = np.broadcast_to(how.decay, size)
    threshold = scaled.threshold.astype(np.float32)
    if rules.threshold == ">=":  # the chip compares by ">": with what lies just below
        threshold = np.nextafter(threshold, np.float32(-np.inf))
    v_init = scaled.v_reset if rules.starts_reset else np.zeros(size)
    registers = {
        "alpha_decay": decay,
        "exc_decay": synapse,
        "inh_decay": synapse,
        "threshold": threshold,
        "i_offset": scaled.i_offset,
        "v_reset": scaled.v_reset,
        "v_init": v_init,
    }
    finer = _MEMBRANE_BITS - math.ceil(math.log2(max(float(np.abs(threshold).max()), scaled.top)))

    def units(values: np.ndarray) -> np.ndarray:
        return membrane_units(values.astype(np.float32), finer)

    return IntegerPopulation(
        name=population.name,
        model=population.model,
        shape=population.shape,
        rules=rules,
        shift=finer,
        decay=np.rint(decay * 2.0**DECAY_BITS).astype(np.int64),
        bias=units(scaled.i_offset),
        synapse_decay=np.rint(synapse * 2.0**DECAY_BITS).astype(np.int64),
        synapse_bias=np.zeros(size, dtype=np.int64),
        threshold=units(threshold),
        reset_value=units(threshold if rules.reset == "subtract" else scaled.v_reset),
        spike_size=np.maximum(units(threshold), 1),
        initial=units(v_init),
        scale=1.0 / (scaled.per_volt * 2.0**finer),
        extra={name: bits_of(values) for name, values in registers.items()},
    )


def _row(
    integer: IntegerPopulation, exact: list[Operator], rounded: list[Operator], scaled: _Scaled
) -> dict[str, float | str]:
    wanted = np.concatenate([operator.weight.ravel() * scaled.weight_scale for operator in exact])
    noise = float(((np.concatenate([operator.weight.ravel() for operator in rounded]) - wanted) ** 2).sum())
    return {
        "population": integer.name,
        "neurons": integer.size,
        "weight_scale": scaled.weight_scale,
        "weight_sqnr_db": float(10 * np.log10((wanted**2).sum() / noise)) if noise else float("inf"),
        "zero_weights": float(np.mean(np.concatenate([operator.weight.ravel() == 0 for operator in rounded]))),
        "threshold": float(np.abs(scaled.threshold).max()),
        "latency": integer.latency,
    }
