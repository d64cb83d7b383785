"""The exact solution of NIR's equations: a current held over each step, spikes at their times within it.

Between two inputs a LIF is ``v(t) = v_inf + (v - v_inf) exp(-t / tau)`` with ``v_inf = v_leak + r I``, an IF a
straight line; the time of a crossing is a logarithm (a quotient), so nothing here is discretized but the input.
It is what the discretizations are judged against. A neuron may spike several times within a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nirdeploy.errors import GraphError
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.processes import progress
from nirdeploy.records import inputs, spikes
from nirdeploy.semantics import neuron
from nirdeploy.sim.float_ import delayed

MODELS = ("LIF", "IF", "LI", "I", "Output")
_MOST = 1000  # spikes of one neuron within one step


@dataclass(frozen=True)
class Crossings:
    """Spike times (seconds) of one population: arrays of one length each."""

    time: np.ndarray
    sample: np.ndarray
    neuron: np.ndarray


def simulate(
    graph: CheckedGraph, x: Any, probe: str | Sequence[str] = "all", *, membrane: Sequence[str] = ()
) -> spikes.SpikeRecord:
    """Run the graph on ``x`` (T, B, *input shape), held over each step.

    A spike counts in the step in which it falls, and reaches other populations held over that step; row n of a
    membrane is its value at the end of step n. The dialect's reset holds, its discretization does not.

    Raises:
        GraphError: a population other than LIF, IF, LI, I, or a cycle.
    """
    return solve(graph, x, probe, membrane=membrane)[0]


def solve(
    graph: CheckedGraph, x: Any, probe: str | Sequence[str] = "all", *, membrane: Sequence[str] = ()
) -> tuple[spikes.SpikeRecord, dict[str, Crossings]]:
    """As :func:`simulate`, with the time of every spike of every spiking population."""
    names = [p.name for p in graph.populations if p.model != "Input"]
    _check(graph, names)
    probed, wanted = spikes.select(probe, names, graph.outputs), spikes.select(list(membrane), names, graph.outputs)
    stimulus = inputs.analog(x, [(name, graph.population(name).shape) for name in graph.inputs])
    time, batch = next(iter(stimulus.values())).shape[:2]
    signals = {name: values.reshape(time, batch, -1) for name, values in stimulus.items()}
    traces: dict[str, np.ndarray] = {}
    crossings: dict[str, Crossings] = {}
    for name in progress.each("exact model, populations", names):
        population = graph.population(name)
        current = np.broadcast_to(population.bias.ravel(), (time, batch, population.size)).copy()
        for step, late in population.late_bias.items():
            current[:step] -= late.ravel()
        for p in graph.into(name):
            current += delayed(p.apply(signals[p.source]), p.delay)
        counts, v, crossings[name] = _population(population, current, graph)
        spiking = population.model in neuron.SPIKING
        signals[name] = counts if spiking else v
        if name in wanted or (name in probed and not spiking):
            traces[name] = v.reshape(time, batch, *population.shape)
    shapes = {p.name: p.shape for p in graph.populations}
    found = [name for name in probed if graph.population(name).model in neuron.SPIKING]
    record = spikes.SpikeRecord(
        spikes={n: spikes.counts(signals[n]).reshape(time, batch, *shapes[n]) for n in found},
        membrane=traces,
        scale={},
        source="exact",
        dt=graph.dialect.dt,
        outputs=dict(graph.outputs),
        manifest={"graph": graph.digest(), "dialect": str(graph.dialect)},
    )
    return record, {name: crossings[name] for name in found}


def _check(graph: CheckedGraph, names: list[str]) -> None:
    odd = [f"{n!r} ({graph.population(n).model})" for n in names if graph.population(n).model not in MODELS]
    if odd:
        raise GraphError(f"no exact solution for {', '.join(odd)}", hint=f"there is one for {', '.join(MODELS[:-1])}")
    order = [p.name for p in graph.populations]
    for p in graph.projections:
        if order.index(p.source) >= order.index(p.target):
            raise GraphError(
                f"no exact solution with the recurrent projection {p.source!r} -> {p.target!r}",
                hint="simulate it in steps: leave --exact out",
            )


def _population(
    population: Population, current: np.ndarray, graph: CheckedGraph
) -> tuple[np.ndarray, np.ndarray, Crossings]:
    """Spike counts and membranes (T, B, size) and spike times."""
    params = {key: values.ravel() for key, values in population.params.items()}
    rules = graph.rules(population.name)
    spiking, dt = population.model in neuron.SPIKING, graph.dialect.dt
    counts, trace = np.zeros(current.shape), np.zeros(current.shape)
    if population.model == "Output":
        return counts, current, Crossings(np.zeros(0), np.zeros(0, dtype=int), np.zeros(0, dtype=int))
    v = neuron.at_rest(params, rules, np.zeros(current.shape[1:])).v
    times, samples, neurons = [], [], []
    for t in range(len(current)):
        left = np.full(v.shape, dt)
        for _ in range(_MOST):
            hit = _crossing(population.model, v, current[t], params) if spiking else np.full(v.shape, np.inf)
            now = hit < left
            step = np.where(now, hit, left)
            v = _flow(population.model, v, current[t], params, step)
            left = left - step
            if not now.any():
                break
            v = np.where(now, neuron.reset(params["v_threshold"] + 0 * v, now * 1.0, params, rules), v)
            counts[t] += now
            sample, index = np.nonzero(now)
            times.append((t + 1) * dt - left[sample, index])
            samples.append(sample)
            neurons.append(index)
        trace[t] = v
    whole = [np.concatenate(each) if each else np.zeros(0, dtype=int) for each in (times, samples, neurons)]
    return counts, trace, Crossings(*whole)


def _flow(model: str, v: np.ndarray, current: np.ndarray, params: Any, step: np.ndarray) -> np.ndarray:
    """The membrane ``step`` seconds on."""
    if model in ("IF", "I"):
        return np.asarray(v + params["r"] * current * step)
    settles = params["v_leak"] + params["r"] * current
    return np.asarray(settles + (v - settles) * np.exp(-step / params["tau"]))


def _crossing(model: str, v: np.ndarray, current: np.ndarray, params: Any) -> np.ndarray:
    """Seconds until the membrane rises through its threshold (infinite if it does not)."""
    threshold = params["v_threshold"]
    with np.errstate(divide="ignore", invalid="ignore"):
        if model == "IF":
            wait = (threshold - v) / (params["r"] * current)
            rises = params["r"] * current > 0
        else:
            settles = params["v_leak"] + params["r"] * current
            wait = params["tau"] * np.log((settles - v) / (settles - threshold))
            rises = settles > threshold
    return np.where(rises, np.maximum(np.where(v >= threshold, 0.0, wait), 0.0), np.inf)
