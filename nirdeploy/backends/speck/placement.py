"""Layers on cores: each on a core of its own whose memories hold it, all of them at once or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nirdeploy.backends.speck import layers
from nirdeploy.backends.speck.layers import Layers
from nirdeploy.backends.speck.schema import Hardware
from nirdeploy.errors import InternalError
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.placement import CoreUse, Placement, Slice
from nirdeploy.targets.tables import Target

Memory = Mapping[str, int]


def memories(hardware: Hardware) -> list[dict[str, int]]:
    """Words that each core has."""
    return [
        {"kernel": kernel, "neuron": neuron, "bias": bias}
        for kernel, neuron, bias in zip(hardware.kernel_words, hardware.neuron_words, hardware.bias_words, strict=True)
    ]


def assigned(needs: Mapping[str, Memory], cores: Sequence[Memory]) -> tuple[dict[str, int], list[Problem]]:
    """A core for each layer (a maximum bipartite matching, by augmenting paths), or why there is none.

    Args:
        needs: words of each memory by layer.
        cores: words that each core has.

    Returns:
        the core of each layer, and a problem for each layer, or set of layers, that finds none.
    """
    fitting = {
        name: [core for core, has in enumerate(cores) if all(need[memory] <= has[memory] for memory in need)]
        for name, need in needs.items()
    }
    problems = [_too_large(name, needs[name], cores) for name, possible in fitting.items() if not possible]
    holder: dict[int, str] = {}

    def seat(name: str, asked: set[int]) -> bool:
        """Give ``name`` a core: a free one, or one whose holder can go elsewhere."""
        for core in sorted(fitting[name], key=lambda core: core in holder):
            if core not in asked:
                asked.add(core)
                if core not in holder or seat(holder[core], asked):
                    holder[core] = name
                    return True
        return False

    crowded: dict[tuple[int, ...], list[str]] = {}
    for name, possible in fitting.items():
        asked: set[int] = set()
        if possible and not seat(name, asked):
            crowded[tuple(sorted(asked))] = [rival for rival, cores in fitting.items() if cores and {*cores} <= asked]
    problems += [_too_many(rivals, only, needs) for only, rivals in crowded.items()]
    return {name: core for core, name in holder.items()}, problems


def _too_large(name: str, need: Memory, cores: Sequence[Memory]) -> Problem:
    node, remedy = f"node {name!r} needs ", "use fewer features, smaller kernels or smaller images"
    lacking = [
        f"{need[memory]:,} words of {memory} memory, a core has {most:,} at most"
        for memory in need
        if need[memory] > (most := max(core[memory] for core in cores))
    ]
    if lacking:
        return Problem(name, node + " and ".join(lacking), remedy=remedy)
    words = " and ".join(f"{need[memory]:,} of {memory}" for memory in need)
    pairs = sorted({(core["kernel"], core["neuron"]) for core in cores})
    has = ", ".join(f"{kernel:,} and {neuron:,}" for kernel, neuron in pairs)
    allowed = f"no core has that (kernel and neuron words: {has})"
    return Problem(name, f"{node}{words} memory together", allowed, remedy)


def _too_many(crowd: Sequence[str], cores: Sequence[int], needs: Mapping[str, Memory]) -> Problem:
    words = ", ".join(f"{n!r} (kernel {needs[n]['kernel']:,}, neuron {needs[n]['neuron']:,})" for n in crowd)
    return Problem(
        "",
        f"the layers {words} fit only on {len(cores)} core(s) ({', '.join(map(str, cores))})",
        f"one each, and are {len(crowd)}",
        "use fewer layers, or smaller ones",
    )


def crowding(graph: CheckedGraph, found: Layers, target: Target) -> list[Problem]:
    """The layers of a graph, before rounding, that find no core."""
    needs = {name: layer.memory(bool(graph.population(name).bias.any())) for name, layer in found.layers.items()}
    return assigned(needs, memories(target.hardware))[1]


def place(network: IntegerNetwork, target: Target) -> Fit:
    """A core for each population, or everything that keeps one from there. The plan: the layers."""
    found, cores = layers.of_network(network, target.hardware), memories(target.hardware)
    biased = {name: network.on_chip(name).registers["bias"].any() for name in found.layers}
    needs = {name: layer.memory(bool(biased[name])) for name, layer in found.layers.items()}
    chosen, crowded = assigned(needs, cores)
    if problems := (*found.problems, *crowded):
        return Fit(problems, network)
    slices = tuple(Slice(p.name, chosen[p.name], 0, 0, p.size) for p in network.populations)
    uses = tuple(CoreUse(core, needs[name], cores[core]) for name, core in sorted(chosen.items(), key=lambda c: c[1]))
    return Fit((), network, Placement(network.digest(), target.name, slices, uses), found)


def one_layer_each(placement: Placement) -> None:
    """A core holds one layer. Raises :class:`InternalError`."""
    cores = [part.core for part in placement.slices]
    if len(set(cores)) < len(cores):
        raise InternalError(f"two layers share a core: {cores}")


def estimate(network: IntegerNetwork, target: Target, activity: float) -> dict[str, float | str]:
    """Synaptic operations per step, all cores and the busiest, where each neuron and input spikes ``activity`` times a
    step: what sinabs' documentation names as a core's limit, without a figure."""
    found = layers.of_network(network, target.hardware)
    operations = {name: activity * layer.synapses() for name, layer in found.layers.items()}
    busiest = max(operations, key=lambda name: operations[name])
    return {
        "synaptic_events": sum(operations.values()),
        "busiest_core_events": operations[busiest],
        "busiest": busiest,
    }
