"""Who stands where on the chip: inputs, hidden neurons and outputs, each with numbers of their own.

A population that feeds another is hidden, one that is read is an output. Inputs lead to the first hidden neurons,
outputs are read from the last ones, so the numbers of hidden populations follow from what is around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from nirdeploy.backends.common.latency import Slack
from nirdeploy.backends.xylo.schema import Hardware
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.semantics.operators import Dense

#: Times the chip's hidden neurons: up to this size of a population its synapses are counted.
_LARGER = 4


@dataclass(frozen=True)
class Synapses:
    """Which neurons a projection joins: ``there``, bool (target size, source size)."""

    source: str
    target: str
    there: np.ndarray


@dataclass(frozen=True)
class Wiring:
    """Sizes by name, in the order of the chip's numbers, and the synapses between them."""

    inputs: Mapping[str, int]
    hidden: Mapping[str, int]
    outputs: Mapping[str, int]
    synapses: tuple[Synapses, ...]

    def position(self, source: str) -> int:
        """Where a source stands in the order in which spikes are delivered: inputs, then hidden neurons.

        Outputs come last: their spikes lead nowhere on the chip.
        """
        return [*self.inputs, *self.hidden, *self.outputs].index(source)

    def first(self, name: str, sizes: Mapping[str, int]) -> int:
        """The number of a population's first neuron, among ``sizes``."""
        names = list(sizes)
        return sum(sizes[n] for n in names[: names.index(name)])

    def fan_out(self) -> dict[str, np.ndarray]:
        """Synapses of each neuron of the hidden populations."""
        found = {name: np.zeros(size, dtype=np.int64) for name, size in self.hidden.items()}
        for s in self.synapses:
            if s.source in found:
                found[s.source] += s.there.sum(axis=0)
        return found

    def aliases(self, hardware: Hardware) -> dict[str, np.ndarray]:
        """How many neurons repeat each hidden neuron's spikes, as one has only so many synapses; 0 without aliases."""
        most = hardware.fan_out
        needed = {name: np.maximum(-(-fan // most), 1) - 1 for name, fan in self.fan_out().items()}
        return {name: count * hardware.aliases for name, count in needed.items()}


def of_network(network: IntegerNetwork, hardware: Hardware) -> Wiring:
    """What an integer network needs; a weight of zero is no synapse."""
    synapses = tuple(Synapses(p.source, p.target, p.weight != 0) for p in network.projections)
    sizes = {p.name: p.size for p in network.populations}
    inputs = {name: prod(shape) for name, shape in network.inputs}
    return wired(inputs, sizes, network.outputs.values(), synapses, hardware)


def merged(graph: CheckedGraph) -> CheckedGraph:
    """One projection for each pair of populations: the chip's matrices hold one weight for a pair of neurons.

    Projections that are not equally late stay apart; the checker refuses these.
    """
    found: dict[tuple[str, str, int], Projection] = {}
    for p in graph.projections:
        key = (p.source, p.target, p.delay)
        before = found.get(key)
        both = None if before is None else Dense(before.matrix() + p.matrix())
        found[key] = p if both is None else replace(p, operator=both, pool=None)
    return replace(graph, projections=tuple(found.values()))


def countable(graph: CheckedGraph, hardware: Hardware) -> bool:
    """Whether the graph is of the chip's order of size: the matrices of a larger one may exceed any memory."""
    return all(p.size <= _LARGER * hardware.hidden for p in graph.populations)


def of_graph(graph: CheckedGraph, hardware: Hardware) -> Wiring:
    """What a graph needs before anything is rounded; without its synapses, where they are not countable."""
    synapses: tuple[Synapses, ...] = ()
    if countable(graph, hardware):
        synapses = tuple(Synapses(p.source, p.target, p.matrix() != 0) for p in graph.projections)
    sizes = {p.name: p.size for p in graph.populations if p.model != "Input"}
    inputs = {name: graph.population(name).size for name in graph.inputs}
    return wired(inputs, sizes, graph.outputs.values(), synapses, hardware)


def wired(
    inputs: Mapping[str, int],
    sizes: Mapping[str, int],
    read: Iterable[str],
    synapses: tuple[Synapses, ...],
    hardware: Hardware,
) -> Wiring:
    """Inputs and all other populations by size, those that are read, and the synapses, in the chip's order."""
    outputs = {name: sizes[name] for name in dict.fromkeys(read)}
    hidden = {name: size for name, size in sizes.items() if name not in outputs}
    entered = {s.target for s in synapses if s.source in inputs}
    leaving = {s.source for s in synapses if s.target in outputs}
    order = _in_order(hidden, entered, leaving, hardware.input_reach)
    return Wiring(inputs, {name: hidden[name] for name in order}, outputs, synapses)


def _in_order(hidden: Mapping[str, int], entered: set[str], leaving: set[str], reach: int) -> list[str]:
    """Those with inputs first, those that are read last; what has both stands as late as inputs still reach it.

    A population with neither may stand on either side of these: ahead of them stand those that together come nearest
    to filling what inputs reach.
    """
    first = [n for n in hidden if n in entered and n not in leaving]
    both = [n for n in hidden if n in entered and n in leaving]
    between = [n for n in hidden if n not in entered and n not in leaving]
    last = [n for n in hidden if n in leaving and n not in entered]
    room = reach - sum(hidden[n] for n in first + both)
    sums: dict[int, tuple[str, ...]] = {0: ()}
    for name in between:
        more = {taken + hidden[name]: (*names, name) for taken, names in sums.items()}
        sums = {taken: names for taken, names in more.items() if taken <= room} | sums
    ahead = sums[max(sums)]
    return [*first, *ahead, *both, *(n for n in between if n not in ahead), *last]


def slack_of(graph: CheckedGraph) -> Slack:
    """How much later than in the graph a projection arrives on the chip.

    A spike of a hidden neuron arrives one step after it was sent, whatever the graph says; an input's at once.
    """
    return lambda p: (0 if p.source in graph.inputs else 1) - p.delay


def listed(names: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(map(repr, names))
