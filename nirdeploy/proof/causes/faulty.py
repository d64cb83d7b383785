"""faulty: the integer simulator with a fault in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.integers.rounding import shifted
from nirdeploy.proof.causes.fault import Change, Fault
from nirdeploy.semantics import order as recurrence
from nirdeploy.sim import integer

Signals = dict[str, np.ndarray]

_BACK = 9  # steps that a change of a signal within a cycle may look back over, this one among them


def run(fault: Fault, stimulus: Mapping[str, np.ndarray]) -> Signals:
    """What a record would say of every population: (T, B, size).

    Args:
        stimulus: of the inputs, (T, B, size).
    """
    network = fault.network
    signals = {name: _changed(fault.sent.get(name), values) for name, values in stimulus.items()}
    for together in components(network, list(stimulus)):
        signals |= _onward(fault, together, signals)
    populations = [p.name for p in network.populations]
    return {name: _changed(fault.said.get(name), signals[name]) for name in populations}


def components(network: IntegerNetwork, inputs: Sequence[str]) -> list[list[str]]:
    """Populations that are stepped together, in order."""
    sources = {p.name: [q.source for q in network.into(p.name)] for p in network.populations}
    runs = recurrence.components([*inputs, *sources], sources)
    return [run for run in runs if run[0] not in inputs]


def onward(network: IntegerNetwork, together: list[str], signals: Mapping[str, np.ndarray]) -> Signals:
    """What populations that are stepped together send as they should, by what their sources sent."""
    return integer.onward(network, together, signals)


def _changed(change: Change | None, values: np.ndarray) -> np.ndarray:
    return values if change is None else change(values)


def _onward(fault: Fault, together: list[str], signals: Signals) -> Signals:
    network, seen, inner = fault.network, dict(signals), {}
    projections: list[IntegerProjection] = list(network.projections)
    for at, change in fault.seen.items():
        projection = projections[at]
        if projection.target not in together:
            continue
        if projection.source in together:
            inner[at] = change
        else:
            other = f"{projection.source}\0{at}"
            projections[at], seen[other] = replace(projection, source=other), change(signals[projection.source])
    network = replace(network, projections=tuple(projections))
    closed = any(p.source in together and p.target in together for p in projections)
    odd = {name: fault.sent[name] for name in together if name in fault.sent}
    altered = inner or len(seen) > len(signals) or any(name in fault.kept for name in together)
    if altered or (closed and odd):
        return _stepped(fault, network, together, seen, inner)
    found = integer.onward(network, together, seen)
    return {name: _changed(odd.get(name), values) for name, values in found.items()}


def _stepped(
    fault: Fault, network: IntegerNetwork, together: list[str], signals: Signals, inner: Mapping[int, Change]
) -> Signals:
    """Step by step, by the definition; a population's late spikes are known before anything of the step is."""
    time, batch = next(iter(signals.values())).shape[:2]
    neurons = {name: network.neurons(name) for name in together}
    entering = {
        name: integer.entering(own, [q for q in network.into(name) if q.source not in together], signals)
        for name, own in neurons.items()
    }
    states = {name: integer.start(own, batch) for name, own in neurons.items()}
    raw = {name: np.zeros((time, batch, own.size), dtype=np.int64) for name, own in neurons.items()}
    sent = {name: np.zeros_like(values) for name, values in raw.items()}

    def send(name: str, t: int, values: np.ndarray) -> None:
        raw[name][t] = values
        change = fault.sent.get(name)
        sent[name][t] = values if change is None else change(raw[name][max(t + 1 - _BACK, 0) : t + 1])[-1]

    for t in range(time):
        for name in together:
            if neurons[name].rules.spike_delay:
                send(name, t, states[name].z)
        for name in together:
            arriving = entering[name][t]
            for at, projection in enumerate(network.projections):
                if projection.target != name or projection.source not in together or t < projection.delay:
                    continue
                now = t - projection.delay
                signal = sent[projection.source][max(now + 1 - _BACK, 0) : now + 1]
                signal = _changed(inner.get(at), signal)[-1]
                acc = integer.exact(projection, signal)
                arriving = arriving + shifted(acc, neurons[name].shift + projection.shift)
            out, state, _ = integer.step(states[name], arriving, neurons[name], network.formats)
            if name in fault.kept:
                state = kept(state, fault, name)
            if not neurons[name].rules.spike_delay:
                send(name, t, out if neurons[name].spiking else state.v)
            states[name] = state
    return sent


def kept(state: integer.State, fault: Fault, name: str) -> integer.State:
    """A state as it is kept."""
    bit = fault.kept[name]
    return replace(state, i=bit.of(state.i)) if bit.current else replace(state, v=bit.of(state.v))
