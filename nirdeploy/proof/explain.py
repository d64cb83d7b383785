"""explain: why the integer network differs from the float model, rounding by rounding.

Each rounding is switched on alone in the float reference, whose parts are replaced by what the integers
stand for; what remains when all parameters are rounded is the state's own rounding and saturation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.graph.check import CheckedGraph, Projection
from nirdeploy.integers.network import IntegerNetwork, IntegerPopulation, IntegerProjection
from nirdeploy.integers.quantize import per_weight, with_sign
from nirdeploy.proof.verify import Divergence, Verdict, accuracy, verify
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Dense, matrix
from nirdeploy.sim import float_, integer

ROUNDINGS = ("weight", "bias", "decay", "threshold")


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
    shows how differences spread layer by layer. ``remarks``: sentences on what is no rounding."""

    verdict: Verdict
    first: Divergence | None
    margins: Margins | None
    causes: tuple[Cause, ...]
    float_accuracy: float | None
    integer_accuracy: float | None
    remarks: tuple[str, ...] = ()

    def summary(self) -> list[str]:
        """For a terminal: what each rounding changes alone, and how near the threshold the first difference was."""
        if self.first is None:
            return ["quantization changes no spike"]
        alone = {cause.rounding: sum(cause.differing.values()) for cause in self.causes}
        changes = ", ".join(f"{rounding} {cells:,}" for rounding, cells in alone.items() if cells) or "none of them any"
        lines = [f"cells that each rounding changes alone: {changes}"]
        if self.margins:
            sides = (("float", self.margins.float_margin), ("integer", self.margins.integer_margin))
            text = " and ".join(f"{abs(by):.3g} {'above' if by >= 0 else 'below'} it ({side})" for side, by in sides)
            lines.append(f"first difference: {self.first.population!r} at its threshold, {text}")
        return [*lines, *self.remarks]

    def as_dict(self) -> dict[str, Any]:
        return {
            "first_divergence": asdict(self.first) if self.first else None,
            "margins": asdict(self.margins) if self.margins else None,
            "causes": [asdict(cause) for cause in self.causes],
            "float_accuracy": self.float_accuracy,
            "integer_accuracy": self.integer_accuracy,
            "remarks": list(self.remarks),
            "differing": {p.population: p.mismatches for p in self.verdict.populations},
        }


def explain(
    graph: CheckedGraph,
    network: IntegerNetwork,
    x: Any,
    labels: np.ndarray | None = None,
) -> Explanation:
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
        remarks=tuple(_remarks(graph, network)),
    )


def _remarks(graph: CheckedGraph, network: IntegerNetwork) -> Iterator[str]:
    """How often a neuron may spike in a step is the target's own where the graph says otherwise."""
    often = {True: "several times", False: "once at most"}
    for population in network.populations:
        ours, trained = population.rules.multi, graph.rules(population.name).multi
        if ours != trained:
            yield f"{population.name!r} spikes {often[ours]} in a step on the target, {often[trained]} in the graph"


def _differing(a: SpikeRecord, b: SpikeRecord) -> dict[str, int]:
    a, b = a.aligned(b.aligned().steps), b.aligned()
    return {name: int((a.spikes[name] != b.spikes[name]).sum()) for name in a.spikes}


def _simulate(graph: CheckedGraph, network: IntegerNetwork, x: Any, rounded: set[str]) -> SpikeRecord:
    """The graph in float64 with the named parameters replaced by what the integers stand for."""
    made_of = {p.name: _parts(graph, network, p, rounded) for p in network.populations}
    readouts = {p.name for p in network.populations if not p.spiking}
    return float_.record(graph, float_.run(graph, made_of, x, readouts), [p.name for p in network.populations])


def _parts(
    graph: CheckedGraph, network: IntegerNetwork, integers: IntegerPopulation, rounded: set[str]
) -> float_.Parts:
    """A population's exact parts, or what the integers stand for, parameter by parameter."""
    made_of, name, scale = float_.parts(graph, integers.name), integers.name, integers.scale
    how = made_of.how
    total = np.broadcast_to(how.gain * (how.synapse_gain if integers.synaptic else 1.0), scale.shape)
    gain = np.where(total == 0, 1.0, total)
    if "weight" in rounded:
        sign = np.sign(total)
        incoming = tuple(_stands_for(network, p, sign) for p in network.into(name))
        made_of = replace(made_of, incoming=incoming)
    if "bias" in rounded:
        offset = integers.bias * scale
        bias = integers.synapse_bias * scale / gain if integers.synaptic else np.zeros(integers.size)
        late = {step: values * scale / gain for step, values in integers.late_bias.items()}
        if not integers.synaptic:  # what is late is no part of a constant offset
            bias = np.zeros(integers.size)
        made_of = replace(made_of, how=replace(how, offset=offset), bias=bias, late_bias=late)
    if "decay" in rounded:
        bits = 2.0**network.formats.decay_bits
        decays = {"decay": integers.decay / bits}
        decays |= {"synapse_decay": integers.synapse_decay / bits} if integers.synaptic else {}
        made_of = replace(made_of, how=replace(made_of.how, **decays))
    if "threshold" in rounded and integers.spiking:
        made_of = replace(made_of, params=_thresholds(integers, made_of.params))
    return made_of


def _stands_for(network: IntegerNetwork, p: IntegerProjection, sign: np.ndarray) -> Projection:
    """A projection of integers as one of currents."""
    weight = p.operator.weight * per_weight(p.operator, p.unit)
    operator = with_sign(replace(p.operator, weight=weight), np.where(sign == 0, 1, sign))
    source = next((q for q in network.populations if q.name == p.source and not q.spiking), None)
    if source is not None:  # a membrane: its integers are in units of its scale
        even = (source.scale == source.scale[0]).all()
        operator = (
            replace(operator, weight=operator.weight / source.scale[0])
            if even
            else Dense(matrix(operator) / source.scale)
        )
    late = network.latencies
    delay = p.delay - late.get(p.target, 0) + late.get(p.source, 0)
    return Projection(p.source, p.target, operator, (), p.pool, delay)


def _thresholds(integers: IntegerPopulation, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    # An integer membrane above `threshold` is at least threshold + 1: the border lies halfway.
    border = integers.spike_size if integers.rules.multi else integers.threshold + 0.5
    threshold, reset = border * integers.scale, integers.reset_value * integers.scale
    if integers.model not in neuron.RESETS:
        return {**params, "threshold": threshold}
    v_reset = threshold - reset if integers.reset == "subtract" else reset
    return {**params, "v_threshold": threshold, "v_reset": v_reset}


def _margins(graph: CheckedGraph, network: IntegerNetwork, x: Any, first: Divergence) -> Margins | None:
    integers = network.population(first.population)
    if not integers.spiking:
        return None
    index = int(np.ravel_multi_index(first.neuron, integers.shape))
    made_of = {p.name: float_.parts(graph, p.name) for p in network.populations}
    exact = float_.run(graph, made_of, x, set(), {first.population}).compared[first.population]
    border = neuron.threshold_of(integers.model, made_of[first.population].params)[index]
    step = first.step + network.latencies.get(first.population, 0)
    rounded = integer.compared(network, x, first.population)[step, first.sample, index]
    return Margins(
        float(exact[first.step, first.sample, index] - border),
        float((rounded - integers.threshold[index]) * integers.scale[index]),
    )
