"""Quantization: one scale for all of a core, so that weights, biases and threshold become integers together.

A core has one threshold, 8-bit weights and 8-bit biases. What differs between the features of a population (threshold,
r) goes into their weights first. Then, with scale s, w' = round(s w), b' = round(s b), T = round(s threshold). Two ways
to choose s (``formats.scaling``):

``largest``: the largest that fits, as sinabs' discretiser does it, in its single precision (discretize.py, 3.1.3).
``threshold``: of the scales below that which make the threshold an integer, T / threshold, the one under which the
weights, seen from the threshold (w' / T), err least. The threshold then does not round at all. Where all weights are
on one grid, only scales under which they become its whole numbers are tried: then T alone rounds, if at all.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from nirdeploy.backends.common import limits, quality
from nirdeploy.backends.speck.schema import Formats
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.integers import grid
from nirdeploy.integers.parts import ChipPopulation, Effective, IntegerProjection
from nirdeploy.integers.quantize import per_weight
from nirdeploy.targets.fit import Problem

#: How many thresholds are tried, the largest first.
_TRIED = 64
#: In thresholds; what is larger leaves nothing of the threshold anyway, and this is safe in single precision.
_HUGE = 2.0**100


class Rounding:
    """One population and the projections into it: what its core multiplies by one scale.

    Currents are multiplied so that all neurons have the threshold ``threshold``, in powers of two brought to [0.5, 1)
    (which changes no rounding). ``weights`` and ``bias`` are in that unit; ``floor`` is the lowest membrane, or None;
    ``gain``: what a current of one adds to each neuron's membrane.
    """

    def __init__(self, graph: CheckedGraph, population: Population, formats: Formats) -> None:
        self.population, self.formats = population, formats
        self.rules, self.incoming = graph.rules(population.name), graph.into(population.name)
        thresholds = population.params["v_threshold"].ravel()
        reference = float(thresholds.max())
        threshold, power = np.frexp(reference)
        self.threshold = float(threshold)
        self.floor = -self.threshold if self.rules.bounded else None
        self.gain = limits.whole(limits.coefficients(graph, population).gain, population.size)
        with np.errstate(over="ignore", invalid="ignore"):
            factor = self.gain * (reference / thresholds)
            self.weights = tuple(
                _held(np.ldexp(p.operator.weight * per_weight(p.operator, factor), -power)) for p in self.incoming
            )
            self.bias = _held(np.ldexp(population.bias.ravel() * factor, -power))

    @cached_property
    def _fit(self) -> dict[str, np.float32]:
        """The largest scales that weights, biases and threshold allow."""
        weights = np.concatenate([weight.ravel() for weight in self.weights])
        ends = np.array([self.threshold if self.floor is None else self.floor, self.threshold])
        return {
            "weights": _fits(weights, self.formats.weight_bits),
            "biases": _fits(self.bias, self.formats.bias_bits),
            "threshold": _fits(ends, self.formats.state_bits),
        }

    @cached_property
    def largest(self) -> tuple[float, str]:
        """The scale of sinabs' discretiser, and what sets it: weights, biases or threshold."""
        limit = min(self._fit, key=lambda name: self._fit[name])
        return float(self._fit[limit]), limit

    @cached_property
    def scales(self) -> np.ndarray:
        """Integers per unit of the threshold's: those that are tried, the largest first."""
        largest, _ = self.largest
        top = int(np.floor(largest * self.threshold * (1 + 2.0**-20)))
        if self.formats.scaling == "largest" or top < 1:
            return np.array([largest])
        if (kept := self._on_grid(largest)).size:
            return kept
        return np.arange(top, max(top // 2, top - _TRIED, 0), -1) / self.threshold

    def _on_grid(self, largest: float) -> np.ndarray:
        """The scales of whole thresholds under which a grid's weights become its whole numbers, the finest first."""
        if not self.step:
            return np.zeros(0)
        more = 1 + 2.0**-20
        parts = np.arange(int(largest * self.step * more), 0, -1)  # the integers that a step becomes
        parts = parts[2 * parts > parts[:1]]
        exact = parts / self.step * self.threshold
        found = np.rint(exact)
        furthest = max(float(np.abs(weight).max()) for weight in self.weights) / self.step
        kept = (found >= 1) & grid.moves_little(furthest * parts, exact, found)
        scales = found / self.threshold
        return np.asarray(scales[kept & (scales <= min(self._fit["biases"], self._fit["threshold"]) * more)])

    @cached_property
    def step(self) -> float:
        """Of the grid that all weights are on; 0: of none."""
        return grid.of_all(self.weights, 1 << (self.formats.weight_bits - 1))

    @cached_property
    def scale(self) -> float:
        """The one of them under which weights and biases err least."""
        if self.scales.size == 1:
            return float(self.scales[0])
        noise = [self._noise(round(scale * self.threshold)) for scale in self.scales]
        return float(self.scales[np.argmin(noise)])

    def _noise(self, threshold: int) -> float:
        """How far rounded weights and biases are off, in thresholds, squared and added."""
        per = threshold / self.threshold
        parts = (*self.weights, self.bias)
        return sum(quality.noise(np.rint(part * per), part * per) for part in parts) / threshold**2

    def rounded(self, values: Any, scale: float | None = None) -> np.ndarray:
        """Integers (int64), to nearest, ties to even, in single precision where that is the discretiser's."""
        scale = self.scale if scale is None else scale
        if self.formats.scaling == "largest":
            scaled: Any = np.float32(values) * np.float32(scale)
        else:
            scaled = np.asarray(values) * scale
        return np.asarray(np.rint(scaled), dtype=np.int64)

    @cached_property
    def integers(self) -> tuple[np.ndarray, ...]:
        """The weights of each projection, rounded."""
        return tuple(self.rounded(weight) for weight in self.weights)

    @cached_property
    def problems(self) -> list[Problem]:
        """Rounding leaves no weight at all, or a threshold of 0."""
        weight = max(float(np.abs(weight).max(initial=0.0)) for weight in self.weights)
        # What the smallest scale keeps, each of them does: which one is best need not be known.
        if self._keeps(weight, float(self.scales[-1])) or self._keeps(weight, self.scale):
            return []
        weights, biases = weight / self.threshold, float(np.abs(self.bias).max()) / self.threshold
        formats = self.formats
        return [
            Problem(
                self.population.name,
                f"node {self.population.name!r} has weights up to {weights:.3g} thresholds and biases up to "
                f"{biases:.3g}",
                f"of which {formats.weight_bits}-bit weights, {formats.bias_bits}-bit biases and a "
                f"{formats.state_bits}-bit threshold on one scale leave no weight or no threshold",
                "bring them closer together",
            )
        ]

    def _keeps(self, weight: float, scale: float) -> bool:
        """Whether a scale leaves something of the threshold and of the largest weight (if there is one)."""
        kept = int(self.rounded(self.threshold, scale)) >= 1
        return kept and (weight == 0.0 or bool(self.rounded(weight, scale)))

    def result(self) -> tuple[ChipPopulation, list[IntegerProjection], dict[str, float | str]]:
        """The integers. Only where there are no problems."""
        integer = self._population()
        unit = integer.scale / np.where(self.gain == 0, 1.0, np.abs(self.gain))
        projections = []
        for p, weight in zip(self.incoming, self.integers, strict=True):
            operator = replace(p.operator, weight=np.ascontiguousarray(weight, dtype=np.int32))
            projections.append(IntegerProjection(p.source, p.target, operator, unit, p.pool))
        return integer, projections, self._row(integer)

    def _population(self) -> ChipPopulation:
        population, formats = self.population, self.formats
        high = int(self.rounded(self.threshold))
        low = -(2 ** (formats.state_bits - 1)) if self.floor is None else int(self.rounded(self.floor))
        bias, scale = self.rounded(self.bias), population.params["v_threshold"].ravel() / (self.threshold * self.scale)
        return ChipPopulation(
            name=population.name,
            model=population.model,
            shape=population.shape,
            rules=self.rules,
            threshold=np.full(population.size, high - 1, dtype=np.int64),
            scale=scale,
            registers={
                "threshold_high": np.array(high, dtype=np.int64),
                "threshold_low": np.array(low, dtype=np.int64),
                "bias": bias,
            },
            stands_for=Effective(
                decay=np.ones(population.size),
                offset=bias * scale,
                threshold=high * scale,
                v_reset=np.zeros(population.size),
            ),
        )

    def _row(self, integer: ChipPopulation) -> dict[str, float | str]:
        wanted = np.concatenate([weight.ravel() for weight in self.weights]) * self.scale
        held = np.concatenate([weight.ravel() for weight in self.integers])
        factor = quality.common_factor(held[None], wanted[None])[0]
        noise = quality.noise(held, wanted * factor)
        high = int(integer.registers["threshold_high"])
        return {
            "population": integer.name,
            "neurons": integer.size,
            "threshold": high,
            "limited_by": self.largest[1],
            "weight_sqnr_db": quality.sqnr_db(float((wanted**2).sum()), noise),
            "zero_weights": quality.lost_weights(self.integers, self.weights),
            "bias_error": float(np.abs(integer.registers["bias"] - self.bias * self.scale).max()) / high,
            "threshold_error": float(abs(high / (self.threshold * self.scale * factor) - 1.0)),
        }


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
