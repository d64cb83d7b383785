"""A checked graph in the chip's numbers: 8-bit weights, everything else in single precision.

The chip's neurons have no input gain: a spike adds its weight to the membrane, or to the synaptic current, and that
to the membrane. So a population's membrane is kept in units of its weights: with s = 127 / (largest weight into the
population), and g what a current adds to the membrane in a step (of CubaLIF: times what it adds to the synapse),

    weight    trunc(s W)               threshold  v_threshold s / g
    i_offset  offset s / g + bias s    (CubaLIF: bias s / (1 - decay of the synapse), the current's steady state)

after py-spinnaker2's conversion of NIR (``s2_nir.py``). Weights that are all on one grid of up to 127 steps become
whole numbers exactly: s is then as many units per step as fit.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nirdeploy.backends.common import limits, quality
from nirdeploy.backends.spinnaker2.schema import Formats
from nirdeploy.graph.chain import MAX_WEIGHTS
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers import grid
from nirdeploy.integers.parts import ChipPopulation, Effective, IntegerProjection
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution, Dense, Operator
from nirdeploy.targets.fit import Problem

#: Bits, where the membrane is given in integers, of the threshold or of the largest weight: LSBs are 2^-20 of it.
_MEMBRANE_BITS = 20
#: What single precision holds.
_LARGEST = float(np.finfo(np.float32).max)


def membrane_units(values: np.ndarray, fraction_bits: int) -> np.ndarray:
    """Single-precision membranes in LSBs of 2^-``fraction_bits`` weight units, downwards: int64."""
    return np.asarray(np.floor(values.astype(np.float64) * 2.0**fraction_bits).astype(np.int64))


def gain(graph: CheckedGraph, population: Population) -> np.ndarray:
    """What a unit of current adds to the membrane in a step; CubaLIF: to the synaptic current, and that to the
    membrane. float64 (size,)."""
    how = limits.coefficients(graph, population)
    synapse = how.synapse_gain if population.model in neuron.SYNAPTIC else 1.0
    return limits.whole(how.gain * synapse, population.size)


def is_plain(p: Projection) -> bool:
    """Whether the chip takes a projection as it is: a convolution, a pool in front or not, or a matrix."""
    return isinstance(p.operator, Convolution) or (isinstance(p.operator, Dense) and p.pool is None)


def has_room(p: Projection) -> bool:
    """Whether a projection that is not plain may be written out as a list of synapses."""
    return is_plain(p) or p.inputs * p.operator.outputs <= MAX_WEIGHTS


class Rounding:
    """One population and the projections into it, in units of its weights: float64 (size,) before they are rounded.

    ``largest`` is the largest weight into it, which becomes ``top``; 1 volt is ``per_volt`` units. ``operators``: what
    the chip computes: a convolution with a pool in front, or a list of synapses as a matrix. ``kept``: all weights are
    on a grid, and whole numbers of units.
    """

    def __init__(self, graph: CheckedGraph, population: Population, formats: Formats, latency: int) -> None:
        self.population, self.latency, self.rules = population, latency, graph.rules(population.name)
        self.incoming = graph.into(population.name)
        self.operators = [p.operator if is_plain(p) or not has_room(p) else Dense(p.matrix()) for p in self.incoming]
        how = limits.coefficients(graph, population)
        synaptic = population.model in neuron.SYNAPTIC
        steady = 1.0 / (1.0 - how.synapse_decay) if synaptic else 1.0
        self.decay = limits.whole(how.decay, population.size)
        self.synapse_decay = limits.whole(how.synapse_decay if synaptic else 0.0, population.size)
        self.largest = max(float(np.abs(o.weight).max(initial=0.0)) for o in self.operators) or 1.0
        self.top = int(2 ** (formats.weight_bits - 1)) - 1
        step = grid.of_all([o.weight for o in self.operators], self.top)
        self.kept = step > 0
        if self.kept:  # the most steps that a weight is, as often as they fit
            steps = round(self.largest / step)
            self.top = self.top // steps * steps
        self.weight_scale = self.top / self.largest
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            self.per_volt = self.weight_scale / gain(graph, population)
            self.threshold = self._held(population.params["v_threshold"].ravel() * self.per_volt)
            bias = population.bias.ravel() * steady * self.weight_scale
            self.i_offset = self._held(how.offset * self.per_volt + bias)
            self.v_reset = self._held(population.params["v_reset"].ravel() * self.per_volt)

    def _held(self, units: np.ndarray) -> np.ndarray:
        """Beside weights on a grid, what a float32 keeps of a whole number of units is that number."""
        return grid.whole(units, grid.TOLERANCE) if self.kept else units

    @property
    def problems(self) -> list[Problem]:
        """Parameters that single precision does not hold."""
        largest = float(max(np.abs(values).max() for values in (self.threshold, self.i_offset, self.v_reset)))
        if largest <= _LARGEST:
            return []
        return [
            Problem(
                self.population.name,
                f"node {self.population.name!r} needs a threshold or bias of {largest:.3g} weight units",
                f"single precision holds {_LARGEST:.3g}",
                "bring r, w_in and the weights nearer to 1",
            )
        ]

    def result(self) -> tuple[ChipPopulation, list[IntegerProjection], dict[str, float | str]]:
        """The chip's numbers. Only where there are no problems; each projection takes one step."""
        rounded = [self._truncated(operator) for operator in self.operators]
        unit = np.full(self.population.size, 1.0 / self.weight_scale)
        projections = [
            IntegerProjection(
                p.source, p.target, operator, unit, p.pool if isinstance(operator, Convolution) else None, delay=1
            )
            for p, operator in zip(self.incoming, rounded, strict=True)
        ]
        return self._population(), projections, self._row(rounded)

    def _truncated(self, operator: Operator) -> Operator:
        """The weights in units of their scale, towards zero where they are between two; divided first, so that the
        largest is ``top`` exactly."""
        weight = operator.weight / self.largest * self.top
        weight = np.rint(weight) if self.kept else np.trunc(weight)
        return replace(operator, weight=np.ascontiguousarray(weight, dtype=np.int32))

    def _population(self) -> ChipPopulation:
        population = self.population
        threshold = self.threshold.astype(np.float32)
        if self.rules.threshold == ">=":  # the chip compares by ">": with what lies just below
            threshold = np.nextafter(threshold, np.float32(-np.inf))
        exact = {
            "alpha_decay": self.decay,
            "exc_decay": self.synapse_decay,
            "inh_decay": self.synapse_decay,
            "threshold": threshold,
            "i_offset": self.i_offset,
            "v_reset": self.v_reset,
            "v_init": self.v_reset if self.rules.starts_reset else np.zeros(population.size),
        }
        registers = {name: values.astype(np.float32) for name, values in exact.items()}
        bits = _MEMBRANE_BITS - math.ceil(math.log2(max(float(np.abs(threshold).max()), self.top)))
        held = {name: values.astype(np.float64) for name, values in registers.items()}
        return ChipPopulation(
            name=population.name,
            model=population.model,
            shape=population.shape,
            rules=self.rules,
            threshold=membrane_units(threshold, bits),
            scale=1.0 / (self.per_volt * 2.0**bits),
            latency=self.latency,
            registers={**registers, "fraction_bits": np.array(bits)},
            stands_for=Effective(
                decay=held["alpha_decay"],
                offset=held["i_offset"] / self.per_volt,
                threshold=held["threshold"] / self.per_volt,
                v_reset=np.zeros(population.size)
                if self.rules.reset == "subtract"
                else held["v_reset"] / self.per_volt,
                synapse_decay=held["exc_decay"] if population.model in neuron.SYNAPTIC else None,
            ),
        )

    def _row(self, rounded: list[Operator]) -> dict[str, float | str]:
        exact, made = [o.weight for o in self.operators], [o.weight for o in rounded]
        wanted = np.concatenate([weight.ravel() * self.weight_scale for weight in exact])
        noise = quality.noise(np.concatenate([weight.ravel() for weight in made]), wanted)
        return {
            "population": self.population.name,
            "neurons": self.population.size,
            "weight_scale": self.weight_scale,
            "weight_sqnr_db": quality.sqnr_db(float((wanted**2).sum()), noise),
            "zero_weights": quality.lost_weights(made, exact),
            "threshold": float(np.abs(self.threshold).max()),
            "latency": self.latency,
        }
