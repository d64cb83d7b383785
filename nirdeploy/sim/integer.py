"""The integer simulator: the definition of what the device does, bit for bit.

Every rounding is written out in :func:`step`, in plain NumPy; nothing else decides a spike. Where a population is
one that the compiled engine knows (:mod:`nirdeploy.sim.engine`), the engine runs it, held equal to this. A
network that names a backend is stepped by that one's neurons (:mod:`nirdeploy.sim.dynamics`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nirdeploy.integers.dynamics import Dynamics
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation, IntegerProjection
from nirdeploy.integers.rounding import decayed, shifted
from nirdeploy.processes import progress
from nirdeploy.records import inputs, spikes
from nirdeploy.semantics import order as recurrence
from nirdeploy.sim.dynamics import dynamics_of
from nirdeploy.sim.engine.layout import Signals


@dataclass(frozen=True)
class State:
    """int64 (B, size): membrane, synaptic current, spikes of the step; ``compared`` is the membrane that was
    held against the threshold."""

    v: np.ndarray
    i: np.ndarray
    z: np.ndarray
    compared: np.ndarray


def start(population: IntegerPopulation, batch: int) -> State:
    """The state before the first step."""
    zeros = np.zeros((batch, population.size), dtype=np.int64)
    v = np.broadcast_to(population.initial, (batch, population.size)).astype(np.int64)
    return State(v, zeros, zeros, v)


def step(
    state: State, entering: np.ndarray, population: IntegerPopulation, formats: Formats
) -> tuple[np.ndarray, State, np.ndarray]:
    """One step of a population.

    Args:
        entering: int64 (B, size): the weights of this step's spikes, shifted to the membrane's unit.

    Returns:
        what leaves (spike counts, or the membrane; int64), the state after, which neurons saturated (bool).
    """
    top, bottom, rules = formats.state_max, -formats.state_max - 1, population.rules
    v, i, z = state.v, state.i, state.z
    saturated = np.zeros(v.shape, dtype=bool)

    def held(total: np.ndarray) -> np.ndarray:
        nonlocal saturated
        inside: np.ndarray = np.clip(total, bottom, top)
        saturated = saturated | (inside != total)
        return inside

    def after(v: np.ndarray, z: np.ndarray) -> np.ndarray:
        if rules.reset == "subtract":
            return held(v - z * population.reset_value)
        return np.asarray(np.where(z > 0, population.reset_value, v)) if rules.reset == "zero" else v

    if population.synaptic:
        current = held(decayed(i, population.synapse_decay, formats.decay_bits) + entering + population.synapse_bias)
        entering, i = (current if rules.synapse_order == "new" else i), current
    before = fired(v, population) if rules.reset_guard else None
    if rules.reset_delay and rules.reset_before:
        v = after(v, z)
    v = held(decayed(v, population.decay, formats.decay_bits) + entering + population.bias)
    if not population.spiking:
        return v, State(v, i, z, v), saturated
    if rules.reset_delay and not rules.reset_before:
        v = after(v, z)
    compared = v if before is None else after(v, before)
    now = fired(compared, population)
    if not rules.reset_delay:
        v = after(v, now)
    if rules.bounded:
        v = np.maximum(v, -population.spike_size)
    return (z if rules.spike_delay else now), State(v, i, now, compared), saturated


def fired(v: np.ndarray, population: IntegerPopulation) -> np.ndarray:
    """Spikes of a membrane: 0 or 1, or how often ``spike_size`` must go until it is not above threshold."""
    if not population.rules.multi:
        return np.asarray((v > population.threshold).astype(np.int64))
    over = v - population.threshold
    return np.asarray(np.clip(-(-over // population.spike_size), 0, population.rules.max_spikes))


def simulate(
    network: IntegerNetwork,
    x: Any,
    probe: str | Sequence[str] = "all",
    *,
    membrane: Sequence[str] = (),
    engine: Literal["compiled", "plain"] = "compiled",
) -> spikes.SpikeRecord:
    """Run the network on ``x`` (T, B, *input shape), what its inputs take; record the probed populations.

    Spiking populations give spikes; read-outs, and any population named in ``membrane``, give their
    membrane as int32 in units of ``scale``. ``stats["saturations"]`` counts saturated updates.
    ``engine="plain"`` keeps to the definition.

    Raises:
        InputShapeError: the stimulus is not what the inputs take. TargetFileError: the backend whose neurons step the
            network is not installed.
    """
    names = [p.name for p in network.populations]
    probed = spikes.select(probe, names, network.outputs)
    wanted = spikes.select(list(membrane), names, network.outputs)
    keep = {*wanted, *(name for name in probed if not network.population(name).spiking)}
    trace = _run(network, x, keep, engine)
    time, batch = next(iter(trace.signals.values())).shape[:2]
    shapes = {p.name: p.shape for p in network.populations}
    spiking = {p.name for p in network.populations if p.spiking}
    return spikes.SpikeRecord(
        spikes={n: spikes.counts(trace.signals[n]).reshape(time, batch, *shapes[n]) for n in probed if n in spiking},
        membrane={n: values.reshape(time, batch, *shapes[n]) for n, values in trace.membrane.items()},
        scale={p.name: p.scale.reshape(p.shape) for p in network.populations if p.name in trace.membrane},
        source=network.target if network.dynamics else "integer",
        dt=network.dt,
        outputs=dict(network.outputs),
        manifest=manifest(network) | {spikes.STIMULUS: trace.stimulus},
        stats={"saturations": float(trace.saturations)},
        latency=network.latencies,
    )


def manifest(network: IntegerNetwork) -> dict[str, str]:
    """What a record of these integers says of them, and that no device made it."""
    return {"network": network.digest(), "target": network.target, spikes.WITNESS: spikes.SIMULATOR}


def compared(network: IntegerNetwork, x: Any, name: str) -> np.ndarray:
    """The membrane of one population as it was held against the threshold: int64 (T, B, size)."""
    return _run(network, x, set(), "plain", watch=name).compared[0]


def onward(network: IntegerNetwork, together: list[str], signals: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What populations that are stepped together send, by what their sources sent: (T, B, size)."""
    trace = Trace(Signals(dict(signals)), {}, [])
    if not _compiled(network, together, trace, set()):
        Steps(network, together, trace, set(), None, Definition(network, together, trace.signals)).all()
    return {name: trace.signals[name] for name in together}


