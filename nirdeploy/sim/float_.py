"""The float reference: the graph's own equations in float64, in its dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nirdeploy import neuron, spikes
from nirdeploy.check import CheckedGraph, Population


def simulate(
    graph: CheckedGraph, x: Any, probe: str | Sequence[str] = "all", *, membrane: Sequence[str] = ()
) -> spikes.SpikeRecord:
    """Run the graph on ``x`` (T, B, *input shape) and record the probed populations.

    Spiking populations give spikes; the others, and any named in ``membrane``, their membrane (float64,
    after threshold and reset). Every sample starts from v = 0.
    """
    names = [p.name for p in graph.populations if p.model != "Input"]
    probed = spikes.select(probe, names, graph.outputs)
    wanted = spikes.select(list(membrane), names, graph.outputs)
    stimulus = spikes.stimulus(x, [(name, graph.population(name).shape) for name in graph.inputs])
    time, batch = next(iter(stimulus.values())).shape[:2]
    now = {name: values.reshape(time, batch, -1).astype(np.float64) for name, values in stimulus.items()}
    traces: dict[str, np.ndarray] = {}
    # Feed-forward: a population's whole past is known once its sources' is, so time is the inner loop.
    for population in graph.populations:
        if population.model == "Input":
            continue
        keep = population.name in wanted or (population.name in probed and population.model not in neuron.SPIKING)
        fired, trace = _population(graph, population, _current(graph, population, now), keep)
        now[population.name] = fired
        if trace is not None:
            traces[population.name] = trace.reshape(time, batch, *population.shape)
    shapes = {p.name: p.shape for p in graph.populations}
    spiking = {p.name for p in graph.populations if p.model in neuron.SPIKING}
    return spikes.SpikeRecord(
        spikes={n: now[n].reshape(time, batch, *shapes[n]).astype(np.uint8) for n in probed if n in spiking},
        membrane=traces,
        scale={},
        source="float",
        dt=graph.dialect.dt,
        outputs=dict(graph.outputs),
        manifest={"graph": graph.digest(), "dialect": str(graph.dialect)},
    )


def _current(graph: CheckedGraph, population: Population, now: Mapping[str, np.ndarray]) -> np.ndarray:
    """Input current of every step (T, B, size)."""
    incoming = [p for p in graph.projections if p.target == population.name]
    current = sum(now[p.source] @ p.weight.T for p in incoming)
    return np.asarray(current + population.bias.ravel())


def _population(
    graph: CheckedGraph, population: Population, current: np.ndarray, keep: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    params = {name: values.ravel() for name, values in population.params.items()}
    spiking = population.model in neuron.SPIKING
    v = np.zeros(current.shape[1:])
    fired = np.zeros(current.shape)
    trace = np.zeros(current.shape) if keep else None
    for t in range(current.shape[0]):
        v = neuron.integrate(population.model, v, current[t], params, graph.dialect)
        if spiking:
            spike = neuron.fires(neuron.overdrive(v, params), graph.dialect).astype(np.float64)
            v = neuron.reset(v, spike, params, graph.dialect)
            fired[t] = spike
        if trace is not None:
            trace[t] = v
    return fired, trace
