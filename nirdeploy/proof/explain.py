"""explain: why the integer network differs from the float model, rounding by rounding.

Each rounding is switched on alone in the float reference, whose parts are replaced by what the integers
stand for; what remains when all parameters are rounded is the state's own rounding and saturation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.border import unbordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Effective, IntegerProjection, Population
from nirdeploy.integers.quantize import per_weight, with_sign
from nirdeploy.processes import progress
from nirdeploy.proof.evaluate import accuracy
from nirdeploy.proof.verdict import Divergence, Verdict
from nirdeploy.proof.verify import verify
from nirdeploy.records.brief import brief
from nirdeploy.records.inputs import stimulus
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Dense, matrix
from nirdeploy.sim import float_, integer

ROUNDINGS = ("weight", "bias", "decay", "threshold")  # of parameters; "input" and "state" are those of signals


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


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return brief(self, f"float against integer: {'; '.join(self.summary())}")

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
    read = x
    if network.encodings:
        read = {name: network.takes[name].numbers(q) for name, q in stimulus(x, network.inputs, network.takes).items()}
        record = float_.simulate(graph, read)
        causes.append(Cause("input", _differing(reference, record), score(record)))
    for rounding in progress.each("explaining, roundings", tuple(ROUNDINGS)):
        record = _simulate(graph, network, x, {rounding})
        causes.append(Cause(rounding, _differing(reference, record), score(record)))
    rounded = _simulate(graph, network, read, set(ROUNDINGS))
    causes.append(Cause("state", _differing(rounded, quantized), None))
    verdict = verify(reference, quantized)
    first = verdict.first_divergence
    return Explanation(
        verdict=verdict,
        first=first,
        margins=_margins(graph, network, one_sample(x, first.sample), replace(first, sample=0)) if first else None,
        causes=tuple(sorted(causes, key=lambda cause: -sum(cause.differing.values()))),
        float_accuracy=score(reference),
        integer_accuracy=score(quantized),
        remarks=tuple(_remarks(graph, network)),
    )


def _remarks(graph: CheckedGraph, network: IntegerNetwork) -> Iterator[str]:
    """How often a neuron may spike in a step is the target's own where the graph says otherwise."""
    often = {True: "several times", False: "once at most"}
    for population in _of_the_graph(graph, network):
        ours, trained = population.rules.multi, graph.rules(population.name).multi
        if ours != trained:
            yield f"{population.name!r} spikes {often[ours]} in a step on the target, {often[trained]} in the graph"


def _differing(a: SpikeRecord, b: SpikeRecord) -> dict[str, int]:
    a, b = a.aligned(b.aligned().steps), b.aligned()
    return {name: int((a.spikes[name] != b.spikes[name]).sum()) for name in a.spikes}


def _simulate(graph: CheckedGraph, network: IntegerNetwork, x: Any, rounded: set[str]) -> SpikeRecord:
    """The graph in float64 with the named parameters replaced by what the integers stand for."""
    populations = _of_the_graph(graph, network)
    made_of = {p.name: _parts(graph, network, p, rounded) for p in populations}
    readouts = {p.name for p in populations if not p.spiking}
    return float_.record(graph, float_.run(graph, made_of, x, readouts), [p.name for p in populations])


def _of_the_graph(graph: CheckedGraph, network: IntegerNetwork) -> list[Population]:
    """The network's populations but for relays, which only a target has: they say again what they heard."""
    known = {p.name for p in graph.populations}
    return [p for p in network.populations if p.name in known]


def _past_relays(graph: CheckedGraph, network: IntegerNetwork, p: IntegerProjection) -> IntegerProjection:
    """A projection as one from the graph's own population, in its shape; later by the steps that relays take."""
    known = {population.name for population in graph.populations}
    while p.source not in known:
        (heard,) = network.into(p.source)
        p = replace(p, source=heard.source, delay=p.delay + heard.delay)
    return unbordered(network, p)


def _parts(graph: CheckedGraph, network: IntegerNetwork, integers: Population, rounded: set[str]) -> float_.Parts:
    """A population's exact parts, or what the integers stand for, parameter by parameter."""
    made_of, name, scale = float_.parts(graph, integers.name), integers.name, integers.scale
    how = made_of.how
    total = np.broadcast_to(how.gain * (how.synapse_gain if integers.synaptic else 1.0), scale.shape)
    gain = np.where(total == 0, 1.0, total)
    if "weight" in rounded:
        sign = np.sign(total)
        arriving = (_past_relays(graph, network, p) for p in network.into(name))
        incoming = tuple(_stands_for(network, p, sign) for p in arriving)
        made_of = replace(made_of, incoming=incoming)
    effective = integers.effective(network.formats)
    if "bias" in rounded:
        # What is late is no part of a constant offset.
        current = effective.synapse_offset
        bias = np.zeros(integers.size) if current is None else current / gain
        late = {step: values / gain for step, values in effective.late_offset.items()}
        made_of = replace(made_of, how=replace(how, offset=effective.offset), bias=bias, late_bias=late)
    if "decay" in rounded:
        how = replace(made_of.how, decay=effective.decay)
        if effective.synapse_decay is not None:
            how = replace(how, synapse_decay=effective.synapse_decay)
        made_of = replace(made_of, how=how)
    if "threshold" in rounded and integers.spiking:
        made_of = replace(made_of, params=_thresholds(integers, effective, made_of.params))
    return made_of


def _stands_for(network: IntegerNetwork, p: IntegerProjection, sign: np.ndarray) -> Projection:
    """A projection of integers as one of currents."""
    unit = p.unit if p.maximum is None else p.maximum.in_front(p.unit)
    weight = p.operator.weight * per_weight(p.operator, unit)
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
    return Projection(p.source, p.target, operator, (), p.pool, delay, p.maximum)


def _thresholds(integers: Population, effective: Effective, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if integers.model not in neuron.RESETS:
        return {**params, "threshold": effective.threshold}
    return {**params, "v_threshold": effective.threshold, "v_reset": effective.v_reset}


def one_sample(x: Any, sample: int) -> Any:
    """A stimulus of that sample alone."""
    if isinstance(x, Mapping):
        return {name: one_sample(values, sample) for name, values in x.items()}
    return x[:, sample : sample + 1]


def _margins(graph: CheckedGraph, network: IntegerNetwork, x: Any, first: Divergence) -> Margins | None:
    integers = network.population(first.population)
    if not integers.spiking or first.step is None:
        return None
    index = int(np.ravel_multi_index(first.neuron, integers.shape))
    made_of = {p.name: float_.parts(graph, p.name) for p in _of_the_graph(graph, network)}
    exact = float_.run(graph, made_of, x, set(), {first.population}).compared[first.population]
    border = neuron.threshold_of(integers.model, made_of[first.population].params)[index]
    step = first.step + network.latencies.get(first.population, 0)
    rounded = integer.compared(network, x, first.population)[step, first.sample, index]
    return Margins(
        float(exact[first.step, first.sample, index] - border),
        float((rounded - integers.threshold[index]) * integers.scale[index]),
    )
