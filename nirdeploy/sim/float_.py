"""The float reference: the graph's own equations in float64, in its dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.check import CheckedGraph, Projection
from nirdeploy.records import inputs, spikes
from nirdeploy.semantics import neuron
from nirdeploy.semantics import order as recurrence

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


@dataclass(frozen=True)
class Trace:
    """By population, float64 (T, B, size): what left it; and where asked the membrane after the reset, and the
    membrane that was compared with the threshold."""

    signals: Mapping[str, np.ndarray]
    membrane: Mapping[str, np.ndarray]
    compared: Mapping[str, np.ndarray]


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
        manifest={"graph": graph.digest(), "dialect": str(graph.dialect)},
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
    for together in recurrence.components([p.name for p in graph.populations], sources):
        if together[0] in made_of:
            cells = [_Cell(name, made_of[name], together, signals) for name in together]
            for cell in cells:
                signals[cell.name] = np.zeros((time, batch, graph.population(cell.name).size))
            _steps(cells, signals, trace, time)
    return trace


def _steps(cells: Sequence[_Cell], signals: dict[str, np.ndarray], trace: Trace, time: int) -> None:
    with np.errstate(over="ignore", invalid="ignore"):  # said below
        _stepped(cells, signals, trace, time)


def _stepped(cells: Sequence[_Cell], signals: dict[str, np.ndarray], trace: Trace, time: int) -> None:
    for t in range(time):
        for cell in cells:  # late spikes are known before anything of the step is
            if cell.parts.rules.spike_delay:
                signals[cell.name][t] = cell.state.z
        for cell in cells:
            signals[cell.name][t] = cell.step(t, signals)
            _check_bounded(cell, signals[cell.name][t], t)
            if cell.name in trace.membrane:
                trace.membrane[cell.name][t] = cell.state.v
            if cell.name in trace.compared:
                trace.compared[cell.name][t] = cell.state.compared


def _check_bounded(cell: _Cell, out: np.ndarray, t: int) -> None:
    """Raises :class:`GraphError` where a population runs away."""
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

    def __init__(self, name: str, made_of: Parts, together: Sequence[str], signals: Mapping[str, np.ndarray]) -> None:
        self.name, self.parts = name, made_of
        time, batch = next(iter(signals.values())).shape[:2]
        zeros = np.zeros((batch, made_of.bias.size))
        self.state = neuron.at_rest(made_of.params, made_of.rules, zeros)
        self._current = np.broadcast_to(made_of.bias, (time, *zeros.shape)).copy()
        for step, late in made_of.late_bias.items():
            self._current[:step] -= late
        self._back = [p for p in made_of.incoming if p.source in together]
        for projection in made_of.incoming:
            if projection.source not in together:
                self._current += delayed(projection.apply(signals[projection.source]), projection.delay)

    def step(self, t: int, signals: Mapping[str, np.ndarray]) -> np.ndarray:
        current, own = self._current[t], self.parts
        for projection in self._back:
            if t >= projection.delay:
                current = current + projection.apply(signals[projection.source][t - projection.delay])
        out, self.state = neuron.step(own.model, self.state, current, own.params, own.how, own.rules)
        return np.asarray(out)


def delayed(signal: np.ndarray, steps: int) -> np.ndarray:
    """A signal (T, ...) that arrives ``steps`` later; zero before."""
    if not steps:
        return signal
    late = np.zeros_like(signal)
    late[steps:] = signal[: max(len(signal) - steps, 0)]
    return late
