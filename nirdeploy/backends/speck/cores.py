"""Layers on cores: each on a core of its own whose memories hold it, all of them at once or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nirdeploy.backends.speck.layers import Layers, layers_of
from nirdeploy.backends.speck.schema import Hardware
from nirdeploy.errors import DoesNotFit, InternalError
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets.placement import CoreUse, Placement, Slice
from nirdeploy.targets.tables import Target

Memory = Mapping[str, int]


def memories(hardware: Hardware) -> list[dict[str, int]]:
    """Words that each core has."""
    return [
        {"kernel": kernel, "neuron": neuron, "bias": bias}
        for kernel, neuron, bias in zip(hardware.kernel_words, hardware.neuron_words, hardware.bias_words, strict=True)
    ]


def assigned(needs: Mapping[str, Memory], cores: Sequence[Memory]) -> tuple[dict[str, int], list[str]]:
    """A core for each layer (a maximum bipartite matching, by augmenting paths), or why there is none.

    Args:
        needs: words of each memory by layer.
        cores: words that each core has.

    Returns:
        the core of each layer, and one sentence for each layer, or set of layers, that finds none.
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


def _too_large(name: str, need: Memory, cores: Sequence[Memory]) -> str:
    lacking = [
        f"{need[memory]:,} words of {memory} memory, a core has {most:,} at most"
        for memory in need
        if need[memory] > (most := max(core[memory] for core in cores))
    ]
    if lacking:
        return f"node {name!r} needs {' and '.join(lacking)}; use fewer features, smaller kernels or smaller images"
    words = " and ".join(f"{need[memory]:,} of {memory}" for memory in need)
    pairs = sorted({(core["kernel"], core["neuron"]) for core in cores})
    return (
        f"node {name!r} needs {words} memory together, no core has that (kernel and neuron words: "
        f"{', '.join(f'{kernel:,} and {neuron:,}' for kernel, neuron in pairs)}); use fewer features, smaller kernels "
        "or smaller images"
    )


def _too_many(crowd: Sequence[str], cores: Sequence[int], needs: Mapping[str, Memory]) -> str:
    words = ", ".join(f"{n!r} (kernel {needs[n]['kernel']:,}, neuron {needs[n]['neuron']:,})" for n in crowd)
    return (
        f"the layers {words} fit only on {len(cores)} core(s) ({', '.join(map(str, cores))}), one each, and are "
        f"{len(crowd)}; use fewer layers, or smaller ones"
    )


def layers(network: IntegerNetwork, target: Target) -> Layers:
    """The layers of an integer network."""
    return layers_of(
        dict(network.inputs),
        {population.name: population.shape for population in network.populations},
        network.projections,
        network.outputs.values(),
        target.hardware,
    )


def place(network: IntegerNetwork, target: Target) -> Placement:
    """A core for each population. Raises :class:`DoesNotFit`, all violations at once."""
    found, cores = layers(network, target), memories(target.hardware)
    needs = {name: layer.memory(bool(network.population(name).bias.any())) for name, layer in found.layers.items()}
    chosen, problems = assigned(needs, cores)
    problems = [*found.problems, *problems]
    if problems:
        raise DoesNotFit("; ".join(problems), where=f"target {target.name}")
    slices = tuple(Slice(p.name, chosen[p.name], 0, 0, p.size) for p in network.populations)
    uses = tuple(CoreUse(core, needs[name], cores[core]) for name, core in sorted(chosen.items(), key=lambda c: c[1]))
    return Placement(network.digest(), target.name, slices, uses)


def validate(placement: Placement) -> None:
    """A core holds one layer. Raises :class:`InternalError`."""
    cores = [part.core for part in placement.slices]
    if len(set(cores)) < len(cores):
        raise InternalError(f"two layers share a core: {cores}")
