"""Quantization: one scale for all of a core, so that weights, biases and threshold become integers together.

A core has one threshold, 8-bit weights and 8-bit biases. What differs between the features of a population (threshold,
r) goes into their weights first. Then, with scale s, w' = round(s w), b' = round(s b), T = round(s threshold). Two ways
to choose s (``formats.scaling``):

``largest``: the largest that fits, as sinabs' discretiser does it, in its single precision (discretize.py, 3.1.3).
``threshold``: of the scales below that which make the threshold an integer, T / threshold, the one under which the
weights, seen from the threshold (w' / T), err least. The threshold then does not round at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nirdeploy.backends.speck.schema import Formats
from nirdeploy.graph.check import CheckedGraph, Population
from nirdeploy.integers.network import Formats as Integers
from nirdeploy.integers.network import IntegerNetwork, IntegerPopulation, IntegerProjection
from nirdeploy.integers.quantize import assembled, per_weight
from nirdeploy.semantics import neuron
from nirdeploy.targets.tables import Target

_ACCUMULATOR_BITS = 32  # of the model: a core adds event by event
_DECAY_BITS = 16
#: How many thresholds are tried, the largest first.
_TRIED = 64
#: In thresholds; what is larger leaves nothing of the threshold anyway, and this is safe in single precision.
_HUGE = 2.0**100


def integers(formats: Formats) -> Integers:
    """The chip's formats as a network says them."""
    return Integers(formats.weight_bits, _ACCUMULATOR_BITS, formats.state_bits, _DECAY_BITS)


