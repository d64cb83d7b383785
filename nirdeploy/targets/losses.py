"""losses: what rounding to a target's integers takes from a population: its weights, its leak, its bias, its spikes.

A population without weights left is no longer the network's, and refused; the rest is a warning each. The integers are
read back in the graph's terms (:meth:`nirdeploy.integers.parts.Population.effective`), so this holds on every target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from nirdeploy.graph import doubts
from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.graph.parts import Population as Exact
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.border import unbordered
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Effective, IntegerProjection, Population
from nirdeploy.integers.quantize import per_weight, with_sign
from nirdeploy.semantics import neuron
from nirdeploy.targets.fit import Problem

#: A leak that takes longer (in steps) counts as none: whoever writes an IF as a LIF means no leak.
_LEAKS = 1e6
_COUNTED = 255  # spikes of a neuron in a step: no record holds more


def problems(graph: CheckedGraph, network: IntegerNetwork) -> Iterator[Problem]:
    """One for each population all of whose weights round to zero."""
    for both in _pairs(graph, network):
        lost = both.lost()
        if lost and len(lost) == len(both.heard()):
            yield Problem(
                both.exact.name,
                f"all weights into node {both.exact.name!r} round to zero ({'; '.join(map(both.beside, lost))})",
                remedy="train with larger weights, or a smaller threshold, reset and bias beside them, or take a "
                "target with more bits",
            )


def warnings(graph: CheckedGraph, network: IntegerNetwork) -> tuple[str, ...]:
    """One sentence each, naming the node."""
    pairs = list(_pairs(graph, network))
    return tuple(said for both in pairs for said in (*both.weights(), *both.leaks(), *both.biases())) + tuple(
        _silence(graph, network, pairs)
    )


@dataclass(frozen=True)
class _Both:
    """A population of the graph and its integers, with what reaches them."""

    exact: Exact
    rounded: Population
    into: tuple[Projection, ...]
    arriving: tuple[tuple[str, IntegerProjection], ...]  # by the population of the graph that sends
    how: neuron.Coefficients
    effective: Effective

    @property
    def gain(self) -> np.ndarray:
        """What one unit of current adds to the membrane, in the end: float64 (size,)."""
        total = self.how.gain * (1.0 if self.how.synapse_gain is None else self.how.synapse_gain)
        return np.broadcast_to(np.asarray(total, dtype=np.float64), self.exact.size)

    def heard(self) -> list[Projection]:
        """The projections that do something in the graph."""
        return [p for p in self.into if p.weight.any() and self.gain.any()]

    def lost(self) -> list[Projection]:
        """Those of them that do nothing in integers."""
        kept = {source for source, p in self.arriving if p.weight.any()}
        return [p for p in self.heard() if p.source not in kept]

    def beside(self, p: Projection) -> str:
        """The largest weight of a lost projection, and the unit that it is smaller than."""
        unit = next(one.unit for source, one in self.arriving if source == p.source)
        return f"from {p.source!r} {np.abs(p.weight).max():.3g} at most, where one unit of a weight is {unit.min():.3g}"

    def weights(self) -> Iterator[str]:
        for p in self.lost():
            yield (
                f"all weights from {p.source!r} to {self.exact.name!r} round to zero ({self.beside(p)}): nothing of it "
                "arrives; scale them up beside the other weights into that node, the threshold and the bias"
            )

    def leaks(self) -> Iterator[str]:
        pairs = [("membrane", self.how.decay, self.effective.decay)]
        if self.how.synapse_decay is not None and self.effective.synapse_decay is not None:
            pairs.append(("synaptic current", self.how.synapse_decay, self.effective.synapse_decay))
        for what, exact, rounded in pairs:
            exact = np.broadcast_to(exact, rounded.shape)
            none = (rounded == 1) & (exact < 1 - 1 / _LEAKS)
            if none.any():
                steps = 1 / (1 - float(exact[none].min()))
                yield (
                    f"node {self.exact.name!r}: the leak of its {what} (a time constant of {steps:,.0f} steps) rounds "
                    f"to none in {int(none.sum())} of {none.size} neurons, which then integrate without one"
                )
            if (whole := (rounded == 0) & (exact > 0)).any():
                yield (
                    f"node {self.exact.name!r}: what a step leaves of its {what} ({float(exact[whole].max()):.3g}) "
                    f"rounds to nothing in {int(whole.sum())} of {whole.size} neurons, which then remember nothing"
                )

    def biases(self) -> Iterator[str]:
        if not self.rounded.spiking:
            return
        bias = self.exact.bias.ravel() * self.gain
        synaptic = self.how.synapse_decay is not None
        reached = _settled(self.how.synapse_decay, bias) + self.how.offset if synaptic else bias + self.how.offset
        threshold = neuron.threshold_of(self.exact.model, self.exact.params).ravel()
        left = self.effective.offset + (0 if self.effective.synapse_offset is None else self.effective.synapse_offset)
        gone = (_settled(self.how.decay, reached) > threshold) & (threshold >= 0) & (left <= 0)
        if gone.any():
            yield (
                f"node {self.exact.name!r}: {int(gone.sum())} of {gone.size} neurons fire by their bias alone, which "
                "rounds to zero: they will fire less, or never"
            )


def _settled(decay: object, entering: np.ndarray) -> np.ndarray:
    """Where v' = decay v + entering ends, from 0: where nothing leaks, beyond everything."""
    kept = np.broadcast_to(np.asarray(decay, dtype=np.float64), entering.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(kept < 1, entering / (1 - kept), np.inf * np.sign(entering))
    return np.nan_to_num(ends, nan=0.0, posinf=np.inf, neginf=-np.inf)


def _pairs(graph: CheckedGraph, network: IntegerNetwork) -> Iterator[_Both]:
    known = {population.name: population for population in graph.populations}
    for rounded in network.populations:
        exact = known.get(rounded.name)
        if exact is None:  # a relay, which only the target has
            continue
        params = {key: values.ravel() for key, values in exact.params.items()}
        yield _Both(
            exact,
            rounded,
            tuple(graph.into(exact.name)),
            tuple((_sender(network, p, known), unbordered(network, p)) for p in network.into(exact.name)),
            neuron.coefficients(exact.model, params, graph.dialect_of(exact.name)),
            rounded.effective(network.formats),
        )


def _sender(network: IntegerNetwork, p: IntegerProjection, known: Mapping[str, object]) -> str:
    """The population of the graph that a projection comes from, past relays."""
    while p.source not in known:
        (p,) = network.into(p.source)
    return p.source


def _silence(graph: CheckedGraph, network: IntegerNetwork, pairs: list[_Both]) -> Iterator[str]:
    """Populations that can fire in the graph and cannot in integers, whatever the input."""
    dead = set(doubts.silent(graph))
    if any(not both.rounded.spiking and any(p.source == both.exact.name for p in graph.projections) for both in pairs):
        return  # a membrane that another population reads has no bound
    able: dict[str, np.ndarray] = {}
    for both in pairs:
        if both.rounded.spiking:
            reaches, rules = _highest(both, graph, able) >= both.effective.threshold, both.rounded.rules
            able[both.exact.name] = reaches * (float(rules.max_spikes or _COUNTED) if rules.multi else 1.0)
            if not reaches.any() and both.exact.name not in dead:
                yield (
                    f"no neuron of {both.exact.name!r} can reach its threshold after rounding, whatever the input: "
                    "nothing there will spike on the target; scale its weights up, or its threshold down"
                )


def _highest(both: _Both, graph: CheckedGraph, able: Mapping[str, np.ndarray]) -> np.ndarray:
    """A bound on each neuron's membrane: all that excites it in every step, nothing that inhibits."""
    gain, effective = np.abs(both.gain), both.effective
    drive = np.zeros(both.exact.size)
    for source, p in both.arriving:
        unit = p.unit if p.maximum is None else p.maximum.in_front(p.unit)
        sign = np.where(both.gain == 0, 1.0, np.sign(both.gain))
        scaled = with_sign(replace(p.operator, weight=p.weight * per_weight(p.operator, unit)), sign)
        parts = [
            replace(scaled, weight=np.maximum(side * scaled.weight, 0.0)).reach(
                most if p.pool is None else p.pool.apply(most)
            )
            for side, most in zip((1, -1), _furthest(graph, source, p, able), strict=True)
        ]
        up = parts[0] + parts[1]
        drive += gain * (up if p.maximum is None else p.maximum.apply(up))
    late = sum((np.maximum(-values, 0.0) for values in effective.late_offset.values()), start=np.zeros(drive.shape))
    scale = both.rounded.scale  # a state's own rounding is at most one of its units a step
    if effective.synapse_decay is not None:
        current = 0.0 if effective.synapse_offset is None else effective.synapse_offset
        drive = _settled(effective.synapse_decay, np.maximum(drive + current + late + scale, 0.0))
        late = 0 * late
    ends = _settled(effective.decay, np.maximum(drive + effective.offset + late + scale, 0.0))
    return np.asarray(np.maximum(ends, effective.v_reset))


def _furthest(
    graph: CheckedGraph, source: str, p: IntegerProjection, able: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """How far each value of a source goes above 0, and below, in a step."""
    if source in graph.inputs:
        held = graph.encoding(source)
        return np.full(p.inputs, held.highest), np.full(p.inputs, -held.lowest)
    most = able.get(source, np.full(p.inputs, float(_COUNTED)))  # of one that comes back from behind
    return most, 0.0 * most
