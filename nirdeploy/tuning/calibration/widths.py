"""widths: the bits of each population that lose least within a memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nirdeploy.errors import DoesNotFit, UsageProblem
from nirdeploy.graph import precision
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.precision import Widths, with_bits
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.targets import registry
from nirdeploy.targets.fitting import rounded
from nirdeploy.targets.tables import Target
from nirdeploy.tuning.calibration.population import Way, on_grid
from nirdeploy.tuning.calibration.task import Loss, Task

_WAY = Way(clipping=True, adaptive=True, correcting=True)
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 10**6, "kib": 1024, "mib": 2**20}
_TRIED = 3  # of those that should lose least, how many are tried


@dataclass(frozen=True)
class Memory:
    """A limit on the weights: so many ``bytes``, or a ``part`` of what they take at the target's widest."""

    bytes: float = 0.0
    part: float | None = None

    @classmethod
    def parse(cls, text: str) -> Memory:
        """ "60%", "40KB" or "40000". Raises :class:`UsageProblem`."""
        said = re.fullmatch(r"(\d+\.?\d*)\s*(%|[kKmM]?i?[bB]?)", text.strip())
        number = float(said[1]) if said else 0.0
        if not said or not number or said[2].lower() not in {"%", *_UNITS}:
            raise UsageProblem(
                f"--bits auto:{text} does not say how much memory the weights may take",
                hint="auto:60% of what they take at the target's widest, or auto:40KB",
            )
        return cls(part=number / 100) if said[2] == "%" else cls(number * _UNITS[said[2].lower()])

    def of(self, widest: int) -> int:
        """In bits, where the weights take so many at the widest."""
        return int(self.part * widest) if self.part is not None else int(self.bytes * 8)


def parse(text: str) -> Widths | Memory:
    """``--bits``: "auto:MEMORY", or as :func:`nirdeploy.graph.precision.parse`. Raises :class:`UsageProblem`."""
    kind, colon, memory = text.partition(":")
    return Memory.parse(memory) if (kind, colon) == ("auto", ":") else precision.parse(text)


@dataclass(frozen=True)
class Sensitivity:
    """What is lost where one population alone has so many bits, all others the target's widest."""

    population: str
    bits: int
    loss: Loss


def weights_into(graph: CheckedGraph, network: IntegerNetwork) -> dict[str, int]:
    """How many weights lead into each population of a graph that has any, as its target keeps them."""
    known = [p.name for p in graph.populations]
    found = {p.name: sum(q.weight.size for q in network.into(p.name)) for p in network.populations if p.name in known}
    return {name: size for name, size in found.items() if size}


def sensitivities(graph: CheckedGraph, target: Target, task: Task) -> list[Sensitivity]:
    """Each population alone at each width that the target has, the rest at the widest; its weights on their grid as
    calibration puts them, all other choices left out."""
    *narrower, widest = registry.backend_of(target).widths(target)
    base = with_bits(graph, widest)
    network = rounded(base, target)
    full, found = task.loss(network), []
    for name in weights_into(graph, network):
        for bits in narrower:
            own = on_grid(with_bits(base, {name: bits}), name, bits, _WAY, task.sent, task.sent)
            found.append(Sensitivity(name, bits, task.loss(rounded(own, target))))
        found.append(Sensitivity(name, widest, full))
    return found


def within(memory: Memory, graph: CheckedGraph, target: Target, task: Task) -> dict[str, int]:
    """Bits by population: of all that fit the memory, those that lose least.

    What populations lose by themselves is added up to tell which are tried, and the best of these is taken.

    Raises:
        DoesNotFit: the memory is too small for the narrowest. UsageProblem: the target has one width.
    """
    there = registry.backend_of(target).widths(target)
    if len(there) == 1:
        raise UsageProblem(
            f"the target has one width, {there[0]} bits: there is nothing to choose",
            where=f"target {target.name}",
            hint="leave --bits auto out, or take a target with several widths",
        )
    sizes = weights_into(graph, rounded(with_bits(graph, there[-1]), target))
    total = sum(sizes.values())
    limit = memory.of(total * there[-1])
    if total * there[0] > limit:
        raise DoesNotFit(
            f"{total:,} weights take {-(-total * there[0] // 8):,} bytes at the narrowest, {there[0]} bits, and "
            f"{-(-total * there[-1] // 8):,} at the widest, {there[-1]}; {limit // 8:,} are allowed",
            where=f"target {target.name}",
            hint=f"allow more: auto:{-(-total * there[0] // 8)} at least",
        )
    found = sensitivities(graph, target, task)
    best = candidates(sizes, found, limit)

    def lost(widths: Mapping[str, int]) -> float:
        tried = with_bits(graph, widths)
        for name, bits in widths.items():
            tried = on_grid(tried, name, bits, _WAY, task.sent, task.sent)
        return task.loss(rounded(tried, target)).value

    return min(best, key=lost) if len(best) > 1 else best[0]


def candidates(sizes: Mapping[str, int], found: Sequence[Sensitivity], limit: int) -> list[dict[str, int]]:
    """The widths within the limit (bits) whose losses add up to the least, best first."""
    partial: list[tuple[float, int, dict[str, int]]] = [(0.0, 0, {})]
    left = sum(sizes.values())
    narrowest = min(one.bits for one in found)
    for name, size in sizes.items():
        left -= size
        own = [one for one in found if one.population == name]
        grown = [
            (loss + one.loss.value, taken + size * one.bits, {**widths, name: one.bits})
            for loss, taken, widths in partial
            for one in own
            if taken + size * one.bits + left * narrowest <= limit
        ]
        partial = _leading(grown)
    return [widths for _, _, widths in sorted(partial, key=lambda one: one[:2])[:_TRIED]]


def _leading(ways: list[tuple[float, int, dict[str, int]]]) -> list[tuple[float, int, dict[str, int]]]:
    """Without those to which there are several with less loss in less memory."""
    kept: list[tuple[float, int, dict[str, int]]] = []
    for way in sorted(ways, key=lambda one: one[:2]):
        if sum(other[1] <= way[1] for other in kept) < _TRIED:
            kept.append(way)
    return kept
