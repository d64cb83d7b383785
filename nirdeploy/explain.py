"""explain: why the integer network differs from the float model, rounding by rounding.

Each rounding is switched on alone in a float64 simulation of the affine step
``v' = decay v + (W s) + bias`` (:func:`nirdeploy.neuron.coefficients`); what remains when all
parameters are rounded is the state's own rounding and saturation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nirdeploy import neuron, spikes
from nirdeploy.check import CheckedGraph
from nirdeploy.quantize import IntegerNetwork
from nirdeploy.sim import float_, integer
from nirdeploy.spikes import SpikeRecord
from nirdeploy.verify import Divergence, Verdict, accuracy, verify

ROUNDINGS = ("weight", "bias", "decay", "threshold")


@dataclass(frozen=True)
class _Affine:
    """A population's step in float64: v' = decay v + weights s + bias; v > threshold; reset."""

    weights: Mapping[str, np.ndarray]
    bias: np.ndarray
    decay: np.ndarray
    threshold: np.ndarray
    reset_value: np.ndarray


@dataclass(frozen=True)
class Cause:
    """One rounding switched on alone: cells (step x sample x neuron) per population that change."""

    rounding: str
    differing: Mapping[str, int]
    accuracy: float | None


@dataclass(frozen=True)
class Margins:
    """Membrane minus threshold at the first divergence, in the graph's units, before the reset."""

    float_margin: float
    integer_margin: float


@dataclass(frozen=True)
class Explanation:
    """Float against integer. ``causes`` in the order of their effect; the last step of each column
    shows how differences spread layer by layer."""

    verdict: Verdict
    first: Divergence | None
    margins: Margins | None
    causes: tuple[Cause, ...]
    float_accuracy: float | None
    integer_accuracy: float | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "first_divergence": asdict(self.first) if self.first else None,
            "margins": asdict(self.margins) if self.margins else None,
            "causes": [asdict(cause) for cause in self.causes],
            "float_accuracy": self.float_accuracy,
            "integer_accuracy": self.integer_accuracy,
            "differing": {p.population: p.mismatches for p in self.verdict.populations},
        }


def explain(graph: CheckedGraph, network: IntegerNetwork, x: Any, labels: np.ndarray | None = None) -> Explanation:
    """Say which rounding changes which spikes, and what it costs.

    Args:
        x: stimulus (T, B, *input shape).
        labels: int (B,); with them task accuracies are given too.
    """
    reference = float_.simulate(graph, x)
    quantized = integer.simulate(network, x)

    def score(record: SpikeRecord) -> float | None:
        return None if labels is None else accuracy(record, labels)

    causes = []
    for rounding in ROUNDINGS:
        record = _simulate(graph, network, x, {rounding})
        causes.append(Cause(rounding, _differing(reference, record), score(record)))
    rounded = _simulate(graph, network, x, set(ROUNDINGS))
    causes.append(Cause("state", _differing(rounded, quantized), None))
    verdict = verify(reference, quantized)
    first = verdict.first_divergence
    return Explanation(
        verdict=verdict,
        first=first,
        margins=_margins(graph, network, x, first) if first else None,
        causes=tuple(sorted(causes, key=lambda cause: -sum(cause.differing.values()))),
        float_accuracy=score(reference),
        integer_accuracy=score(quantized),
    )


def _differing(a: SpikeRecord, b: SpikeRecord) -> dict[str, int]:
    return {name: int((a.spikes[name] != b.spikes[name]).sum()) for name in a.spikes}


def _simulate(graph: CheckedGraph, network: IntegerNetwork, x: Any, rounded: set[str]) -> SpikeRecord:
    """The graph in float64 with the named parameters replaced by what the integers stand for."""
    return _run(graph, network, x, rounded)[1]


def _run(
    graph: CheckedGraph, network: IntegerNetwork, x: Any, rounded: set[str], watch: str | None = None
) -> tuple[np.ndarray | None, SpikeRecord]:
    """Simulate; with ``watch`` also that population's membrane before threshold (T, B, size)."""
    blank = float_.simulate(graph, x)
    time, batch = blank.steps, blank.samples
    now = _inputs(graph, x)
    watched = None
    found: dict[str, np.ndarray] = {}
    membrane: dict[str, np.ndarray] = {}
    for population in network.populations:
        affine = _affine(graph, network, population.name, rounded)
        current = sum(now[source] @ weight.T for source, weight in affine.weights.items()) + affine.bias
        v = np.zeros((batch, population.size))
        fired = np.zeros((time, batch, population.size))
        before = np.zeros((time, batch, population.size))
        for t in range(time):
            v = affine.decay * v + current[t]
            before[t] = v
            if not population.spiking:
                continue
            above = v - affine.threshold
            inclusive = graph.dialect.threshold == ">=" and "threshold" not in rounded
            spike = (above >= 0 if inclusive else above > 0).astype(np.float64)
            v = (
                v - spike * affine.reset_value
                if population.reset == "subtract"
                else np.where(spike > 0, affine.reset_value, v)
            )
            fired[t] = spike
        now[population.name] = fired
        if population.name == watch:
            watched = before
        shaped = (fired if population.spiking else before).reshape(time, batch, *population.shape)
        (found if population.spiking else membrane)[population.name] = (
            shaped.astype(np.uint8) if population.spiking else shaped
        )
    return watched, replace(blank, spikes=found, membrane=membrane)


