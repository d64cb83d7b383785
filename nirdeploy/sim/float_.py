"""The float reference: the graph's own equations in float64, in its dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.processes import progress
from nirdeploy.records import inputs, spikes
from nirdeploy.semantics import neuron
from nirdeploy.semantics import order as recurrence
from nirdeploy.semantics.operators import Convolution
from nirdeploy.sim.engine import cores
from nirdeploy.sim.engine.kept import kept

_TOGETHER = 1 << 15  # neurons of several samples that are stepped together: so few that they stay in a core's cache
_AT_ONCE = 1 << 17  # numbers of a current that are made at once, for the same reason
_MOST_SPIKES = 1 << 24  # of one neuron in one step: more than a framework's float32 can count


@dataclass(frozen=True)
class Parts:
    """What a population computes with: everything here may be replaced by what integers stand for.

    ``params``, ``bias`` and ``late_bias`` (as in Population) over the flattened population.
    """

    model: str
    params: Mapping[str, np.ndarray]
    how: neuron.Coefficients
    rules: neuron.Rules
    bias: np.ndarray
    late_bias: Mapping[int, np.ndarray]
    incoming: tuple[Projection, ...]

    @property
    def plain(self) -> bool:
        """Whether the neurons spike at most once a step, and reset at once if at all."""
        rules = self.rules
        more = (rules.multi, rules.reset_delay, rules.reset_guard, rules.spike_delay, rules.bounded)
        return self.model in ("IF", "LIF", "Threshold") and not any(more)

    @cached_property
    def coefficients(self) -> np.ndarray:
        """Of each plain neuron decay, gain, offset, threshold and reset: float64 (5, size)."""
        threshold, v_reset = neuron.threshold_of(self.model, self.params), self.params.get("v_reset", 0.0)
        rows = (self.how.decay, self.how.gain, self.how.offset, threshold, v_reset)
        return np.stack([np.broadcast_to(np.asarray(row, dtype=np.float64), self.bias.size) for row in rows])


@dataclass(frozen=True)
class Trace:
    """By population (T, B, size): what left it (float64; uint8 where it is one spike or none); and where asked the
    membrane after the reset, and the membrane that was compared with the threshold (float64)."""

    signals: Mapping[str, np.ndarray]
    membrane: Mapping[str, np.ndarray]
    compared: Mapping[str, np.ndarray]

    def samples(self, first: int, last: int) -> Trace:
        """That of some samples: views."""
        each = (self.signals, self.membrane, self.compared)
        return Trace(*({name: values[:, first:last] for name, values in kept.items()} for kept in each))


def simulate(
    graph: CheckedGraph, x: Any, probe: str | Sequence[str] = "all", *, membrane: Sequence[str] = ()
) -> spikes.SpikeRecord:
    """Run the graph on ``x`` (T, B, *input shape), any finite numbers, and record the probed populations.

    Spiking populations give spikes; the others, and any named in ``membrane``, their membrane (float64,
    after threshold and reset). Every sample starts from rest.
    """
    names = [p.name for p in graph.populations if p.model != "Input"]
    probed = spikes.select(probe, names, graph.outputs)
    wanted = spikes.select(list(membrane), names, graph.outputs)
    keep = {*wanted, *(name for name in probed if graph.population(name).model not in neuron.SPIKING)}
    trace = run(graph, {name: parts(graph, name) for name in names}, x, keep)
    return record(graph, trace, probed)


def record(graph: CheckedGraph, trace: Trace, probed: Sequence[str]) -> spikes.SpikeRecord:
    """A trace as a record of the probed populations."""
    shapes = {p.name: p.shape for p in graph.populations}
    lead = next(iter(trace.signals.values())).shape[:2]
    spiking = {p.name for p in graph.populations if p.model in neuron.SPIKING}
    return spikes.SpikeRecord(
        spikes={n: spikes.counts(trace.signals[n]).reshape(*lead, *shapes[n]) for n in probed if n in spiking},
        membrane={name: values.reshape(*lead, *shapes[name]) for name, values in trace.membrane.items()},
        scale={},
        source="float",
        dt=graph.dialect.dt,
        outputs=dict(graph.outputs),
        manifest={"graph": kept(graph, "digest", graph.digest), "dialect": str(graph.dialect)},
    )


def parts(graph: CheckedGraph, name: str) -> Parts:
    """A population as the graph has it."""
    population, dialect = graph.population(name), graph.dialect_of(name)
    params = {key: values.ravel() for key, values in population.params.items()}
    return Parts(
        model=population.model,
        params=params,
        how=neuron.coefficients(population.model, params, dialect),
        rules=graph.rules(name),
        bias=population.bias.ravel(),
        late_bias={step: late.ravel() for step, late in population.late_bias.items()},
        incoming=tuple(graph.into(name)),
    )


def run(
    graph: CheckedGraph,
    made_of: Mapping[str, Parts],
    x: Any,
    membrane: set[str],
    compared: frozenset[str] | set[str] = frozenset(),
) -> Trace:
    """Simulate the graph's populations, each made of the given parts."""
    stimulus = inputs.analog(x, [(name, graph.population(name).shape) for name in graph.inputs])
    time, batch = next(iter(stimulus.values())).shape[:2]
    signals = {name: values.reshape(time, batch, -1) for name, values in stimulus.items()}

    def empty(names: frozenset[str] | set[str]) -> dict[str, np.ndarray]:
        return {name: np.zeros((time, batch, graph.population(name).size)) for name in made_of if name in names}

    trace = Trace(signals, empty(membrane), empty(compared))
    sources = {name: [p.source for p in own.incoming] for name, own in made_of.items()}
    # What lies on no cycle runs population by population: its whole input is known before its first step.
    order = list(recurrence.components([p.name for p in graph.populations], sources))
    for together in progress.each("float model, populations", order):
        if together[0] in made_of:
            parts_of = {name: made_of[name] for name in together}
            for name, own in parts_of.items():
                kind = np.uint8 if own.model in neuron.SPIKING and not own.rules.multi else np.float64
                signals[name] = np.zeros((time, batch, own.bias.size), dtype=kind)
            width = max(own.bias.size for own in parts_of.values())
            samples = max(_TOGETHER // width, 1)
            steps = max(_AT_ONCE // (min(samples, batch) * width), 1)

            def job(
                first: int,
                last: int,
                parts_of: Mapping[str, Parts] = parts_of,
                samples: int = samples,
                steps: int = steps,
            ) -> None:
                for begin in range(first, last, samples):
                    part = trace.samples(begin, min(begin + samples, last))
                    cells = [_Cell(name, own, list(parts_of), part) for name, own in parts_of.items()]
                    for t in range(0, time, steps):
                        _steps(cells, part, t, min(t + steps, time))

            cores.share(batch, samples, job)
    return trace


def _steps(cells: Sequence[_Cell], trace: Trace, begin: int, end: int) -> None:
    with np.errstate(over="ignore", invalid="ignore"):  # said below
        for cell in cells:
            cell.enter(begin, end)
        if len(cells) > 1 or not cells[0].at_once(begin, end):
            _stepped(cells, trace, begin, end)


def _stepped(cells: Sequence[_Cell], trace: Trace, begin: int, end: int) -> None:
    signals = trace.signals
    for t in range(begin, end):
        for cell in cells:  # late spikes are known before anything of the step is
            if cell.parts.rules.spike_delay:
                signals[cell.name][t] = cell.state.z
        for cell in cells:
            out = cell.step(t - begin, t)
            signals[cell.name][t] = out
            _check_bounded(cell, out, t)
            if cell.name in trace.membrane:
                trace.membrane[cell.name][t] = cell.state.v
            if cell.name in trace.compared:
                trace.compared[cell.name][t] = cell.state.compared


def _check_bounded(cell: _Cell, out: np.ndarray, t: int) -> None:
    """Raises :class:`GraphError` where a population runs away."""
    if not cell.parts.rules.multi and np.isfinite(cell.state.v.sum() + out.sum()):  # which is quick, and mostly so
        return
    if np.isfinite(out).all() and np.isfinite(cell.state.v).all():
        if cell.parts.model not in neuron.SPIKING or out.max(initial=0) <= _MOST_SPIKES:
            return
        found = f"a neuron of it spikes {out.max():,.0f} times"
    else:
        found = "its state is no finite number any more"
    raise GraphError(
        f"the simulation of node {cell.name!r} runs away: in step {t} {found}",
        hint="give the dialect and the dt that the network was trained with (--dialect, --dt), or allow fewer spikes a "
        "step (max_spikes=N)",
    )


class _Cell:
    """One population with its state and its input; ``together``: the populations that it is stepped with."""

    def __init__(self, name: str, made_of: Parts, together: Sequence[str], trace: Trace) -> None:
        self.name, self.parts, self._trace = name, made_of, trace
        self._batch = next(iter(trace.signals.values())).shape[1]
        zeros = np.zeros((self._batch, made_of.bias.size))
        self.state = neuron.at_rest(made_of.params, made_of.rules, zeros)
        self._forward = [p for p in made_of.incoming if p.source not in together]
        self._back = [p for p in made_of.incoming if p.source in together]
        self._current = np.zeros(0)

    def enter(self, begin: int, end: int) -> None:
        """What is known of the current before the first of some steps: (steps, B, size)."""
        shape = (end - begin, self._batch, self.parts.bias.size)
        total = None
        for projection in self._forward:
            first, last = max(begin - projection.delay, 0), max(end - projection.delay, 0)
            if first == last:  # nothing has arrived yet
                continue
            brought = _brought(projection, self._trace.signals[projection.source][first:last])
            if len(brought) < end - begin:
                missing = np.zeros((end - begin - len(brought), *shape[1:]))
                brought = np.concatenate([missing, brought])
            if total is None:
                total = brought
                total += self._bias(begin, end)
            else:
                total += brought
        self._current = np.broadcast_to(self._bias(begin, end), shape) if total is None else total

    def _bias(self, begin: int, end: int) -> np.ndarray:
        """(size,), or (steps, 1, size) where some of it comes late."""
        if all(step <= begin for step in self.parts.late_bias):
            return self.parts.bias
        bias = np.tile(self.parts.bias, (end - begin, 1, 1))
        for step, late in self.parts.late_bias.items():
            bias[: max(step - begin, 0)] -= late
        return bias

    def at_once(self, begin: int, end: int) -> bool:
        """All of these steps, if this is a plain population whose input is known; else, and if it runs away, none."""
        if self._back or self.name in self._trace.compared or not self.parts.plain:
            return False
        from nirdeploy.sim.engine import analog  # numba takes its time: imported where it is used

        v = np.broadcast_to(self.state.v, (self._batch, self.parts.bias.size)).copy()
        keep = self.name in self._trace.membrane
        done = analog.run(self.parts.rules, self.parts.coefficients, v, np.ascontiguousarray(self._current), keep=keep)
        if done is None:
            return False
        self.state = replace(self.state, v=v)
        self._trace.signals[self.name][begin:end] = done[0]
        if keep:
            self._trace.membrane[self.name][begin:end] = done[1]
        return True

    def step(self, at: int, t: int) -> np.ndarray:
        """Step t, the one at ``at`` of those that were entered."""
        current, own = self._current[at], self.parts
        for projection in self._back:
            if t >= projection.delay:
                late = t - projection.delay
                current = current + _brought(projection, self._trace.signals[projection.source][late : late + 1])[0]
        out, self.state = neuron.step(own.model, self.state, current, own.params, own.how, own.rules)
        return np.asarray(out)


def _brought(projection: Projection, signal: np.ndarray) -> np.ndarray:
    """What a projection makes of a signal (T, B, source size), undelayed; convolutions by their nonzero inputs."""
    operator, pool, maximum = projection.operator, projection.pool, projection.maximum
    if isinstance(operator, Convolution) or pool is not None:
        from nirdeploy.sim.engine.convolve import convolved  # numba takes its time: imported where it is used

        if pool is not None:
            signal = convolved(pool, signal)
        signal = convolved(operator, signal) if isinstance(operator, Convolution) else operator.apply(signal)
        return signal if maximum is None else maximum.apply(signal)
    return projection.apply(signal.astype(np.float64))


def delayed(signal: np.ndarray, steps: int) -> np.ndarray:
    """A signal (T, ...) that arrives ``steps`` later; zero before."""
    if not steps:
        return signal
    late = np.zeros_like(signal)
    late[steps:] = signal[: max(len(signal) - steps, 0)]
    return late
