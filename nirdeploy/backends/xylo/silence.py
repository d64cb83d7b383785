"""Populations that cannot spike, whatever the input: found before anything is run.

The chip's step is monotone: more excitation never makes a membrane lower. So what a neuron reaches when all excitatory
synapses carry all the spikes there can be, and no inhibitory one any, nothing exceeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from nirdeploy.backends.xylo.dynamics import State, decay, saturating
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation, IntegerProjection
from nirdeploy.targets.fit import Problem

#: Steps after which a membrane that still rises counts as reaching everything.
_STEPS = 5000


def able(network: IntegerNetwork) -> dict[str, np.ndarray]:
    """Which neurons can spike at all: bool (size,) by population."""
    populations = [network.on_chip(p.name) for p in network.populations]
    found = {p.name: np.zeros(p.size, dtype=bool) for p in populations}
    while True:
        reach = {p.name: peak(network, p, found) >= p.registers["threshold"] for p in populations}
        if all((reach[name] == found[name]).all() for name in found):
            return found
        found = reach


def peak(network: IntegerNetwork, population: ChipPopulation, able: Mapping[str, np.ndarray]) -> np.ndarray:
    """The highest membrane (int64, size), capped where it reaches the threshold, if only ``able`` neurons spike."""
    into = network.into(population.name)
    drive = np.zeros(population.size, dtype=np.int64)
    for p in into:
        drive += (np.maximum(p.weight.astype(np.int64), 0) << p.shift) @ _most(network, p, able)
    registers, formats = population.registers, network.formats
    state = State(drive * 0, drive * 0, drive * 0)
    highest = state.v
    for _ in range(_STEPS):
        i, _ = saturating(state.i + drive, formats)
        i = i - decay(i, registers["dash_syn"])
        change, _ = saturating(i + registers["bias"] - decay(state.v, registers["dash_mem"]), formats)
        v, _ = saturating(state.v + change, formats)
        highest = np.maximum(highest, v)
        if (highest >= registers["threshold"]).all() or ((v == state.v) & (i == state.i)).all():
            break
        state = State(i, v, v)
    else:
        highest = np.where(v > state.v, registers["threshold"], highest)
    return np.asarray(np.minimum(highest, registers["threshold"]))


def _most(network: IntegerNetwork, p: IntegerProjection, able: Mapping[str, np.ndarray]) -> np.ndarray:
    """The most spikes of a source's neurons in a step."""
    if p.source not in able:
        return np.full(p.inputs, (1 << network.input_bits) - 1)
    return able[p.source] * int(network.on_chip(p.source).registers["spikes_max"])


def marked(network: IntegerNetwork) -> tuple[IntegerNetwork, list[Problem]]:
    """The network with a count of the neurons that cannot spike in its report, and what is wrong if it is all of a
    population's."""
    can = able(network)
    report = ({**row, "cannot_spike": int((~can[str(row["population"])]).sum())} for row in network.report)
    return replace(network, report=tuple(report)), list(diagnosis(network, can))


def diagnosis(network: IntegerNetwork, can: Mapping[str, np.ndarray]) -> Iterator[Problem]:
    """One for each population without a neuron that can spike: which, why, by how much, and what to do.

    ``can``: what :func:`able` found.
    """
    for population in network.populations:
        if not can[population.name].any():
            why, remedy = _cause(network, network.on_chip(population.name), can)
            yield Problem(population.name, f"node {population.name!r} emits nothing: {why}", remedy=remedy)


def _cause(network: IntegerNetwork, population: ChipPopulation, can: Mapping[str, np.ndarray]) -> tuple[str, str]:
    """Why, and what to do."""
    into, threshold = network.into(population.name), population.registers["threshold"]
    sources = [p.source for p in into if p.source in can and p.source != population.name]
    if not any(p.weight.any() for p in into):
        return (
            "all its weights are 0 on the chip, as they are below half of what one unit of its largest shift is "
            f"({int(threshold.min())} make a threshold)",
            "scale the weights up, or prune the large ones that set the shift",
        )
    if not any((p.weight > 0).any() for p in into) and not (population.registers["bias"] > 0).any():
        return "it has no excitatory weight and no bias", "train it with some"
    if sources and len(sources) == len(into) and not any(can[s].any() for s in sources):
        return f"what feeds it ({', '.join(map(repr, sources))}) emits nothing", "mend that first"
    share = float((peak(network, population, can) / threshold).max())
    return (
        f"with all the spikes there can be its membrane reaches {share:.3g} of the threshold",
        "scale its weights or biases up, or the threshold down",
    )