def _inputs(graph: CheckedGraph, x: Any) -> dict[str, np.ndarray]:
    stimulus = spikes.stimulus(x, [(name, graph.population(name).shape) for name in graph.inputs])
    return {n: v.reshape(*v.shape[:2], -1).astype(np.float64) for n, v in stimulus.items()}


def _affine(graph: CheckedGraph, network: IntegerNetwork, name: str, rounded: set[str]) -> _Affine:
    """Exact coefficients, or what the integers stand for, parameter by parameter."""
    population = graph.population(name)
    integers = next(p for p in network.populations if p.name == name)
    step = neuron.coefficients(population.model, population.params, population.shape, graph.dialect)
    gain, unit = step.gain.reshape(-1, 1), (integers.scale * 2.0**integers.shift).reshape(-1, 1)
    weights = {p.source: gain * p.weight for p in graph.projections if p.target == name}
    if "weight" in rounded:
        weights = {p.source: unit * p.weight for p in network.projections if p.target == name}
    bias = gain.ravel() * population.bias.ravel() + step.offset.ravel()
    zeros = np.zeros(population.size)
    threshold = population.params["v_threshold"].ravel() if integers.spiking else zeros
    v_reset = population.params["v_reset"].ravel() if integers.spiking else zeros
    reset_value = threshold - v_reset if integers.reset == "subtract" else v_reset
    if "threshold" in rounded:
        # An integer membrane above `threshold` is at least threshold + 1: the border lies halfway.
        threshold = (integers.threshold + 0.5) * integers.scale if integers.spiking else zeros
        reset_value = integers.reset_value * integers.scale
    return _Affine(
        weights=weights,
        bias=integers.bias * integers.scale if "bias" in rounded else bias,
        decay=integers.decay / 2.0**network.formats.decay_bits if "decay" in rounded else step.decay.ravel(),
        threshold=threshold,
        reset_value=reset_value,
    )


def _margins(graph: CheckedGraph, network: IntegerNetwork, x: Any, first: Divergence) -> Margins | None:
    integers = next(p for p in network.populations if p.name == first.population)
    if not integers.spiking:
        return None
    index = int(np.ravel_multi_index(first.neuron, integers.shape))
    watched, _ = _run(graph, network, x, set(), watch=first.population)
    threshold = float(graph.population(first.population).params["v_threshold"].ravel()[index])
    exact = float(watched[first.step, first.sample, index]) - threshold if watched is not None else 0.0
    before = _integer_before_reset(network, x, first, index)
    return Margins(exact, float((before - integers.threshold[index]) * integers.scale[index]))


def _integer_before_reset(network: IntegerNetwork, x: Any, first: Divergence, index: int) -> int:
    """The integer membrane that was compared with the threshold: the last one, one step on."""
    record = integer.simulate(network, x, membrane=[first.population])
    population = next(p for p in network.populations if p.name == first.population)
    shaped = record.membrane[first.population].reshape(record.steps, record.samples, -1)
    v = shaped[first.step - 1, first.sample, index] if first.step else population.initial[index]
    acc = 0
    for projection in network.projections:
        if projection.target == first.population:
            source = (
                record.spikes[projection.source]
                if projection.source in record.spikes
                else _network_input(network, x)[projection.source]
            )
            arriving = source[first.step, first.sample].ravel().astype(np.int64)
            acc += int(projection.weight[index] @ arriving)
    kept = int(integer.decayed(np.array(int(v)), np.array(int(population.decay[index])), network.formats.decay_bits))
    total = kept + (acc << population.shift) + int(population.bias[index])
    return int(np.clip(total, -network.formats.state_max - 1, network.formats.state_max))


def _network_input(network: IntegerNetwork, x: Any) -> dict[str, np.ndarray]:
    return spikes.stimulus(x, network.inputs)
