"""Populations on the chip's cores: as many neurons on each as its memory holds, synapses and all.

A core holds, beside its program and stack, the parameters and state of its neurons; for each source neuron a row of
the synapses that reach its own neurons; and an entry of the master population table for each core that sends to it.
A convolved population holds the kernels in place of rows. What is left records spikes and membranes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nirdeploy.errors import InternalError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection, Population
from nirdeploy.semantics import neuron
from nirdeploy.semantics.operators import Convolution
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.placement import CoreUse, Placement, Slice
from nirdeploy.targets.tables import Target

_WORD = 4


def is_convolved(network: IntegerNetwork, name: str) -> bool:
    """Whether a population takes convolutions (all its projections are, then)."""
    return any(isinstance(p.operator, Convolution) for p in network.into(name))


def place(network: IntegerNetwork, target: Target) -> Fit:
    """Populations (and inputs, which take cores too) cut into equal slices, or everything that is against it."""
    plan = _Plan(network, target)
    if problems := plan.too_large({name: plan.most(name) for name in plan.sizes}):
        return Fit(problems, network)
    counts = plan.counts()
    if problems := plan.too_large(counts):
        return Fit(problems, network)
    hardware = target.hardware
    needed = {name: math.ceil(plan.sizes[name] / count) for name, count in counts.items()}
    if sum(needed.values()) > hardware.usable_cores:
        parts = ", ".join(f"{name!r} {cores}" for name, cores in needed.items())
        problem = Problem(
            "",
            f"the network needs {sum(needed.values())} cores ({parts})",
            f"the chip has {hardware.usable_cores} ({hardware.cores} less {hardware.system_cores} for its system)",
            "use fewer neurons or synapses",
        )
        return Fit((problem,), network)
    return Fit((), network, _laid_out(network, target, plan, counts, needed))


def _laid_out(
    network: IntegerNetwork, target: Target, plan: _Plan, counts: Mapping[str, int], needed: Mapping[str, int]
) -> Placement:
    hardware = target.hardware
    slices: list[Slice] = []
    cores: list[CoreUse] = []
    inputs: dict[str, list[list[int]]] = {name: [] for name, _ in network.inputs}
    steps = hardware.data_bytes
    recorded = 0
    for name, count in counts.items():
        for index in range(needed[name]):
            core, first = len(cores), index * count
            own = min(count, plan.sizes[name] - first)
            if name in inputs:
                inputs[name].append([core, first, own])
                used = 0  # its spikes are the stimulus
            else:
                slices.append(Slice(name, core, index, first, own))
                used = plan.bytes(network.population(name), own, counts)
                per_step = recorded_bytes(network, name, own)
                steps = min(steps, (hardware.data_bytes - used) // per_step)
                recorded += per_step
            limits = {"neurons": plan.most(name), "bytes": hardware.data_bytes}
            cores.append(CoreUse(core, {"neurons": own, "bytes": used}, limits))
    return Placement(
        network=network.digest(),
        target=target.name,
        slices=tuple(slices),
        cores=tuple(cores),
        layout={
            "inputs": inputs,
            "neurons_per_core": dict(counts),
            "steps": {"sram": steps, "dram": hardware.dram_bytes // recorded},
        },
    )


def as_laid_out(placement: Placement, network: IntegerNetwork, target: Target) -> None:
    """Slices, cores and layout all follow from the network. Raises :class:`InternalError` where they do not."""
    again = place(network, target).placement
    if again is None or replace(again, target=placement.target) != placement:
        raise InternalError("it is not how the network lies on the chip's cores")


def recorded_bytes(network: IntegerNetwork, name: str, count: int) -> int:
    """What a core records in a step: a bit per neuron, and the membranes of an output."""
    membranes = count if name in network.outputs.values() else 0
    return _WORD * (math.ceil(count / 32) + membranes)


@dataclass
class _Plan:
    """How much memory slices of so many neurons take."""

    network: IntegerNetwork
    target: Target

    def __post_init__(self) -> None:
        self.hardware = self.target.hardware
        self.sizes = {name: math.prod(shape) for name, shape in self.network.inputs}
        self.sizes |= {population.name: population.size for population in self.network.populations}
        self._rows = {p.name: self._row_bytes(p.name) for p in self.network.populations}

    def _row_bytes(self, name: str) -> list[tuple[int, float]]:
        """Of each projection into a population: bytes on any core that holds some of it, and more per neuron."""
        rows = []
        for p in self.network.into(name):
            if isinstance(p.operator, Convolution):
                rows.append((p.weight.size, 0.0))
            else:
                synapses = int((p.weight != 0).sum(axis=1).max(initial=0))
                rows.append((self.hardware.row_bytes * p.inputs, float(self.hardware.synapse_bytes * synapses)))
        return rows

    def most(self, name: str) -> int:
        """Neurons per core, whatever the memory."""
        convolved = name not in dict(self.network.inputs) and is_convolved(self.network, name)
        return int(self.hardware.conv_neurons if convolved else self.hardware.neurons)

    def bytes(self, population: Population, count: int, counts: Mapping[str, int]) -> int:
        """What ``count`` neurons take, where the populations are cut into ``counts``."""
        words = (
            self.hardware.synaptic_neuron_words if population.model in neuron.SYNAPTIC else self.hardware.neuron_words
        )
        entries = sum(self._senders(p, counts) for p in self.network.into(population.name))
        fixed = self.hardware.table_entry_bytes * entries + sum(once for once, _ in self._rows[population.name])
        each = _WORD * words + sum(more for _, more in self._rows[population.name])
        return int(fixed + math.ceil(each * count))

    def _senders(self, p: IntegerProjection, counts: Mapping[str, int]) -> int:
        return math.ceil(self.sizes[p.source] / counts[p.source])

    def _fits(self, population: Population, count: int, counts: Mapping[str, int]) -> bool:
        """With the recording of one step."""
        recording = recorded_bytes(self.network, population.name, count)
        return bool(self.bytes(population, count, counts) + recording <= self.hardware.data_bytes)

    def too_large(self, counts: Mapping[str, int]) -> tuple[Problem, ...]:
        """Populations of which no core holds even one neuron."""
        room = self.hardware.data_bytes
        return tuple(
            Problem(
                p.name,
                f"one neuron with its synapses takes more bytes ({p.name!r} {self.bytes(p, 1, counts)}) than a core "
                f"has for them ({room})",
                remedy="use fewer inputs or smaller kernels",
            )
            for p in self.network.populations
            if not self._fits(p, 1, counts)
        )

    def counts(self) -> dict[str, int]:
        """Neurons per core of inputs and populations: the fewest cores, all but the last alike.

        Smaller slices of a source are more entries in a table, which can make slices smaller in turn.
        """
        counts = {name: _even(size, self.most(name)) for name, size in self.sizes.items()}
        while True:
            smaller = dict(counts)
            for population in self.network.populations:
                count = counts[population.name]
                while count > 1 and not self._fits(population, count, counts):
                    count = _even(population.size, count - 1)
                smaller[population.name] = count
            if smaller == counts:
                return counts
            counts = smaller


def _even(size: int, most: int) -> int:
    """The slice of which as many are needed as of ``most``, but alike."""
    return math.ceil(size / math.ceil(size / most))


def estimate(network: IntegerNetwork, placement: Placement, target: Target, activity: float) -> dict[str, float | str]:
    """Synaptic events per step at ``activity`` (spikes per neuron and step), and the time the busiest core needs for
    them at the chip paper's highest rate: a step cannot be shorter."""
    each = {p.name: sum(q.synapses() for q in network.into(p.name)) / p.size for p in network.populations}
    events = [activity * each[part.population] * part.count for part in placement.slices]
    return {
        "synaptic_events": float(sum(events)),
        "busiest_core_events": float(max(events)),
        "step_us": 1e6 * float(max(events)) / target.hardware.events_per_second,
    }
