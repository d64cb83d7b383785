"""picture: a checked graph as a picture, and what its projections are called there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from markupsafe import Markup

from nirdeploy.records.pictures.fragment import fragment
from nirdeploy.records.pictures.network import Arrow, Box, network
from nirdeploy.semantics.operators import Convolution, Dense


class Graph(Protocol):
    """A :class:`nirdeploy.graph.checked.CheckedGraph`, which shows itself by this."""

    @property
    def populations(self) -> Sequence[Any]: ...
    @property
    def projections(self) -> Sequence[Any]: ...
    @property
    def outputs(self) -> Mapping[str, str]: ...


def shown(graph: Graph) -> str:
    """For a notebook."""
    neurons = sum(p.size for p in graph.populations if p.model != "Input")
    return fragment(f"{len(graph.populations):,} populations, {neurons:,} neurons", picture(graph))


def picture(graph: Graph, more: Mapping[str, str] | None = None) -> Markup:
    """Populations and projections as SVG; nothing of a network too large to be seen.

    Args:
        more: a line for a population's box, such as its bits on a target.
    """
    boxes = [_box(graph, p, (more or {}).get(p.name, "")) for p in graph.populations]
    return network(boxes, [Arrow(p.source, p.target, named(p)) for p in graph.projections])


def named(projection: Any) -> str:
    """Its operator and delay in a few words."""
    operator = projection.operator
    parts = [] if projection.pool is None else [f"sum pool {_times(projection.pool.kernel)}"]
    if isinstance(operator, Dense):
        parts.append(f"dense, {operator.weight.size:,} weights")
    elif isinstance(operator, Convolution):
        kernel = operator.weight.shape[2:]
        parts.append(f"conv {_times(kernel)}, {operator.weight.size:,} weights")
    else:
        parts.append("one by one")
    if projection.maximum is not None:
        parts.append(f"max pool {_times(projection.maximum.kernel)}")
    if projection.delay:
        parts.append(f"{projection.delay} later")
    return ", ".join(parts)


def _times(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


def _box(graph: Graph, population: Any, more: str) -> Box:
    size = f"{population.model}, {_times(population.shape) or 1}"
    if len(population.shape) > 1:
        size += f" = {population.size:,}"
    reads = [name for name, read in graph.outputs.items() if read == population.name]
    kind = "input" if population.model == "Input" else "output" if reads else ""
    said = [f"read as {', '.join(reads)}"] if reads and reads != [population.name] else []
    return Box(population.name, tuple(filter(None, [size, more, *said])), kind)