@dataclass(frozen=True)
class Core:
    """One population before rounding: what its core multiplies by one scale.

    Currents are multiplied so that all neurons have the threshold ``threshold``, in powers of two brought to [0.5, 1)
    (which changes no rounding). ``weights`` and ``bias`` are in that unit; ``floor`` is the lowest membrane, or None;
    ``gain``: what a current of one adds to each neuron's membrane.
    """

    formats: Formats
    gain: np.ndarray
    threshold: float
    floor: float | None
    weights: tuple[np.ndarray, ...]
    bias: np.ndarray

    @classmethod
    def of(cls, graph: CheckedGraph, population: Population, formats: Formats) -> Core:
        params = {key: values.ravel() for key, values in population.params.items()}
        rules = graph.rules(population.name)
        how = neuron.coefficients(population.model, params, graph.dialect_of(population.name))
        thresholds = params["v_threshold"]
        reference = float(thresholds.max())
        threshold, power = np.frexp(reference)
        gain = np.broadcast_to(how.gain, population.size)
        with np.errstate(over="ignore", invalid="ignore"):
            factor = gain * (reference / thresholds)
            weights = tuple(
                _held(np.ldexp(p.operator.weight * per_weight(p.operator, factor), -power))
                for p in graph.into(population.name)
            )
            bias = _held(np.ldexp(population.bias.ravel() * factor, -power))
        return cls(formats, gain, float(threshold), -float(threshold) if rules.bounded else None, weights, bias)

    @cached_property
    def largest(self) -> tuple[float, str]:
        """The scale of sinabs' discretiser, and what sets it: weights, biases or threshold."""
        weights = np.concatenate([weight.ravel() for weight in self.weights])
        ends = np.array([self.threshold if self.floor is None else self.floor, self.threshold])
        fits = {
            "weights": _fits(weights, self.formats.weight_bits),
            "biases": _fits(self.bias, self.formats.bias_bits),
            "threshold": _fits(ends, self.formats.state_bits),
        }
        limit = min(fits, key=lambda name: fits[name])
        return float(fits[limit]), limit

    @cached_property
    def scale(self) -> float:
        """Integers per unit of the threshold's."""
        largest, _ = self.largest
        top = int(np.floor(largest * self.threshold * (1 + 2.0**-20)))
        if self.formats.scaling == "largest" or top < 1:
            return largest
        tried = np.arange(top, max(top // 2, top - _TRIED), -1) if top > 1 else np.array([top])
        return float(tried[np.argmin([self._noise(int(t)) for t in tried])] / self.threshold)

    def _noise(self, threshold: int) -> float:
        """How far rounded weights and biases are off, in thresholds, squared and added."""
        per = threshold / self.threshold
        parts = (*self.weights, self.bias)
        return float(sum(((np.rint(part * per) - part * per) ** 2).sum() for part in parts)) / threshold**2

    def rounded(self, values: Any) -> np.ndarray:
        """Integers (int64), to nearest, ties to even, in single precision where that is the discretiser's."""
        if self.formats.scaling == "largest":
            scaled: Any = np.float32(values) * np.float32(self.scale)
        else:
            scaled = np.asarray(values) * self.scale
        return np.asarray(np.rint(scaled), dtype=np.int64)

    @property
    def lost(self) -> bool:
        """Whether rounding leaves no weight at all, or a threshold of 0."""
        had = any(weight.any() for weight in self.weights)
        left = any(self.rounded(weight).any() for weight in self.weights)
        return int(self.rounded(self.threshold)) < 1 or (had and not left)


def _fits(values: np.ndarray, bits: int) -> np.float32:
    """The scale by which the values fill signed integers of so many bits, in single precision; may be infinite."""
    low, high = np.float32(-(2 ** (bits - 1))), np.float32(2 ** (bits - 1) - 1)
    least, most = np.float32(values.min()), np.float32(values.max())
    with np.errstate(divide="ignore", over="ignore"):
        if abs(least) <= abs(most) * np.float32(abs(float(low) / float(high))):
            return np.float32(abs(np.float32(1) / most * high))
        return np.float32(abs(np.float32(1) / least * low))


def _held(values: np.ndarray) -> np.ndarray:
    """Values that single precision can hold, whatever a graph holds."""
    return np.asarray(np.clip(np.nan_to_num(values, nan=0.0, posinf=_HUGE, neginf=-_HUGE), -_HUGE, _HUGE))


def quantize(graph: CheckedGraph, target: Target) -> IntegerNetwork:
    """Round a graph that is free of problems."""
    rounded = []
    for population in graph.populations:
        if population.model == "Input":
            continue
        core = Core.of(graph, population, target.formats)
        integer, incoming = _population(graph, population, core), []
        for p, weight in zip(graph.into(population.name), core.weights, strict=True):
            operator = replace(p.operator, weight=np.ascontiguousarray(core.rounded(weight), dtype=np.int32))
            unit = integer.scale / np.where(core.gain == 0, 1.0, np.abs(core.gain))
            incoming.append(IntegerProjection(p.source, p.target, operator, unit, p.pool))
        rounded.append((integer, incoming, _row(integer, core)))
    return assembled(graph, target.name, integers(target.formats), rounded, dynamics=target.backend)


def _population(graph: CheckedGraph, population: Population, core: Core) -> IntegerPopulation:
    rules, size = graph.rules(population.name), population.size
    zeros = np.zeros(size, dtype=np.int64)
    high = int(core.rounded(core.threshold))
    low = -(2 ** (core.formats.state_bits - 1)) if core.floor is None else int(core.rounded(core.floor))
    registers: Mapping[str, Any] = {"threshold_high": high, "threshold_low": low}
    return IntegerPopulation(
        name=population.name,
        model=population.model,
        shape=population.shape,
        rules=rules,
        shift=0,
        decay=zeros + 2**_DECAY_BITS,
        bias=core.rounded(core.bias),
        synapse_decay=zeros,
        synapse_bias=zeros,
        threshold=zeros + high - 1,
        reset_value=zeros + (high if rules.reset == "subtract" else 0),
        spike_size=zeros + high,
        initial=zeros,
        scale=population.params["v_threshold"].ravel() / (core.threshold * core.scale),
        extra={name: np.array(value, dtype=np.int64) for name, value in registers.items()},
    )


def _row(integer: IntegerPopulation, core: Core) -> dict[str, float | str]:
    rounded = [core.rounded(weight) for weight in core.weights]
    wanted = np.concatenate([weight.ravel() for weight in core.weights]) * core.scale
    held = np.concatenate([weight.ravel() for weight in rounded])
    noise = float(((held - wanted) ** 2).sum())
    high = int(integer.extra["threshold_high"])
    return {
        "population": integer.name,
        "neurons": integer.size,
        "threshold": high,
        "limited_by": core.largest[1],
        "weight_sqnr_db": float(10 * np.log10((wanted**2).sum() / noise)) if noise else float("inf"),
        "zero_weights": float(np.mean((held == 0) & (wanted != 0))),
        "bias_error": float(np.abs(integer.bias - core.bias * core.scale).max()) / high,
        "threshold_error": float(abs(high / (core.threshold * core.scale) - 1.0)),
    }
