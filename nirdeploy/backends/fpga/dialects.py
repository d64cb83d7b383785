"""Dialects on the gather cores: what their neurons do of them, and what the rest of a network makes of it.

A reset that comes before the membrane is integrated in the next step is one that comes at once: nothing sees the
membrane in between. Spikes that leave a step late are read a step late. Both need no hardware; what does, the
hardware has where ``dialects`` is 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from nirdeploy.backends.common.limits import of_the_late_bias
from nirdeploy.backends.fpga import jobs, memory
from nirdeploy.backends.fpga.schema import FpgaTarget, Hardware
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import Formats, IntegerPopulation
from nirdeploy.integers.quantize import MAX_SPIKES
from nirdeploy.semantics import neuron
from nirdeploy.targets.fit import Problem


def flags(population: IntegerPopulation) -> int:
    """Of the jobs that update a population."""
    rules = population.rules
    found = jobs.LATE if _resets_late(rules) else 0
    found |= jobs.GUARD if rules.reset_guard else 0
    found |= jobs.BOUNDED if rules.bounded else 0
    return found | (jobs.OLD if population.synaptic and rules.synapse_order == "old" else 0)


def delay(network: IntegerNetwork, name: str) -> int:
    """Steps by which what a population (or an input) sends counts later than it is sent."""
    return next((int(p.rules.spike_delay) for p in network.populations if p.name == name), 0)


def most_spikes(rules: neuron.Rules) -> int:
    """Of a neuron in a step."""
    return (rules.max_spikes or MAX_SPIKES) if rules.multi else 1


def beyond(rules: neuron.Rules, model: str, hardware: Hardware) -> list[str]:
    """What of a population's rules the cores do not do, as a dialect says it."""
    lacks, most = not hardware.dialects, most_spikes(rules)
    too_many = most.bit_length() > hardware.spike_planes
    several = hardware.spike_planes > 1
    found = {
        "reset_delay=true": lacks and _resets_late(rules),
        "reset_guard=true": lacks and rules.reset_guard,
        "spikes=multi": too_many and not several,
        f"max_spikes={most} (up to {2**hardware.spike_planes - 1})": too_many and several,
        "spikes=multi with reset_delay=true": several and rules.multi and _resets_late(rules),
        "spikes=multi with reset_guard=true": several and rules.multi and rules.reset_guard,
        "v_min=-threshold": lacks and rules.bounded,
        "synapse_order=old": lacks and model in neuron.SYNAPTIC and rules.synapse_order == "old",
    }
    return [text for text, there in found.items() if there]


def late(population: Population, hardware: Hardware) -> Iterator[Problem]:
    """The problem of a bias that begins later than the cores can have it begin, if there is one."""
    if max(population.late_bias, default=0) > hardware.dialects:
        yield from of_the_late_bias(population)


def late_zeros(graph: CheckedGraph, hardware: Hardware) -> Iterator[Problem]:
    """Zero points of inputs, which biases make up for, that begin later than the cores can have a bias begin."""
    for p in graph.projections:
        if p.source in graph.encodings and graph.encodings[p.source].zero and p.delay > hardware.dialects:
            yield Problem(
                f"{p.source} -> {p.target}",
                f"the numbers of the input {p.source!r} reach {p.target!r} {p.delay} step(s) late, and their zero "
                "point with them",
                f"biases begin in step {hardware.dialects} at the latest",
                "delay them in the stimulus, or give them a range from 0 (--input-range 0:HI)",
            )


def odd(network: IntegerNetwork, target: FpgaTarget) -> Iterator[Problem]:
    """Neurons that the cores would not step as their population says, for numbers that no dialect foresees."""
    for population in network.populations:
        for found, remedy in _odd(network.neurons(population.name), network.formats, target.hardware):
            yield Problem(population.name, f"node {population.name!r} {found}", "which the cores cannot do", remedy)


def _odd(population: IntegerPopulation, formats: Formats, hardware: Hardware) -> Iterator[tuple[str, str]]:
    rules, threshold = population.rules, population.threshold
    top = formats.state_max
    if rules.reset_guard and (population.initial > threshold).any():
        yield "starts above its threshold with reset_guard=true", "start it below"
    if rules.bounded and (threshold < -population.spike_size).any():
        yield "has a threshold below zero with v_min=-threshold", "use a threshold above zero"
    raises = (population.reset_value < 0).any()
    for spikes in (1, most_spikes(rules)):
        lowest = threshold + 1 + (spikes - 1) * population.spike_size - spikes * population.reset_value
        raises = raises or (lowest < -top - 1).any()
    if rules.reset_delay and rules.reset_before and rules.reset == "subtract" and raises:
        yield "has its v_reset above its threshold with a reset one step late", "use a v_reset below the threshold"
    columns = memory.parameters(population, formats, hardware)
    if any((abs(columns[name]) > top).any() for name in ("initial", "synapse_initial") if name in columns):
        yield "starts with a membrane and a bias whose sum exceeds its range", "use a smaller bias or v_reset"


def _resets_late(rules: neuron.Rules) -> bool:
    """Whether a reset comes after the membrane is integrated in the next step."""
    return rules.reset_delay and not rules.reset_before and rules.reset != "none"
