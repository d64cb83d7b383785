"""Which neurons stand on which neurocore.

Populations are laid down one after the other, each in contiguous slices; a core is filled until a neuron more would
exceed its neurons, its memory or its input axons. A core whose neurons reach too many cores (output axons) gets
smaller slices, and all is laid down again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import IntegerProjection, Population
from nirdeploy.semantics.operators import Convolution, Dense
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.placement import CoreUse, Placement, Slice
from nirdeploy.targets.tables import Target

MEMORIES = ("neurons", "memory_bytes", "input_axons", "output_axons")


def place(network: IntegerNetwork, target: Target) -> Fit:
    """A network on the cores, or everything that keeps it from there."""
    share = {p.name: p.size for p in network.populations}
    while True:
        cores, problems = _filled(network, target, share)
        outgoing = _output_axons(network, cores)
        over = _crowded(network, cores, outgoing, target)
        smaller = _smaller(cores, over, target)
        if problems or not smaller:
            break
        share |= smaller
    if len(cores) > target.hardware.cores:
        found = f"the network needs {len(cores)} cores"
        problems.append(Problem("", found, f"the chip has {target.hardware.cores}", "make its layers smaller"))
    problems += [
        Problem(
            name,
            f"a core with neurons of {name!r} needs {used} output axons",
            f"it has {target.hardware.output_axons}",
            "connect them to fewer neurons",
        )
        for name, used in over.items()
    ]
    if problems:
        return Fit(tuple(problems), network)
    limits = {name: int(getattr(target.hardware, name)) for name in MEMORIES}
    ordered = [s for p in network.populations for core in cores for s in core.slices if s.population == p.name]
    placement = Placement(
        network=network.digest(),
        target=target.name,
        slices=tuple(ordered),
        cores=tuple(
            CoreUse(core.number, core.used() | {"output_axons": out}, limits)
            for core, out in zip(cores, outgoing, strict=True)
        ),
    )
    return Fit((), network, placement)


@dataclass
class _Core:
    """A core being filled; ``axons``: by source population, which of its neurons reach it."""

    number: int
    slices: list[Slice] = field(default_factory=list)
    neurons: int = 0
    memory_bytes: int = 0
    axons: dict[str, np.ndarray] = field(default_factory=dict)

    def used(self) -> dict[str, int]:
        axons = sum(int(mask.sum()) for mask in self.axons.values())
        return {"neurons": self.neurons, "memory_bytes": self.memory_bytes, "input_axons": axons}

    def with_slice(self, added: Slice, incoming: list[IntegerProjection], target: Target) -> _Core:
        """This core and one slice more."""
        axons = dict(self.axons)
        memory = self.memory_bytes + added.count * target.hardware.neuron_bytes
        for p in incoming:
            mask = sources(p, added.first, added.count)
            memory += _synapse_bytes(p, added.first, added.count, int(mask.sum()))
            axons[p.source] = axons[p.source] | mask if p.source in axons else mask
        return _Core(self.number, [*self.slices, added], self.neurons + added.count, memory, axons)

    def over(self, target: Target) -> list[str]:
        """The memories that are exceeded."""
        return [
            f"{used} {name.replace('_', ' ')} of {getattr(target.hardware, name)}"
            for name, used in self.used().items()
            if used > getattr(target.hardware, name)
        ]


def _filled(network: IntegerNetwork, target: Target, share: dict[str, int]) -> tuple[list[_Core], list[Problem]]:
    """All neurons on as many cores as they take, and the populations of which no neuron fits on any."""
    cores, group = [_Core(0)], 0
    problems: list[Problem] = []
    for population in network.populations:
        incoming = network.into(population.name)
        first = 0
        while first < population.size:
            most = min(share[population.name], population.size - first)
            count = _count(cores[-1], population, first, most, group, incoming, target)
            if count:
                added = Slice(population.name, cores[-1].number, group, first, count)
                cores[-1] = cores[-1].with_slice(added, incoming, target)
                first, group = first + count, group + 1
            elif cores[-1].slices:
                cores.append(_Core(len(cores)))
            else:
                alone = cores[-1].with_slice(Slice(population.name, 0, 0, first, 1), incoming, target)
                takes = ", ".join(alone.over(target))
                found = f"one neuron of {population.name!r} alone takes {takes} a core has"
                problems.append(Problem(population.name, found, remedy="reduce its inputs"))
                break
            if count == share[population.name] and first < population.size:
                cores.append(_Core(len(cores)))  # a share is what one core takes
    if not cores[-1].slices:
        cores.pop()
    return cores, problems


def _count(
    core: _Core,
    population: Population,
    first: int,
    most: int,
    group: int,
    incoming: list[IntegerProjection],
    target: Target,
) -> int:
    """How many more neurons of a population fit on a core: all, or as many as a bisection finds."""

    def fits(count: int) -> bool:
        tried = Slice(population.name, core.number, group, first, count)
        return not core.with_slice(tried, incoming, target).over(target)

    if fits(most):
        return most
    good, bad = 0, most
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def _crowded(network: IntegerNetwork, cores: list[_Core], outgoing: list[int], target: Target) -> dict[str, int]:
    """Populations that send from a core with too few output axons, and how many the worst of their cores needs."""
    senders = {p.source for p in network.projections}
    over: dict[str, int] = {}
    for core in cores:
        for s in core.slices:
            if s.population in senders and outgoing[core.number] > target.hardware.output_axons:
                over[s.population] = max(over.get(s.population, 0), outgoing[core.number])
    return over


def _smaller(cores: list[_Core], over: dict[str, int], target: Target) -> dict[str, int]:
    """Smaller shares for them, at most halved: what stands behind may be cut less in the end."""
    smaller = {}
    for name, used in over.items():
        count = max(s.count for core in cores for s in core.slices if s.population == name)
        if count > 1:
            fitting = max((count + 1) // 2, count * target.hardware.output_axons // used)
            smaller[name] = min(fitting, count - 1)
    return smaller


def _output_axons(network: IntegerNetwork, cores: list[_Core]) -> list[int]:
    """By core: pairs of a neuron on it and a core that the neuron reaches."""
    standing: dict[str, np.ndarray] = {p.name: np.zeros(p.size, dtype=np.int64) for p in network.populations}
    for core in cores:
        for s in core.slices:
            standing[s.population][s.first : s.first + s.count] = core.number
    used: dict[int, int] = defaultdict(int)
    for core in cores:
        for source, mask in core.axons.items():
            if source in standing:
                for number, axons in zip(*np.unique(standing[source][mask], return_counts=True), strict=True):
                    used[int(number)] += int(axons)
    return [used[core.number] for core in cores]


def sources(p: IntegerProjection, first: int, count: int) -> np.ndarray:
    """Which neurons of the source reach neurons ``first`` to ``first + count - 1`` of the target: bool (size,)."""
    operator = p.operator
    if isinstance(operator, Dense):
        return np.asarray((operator.weight[first : first + count] != 0).any(axis=0))
    reached = np.zeros(operator.outputs, dtype=bool)
    reached[first : first + count] = True
    if not isinstance(operator, Convolution):
        return np.asarray(reached & (operator.weight != 0))
    channels, height, width = operator.shape
    (rows, columns), (high, wide) = operator.out_shape[1:], operator.weight.shape[2:]
    by_group = reached.reshape(operator.groups, -1, rows, columns).any(axis=1)
    (top, bottom), (left, right) = operator.padding
    seen = np.zeros((operator.groups, height + top + bottom, width + left + right), dtype=bool)
    for row in range(high):
        for column in range(wide):
            y, x = row * operator.dilation[0], column * operator.dilation[1]
            seen[
                :,
                y : y + (rows - 1) * operator.stride[0] + 1 : operator.stride[0],
                x : x + (columns - 1) * operator.stride[1] + 1 : operator.stride[1],
            ] |= by_group
    inside = seen[:, top : top + height, left : left + width]
    return np.repeat(inside, channels // operator.groups, axis=0).ravel()


def _synapse_bytes(p: IntegerProjection, first: int, count: int, axons: int) -> int:
    """Memory of the synapses of one slice: a matrix in full, a kernel once per channel, else weight and index."""
    if isinstance(p.operator, Dense):
        return count * axons * (1 if p.delay == 1 else 2)  # delays are held beside the weights
    if isinstance(p.operator, Convolution):
        channels = np.unique(p.operator.groups_of_outputs[first : first + count]).size
        return channels * int(np.prod(p.operator.weight.shape[1:]))
    return 2 * count


def estimate(network: IntegerNetwork, target: Target, activity: float) -> dict[str, float | str]:
    """Per step, where a share ``activity`` of all neurons and inputs spikes: synaptic events, updates and energy."""
    events = activity * sum(p.synapses() for p in network.projections)
    updates = sum(p.size for p in network.populations)
    hardware = target.hardware
    lag = max(network.population(name).latency for name in network.outputs.values())
    return {
        "synaptic_events": events,
        "neuron_updates": updates,
        "energy_nj": (events * hardware.synaptic_event_pj + updates * hardware.neuron_update_pj) / 1000,
        "latency_steps": lag,
    }