@dataclass
class Trace:
    """By population (T, B, size): what left it, and the membranes that were asked for (int32).

    ``stimulus``: the digest of what entered.
    """

    signals: Signals
    membrane: dict[str, np.ndarray]
    compared: list[np.ndarray]
    saturations: int = 0
    stimulus: str = ""


def _run(
    network: IntegerNetwork,
    x: Any,
    keep: set[str],
    engine: str,
    watch: str | None = None,
) -> Trace:
    dynamics = dynamics_of(network)
    stimulus = inputs.stimulus(x, network.inputs, network.takes, ranged=dynamics is None)
    time, batch = next(iter(stimulus.values())).shape[:2]
    entered = Signals({name: values.reshape(time, batch, -1) for name, values in stimulus.items()})
    trace = Trace(entered, {}, [], stimulus=inputs.digest(stimulus))
    sources = {p.name: [q.source for q in network.into(p.name)] for p in network.populations}
    order = list(recurrence.components([*stimulus, *sources], sources))
    for together in progress.each("integer model, populations", order):
        if together[0] in stimulus:
            continue
        if dynamics is not None:
            Steps(network, together, trace, keep, watch, Own(network, together, trace.signals, dynamics)).all()
        elif engine != "compiled" or not _compiled(network, together, trace, keep):
            Steps(network, together, trace, keep, watch, Definition(network, together, trace.signals)).all()
    return trace


def _compiled(network: IntegerNetwork, together: list[str], trace: Trace, keep: set[str]) -> bool:
    """Run populations by the compiled engine, if it knows them."""
    from nirdeploy.sim.engine import run  # numba takes its time: imported where it is used

    def odd(name: str, projections: Sequence[IntegerProjection]) -> np.ndarray:
        return brought(network.neurons(name), projections, trace.signals)

    done = run.run(network, together, trace.signals, keep, odd)
    if done is None:
        return False
    trace.saturations += done.saturations
    trace.membrane |= done.membrane
    return True


class Definition:
    """Populations that lie on cycles together, by :func:`step`."""

    def __init__(
        self, network: IntegerNetwork, together: list[str], signals: dict[str, np.ndarray], at: int = 0
    ) -> None:
        """``at``: the step that the signals begin with."""
        self._formats, self._neurons = network.formats, {name: network.neurons(name) for name in together}
        self._entering = {
            name: entering(neurons, [q for q in network.into(name) if q.source not in together], signals, at)
            for name, neurons in self._neurons.items()
        }
        self._back = {name: [q for q in network.into(name) if q.source in together] for name in together}

    def start(self, name: str, batch: int) -> Any:
        return start(self._neurons[name], batch)

    def step(
        self, state: Any, t: int, name: str, signals: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, Any, np.ndarray]:
        population, arriving = self._neurons[name], self._entering[name][t]
        for projection in self._back[name]:
            if t >= projection.delay:
                acc = exact(projection, signals[projection.source][t - projection.delay])
                arriving = arriving + shifted(acc, population.shift + projection.shift)
        return step(state, arriving, population, self._formats)


