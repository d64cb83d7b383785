"""membranes: the membrane of the neuron that differs first, in float and in integers, computed again for a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from nirdeploy.graph.checked import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Population
from nirdeploy.proof.explain import one_sample
from nirdeploy.proof.verdict import Verdict
from nirdeploy.records.pictures.traces import Membrane
from nirdeploy.sim import float_, integer


def of_first(graph: CheckedGraph, network: IntegerNetwork, x: Any, verdict: Verdict) -> Membrane | None:
    """The neuron's membrane as it was held against the threshold, before the reset, in the graph's units.

    None where nothing differs, or what differs first does not spike: its membrane is recorded then.

    Args:
        x: the stimulus that was run, (T, B, *input shape).
    """
    at = verdict.first_divergence
    known = {p.name: p for p in network.populations}
    if at is None or at.step is None or at.population not in known or not known[at.population].spiking:
        return None
    population, alone = known[at.population], one_sample(x, at.sample)
    index = int(np.ravel_multi_index(at.neuron, population.shape))
    late = network.latencies.get(at.population, 0)
    rounded = integer.compared(network, alone, at.population)[late:, 0, index] * population.scale[index]
    lines = {"integer": rounded}
    if any(p.name == at.population for p in graph.populations):
        lines = {"float": _exact(graph, alone, at.population, index), **lines}
    return Membrane(
        f"{at.population}, neuron {index}, sample {at.sample}: membrane before the reset",
        lines,
        _levels(population, network, index),
        at.step,
        _spikes(verdict, at.population, at.sample, index),
    )


def _exact(graph: CheckedGraph, x: Any, name: str, index: int) -> np.ndarray:
    populations = [p.name for p in graph.populations if p.model != "Input"]
    made_of = {one: float_.parts(graph, one) for one in populations}
    found = float_.run(graph, made_of, x, set(), {name}).compared[name]
    return np.asarray(found[:, 0, index])


def _levels(population: Population, network: IntegerNetwork, index: int) -> dict[str, float]:
    """Threshold and reset as the integers have them; where a spike takes its size away, what is left at the border."""
    effective = population.effective(network.formats)
    return {"threshold": float(effective.threshold[index]), "reset": float(effective.v_reset[index])}


def _spikes(verdict: Verdict, name: str, sample: int, index: int) -> dict[str, np.ndarray]:
    if verdict.records is None:
        return {}
    names = [one.source for one in verdict.records]
    if names[0] == names[1]:
        names = [f"{names[0]} (expected)", f"{names[1]} (measured)"]
    found = {}
    for source, record in zip(names, verdict.records, strict=True):
        own = record.spikes[name][:, sample].reshape(record.steps, -1)[:, index]
        found[source] = np.flatnonzero(own)
    return found