class Own:
    """Populations that lie on cycles together, by a target's own dynamics."""

    def __init__(
        self, network: IntegerNetwork, together: list[str], signals: dict[str, np.ndarray], dynamics: Dynamics
    ) -> None:
        self._formats, self._dynamics = network.formats, dynamics
        self._neurons = {name: network.on_chip(name) for name in together}
        self._into = {name: network.into(name) for name in together}

    def start(self, name: str, batch: int) -> Any:
        return self._dynamics.start(self._neurons[name], batch)

    def step(
        self, state: Any, t: int, name: str, signals: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, Any, np.ndarray]:
        arriving = []
        for projection in self._into[name]:
            signal = signals[projection.source]
            late = signal[t - projection.delay] if t >= projection.delay else np.zeros_like(signal[0])
            arriving.append((projection, late.astype(np.int64)))
        return self._dynamics.step(state, arriving, self._neurons[name], self._formats)


class Steps:
    """Populations that lie on cycles together (mostly one, on none), stepped through time.

    ``begun``: the signals that they sent before, of all but the steps to be done, and their states after them.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        together: list[str],
        trace: Trace,
        keep: set[str],
        watch: str | None,
        how: Definition | Own,
        begun: tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None = None,
    ) -> None:
        self._how, self._trace, self._watch = how, trace, watch
        self._time, batch = next(iter(trace.signals.values())).shape[:2]
        self._populations = [network.population(name) for name in together]
        sent, states = begun or ({}, {name: how.start(name, batch) for name in together})
        self.states = dict(states)
        self._first = len(sent[together[0]]) if sent else 0
        for p in self._populations:
            shape = (self._time, batch, p.size)
            trace.signals[p.name] = np.zeros(shape, dtype=np.int64)
            trace.signals[p.name][: self._first] = sent.get(p.name, 0)
            if p.name in keep:
                trace.membrane[p.name] = np.zeros(shape, dtype=np.int32)

    def all(self) -> None:
        signals, membrane = self._trace.signals, self._trace.membrane
        watched = []
        for t in range(self._first, self._time):
            for p in self._populations:  # late spikes are known before anything of the step is
                if p.rules.spike_delay:
                    signals[p.name][t] = self.states[p.name].z
            for p in self._populations:
                out, state, saturated = self._how.step(self.states[p.name], t, p.name, signals)
                signals[p.name][t], self.states[p.name] = out, state
                self._trace.saturations += int(saturated.sum())
                if p.name in membrane:
                    membrane[p.name][t] = state.v
                if p.name == self._watch:
                    watched.append(state.compared)
        if watched:
            self._trace.compared.append(np.stack(watched))


def entering(
    population: IntegerPopulation,
    projections: Sequence[IntegerProjection],
    signals: Mapping[str, np.ndarray],
    at: int = 0,
) -> np.ndarray:
    """What arrives at a population in every step, in the membrane's unit: int64 (T, B, size).

    ``at``: the step that the signals begin with.
    """
    total = brought(population, projections, signals)
    for begins, part in population.late_bias.items():
        total[: max(begins - at, 0)] -= part
    return total


def brought(
    population: IntegerPopulation,
    projections: Sequence[IntegerProjection],
    signals: Mapping[str, np.ndarray],
) -> np.ndarray:
    """What projections bring to a population in every step, in the membrane's unit: int64 (T, B, size)."""
    time, batch = next(iter(signals.values())).shape[:2]
    total = np.zeros((time, batch, population.size), dtype=np.int64)
    for projection in projections:
        acc = shifted(exact(projection, signals[projection.source]), population.shift + projection.shift)
        late = min(projection.delay, time)
        total[late:] += acc[: time - late]
    return total


def exact(projection: IntegerProjection, signal: np.ndarray) -> np.ndarray:
    """A projection of integers, int64. Spikes go through float64, exact as their sums stay below 2^53."""
    if signal.dtype == np.int64 and np.abs(signal).max(initial=0) > 255:
        return projection.apply(signal)  # membranes: no bound but 64 bits
    return projection.apply(signal.astype(np.float64)).astype(np.int64)
