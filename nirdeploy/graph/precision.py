"""precision: of how many bits the weights into each population are to be, where that is not left to the target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import nir

from nirdeploy.errors import GraphError, UnknownPopulation, UsageProblem, meant
from nirdeploy.graph.checked import CheckedGraph

#: Bits for all populations, or by name: of a population, or of a node whose weights lead into it.
Widths = int | Mapping[str, int] | None
#: Of a node's metadata, as NIR keeps it.
METADATA_KEY = "nirdeploy_weight_bits"
LEAST, MOST = 2, 16


def with_bits(graph: CheckedGraph, bits: Widths) -> CheckedGraph:
    """The graph with weights of so many bits; what ``bits`` does not name stays as it is.

    Raises:
        UsageProblem: no such width, or two for one population. UnknownPopulation: no such name.
    """
    if bits is None:
        return graph
    if isinstance(bits, Mapping):
        asked = _by_population(graph, bits)
    else:
        asked = dict.fromkeys((p.name for p in graph.populations if p.model != "Input"), bits)
    for name, own in asked.items():
        if not isinstance(own, int) or not LEAST <= own <= MOST:
            raise UsageProblem(f"weights of {own} bits", where=name, hint=f"{LEAST} to {MOST}")
    return replace(
        graph, populations=tuple(replace(p, weight_bits=asked.get(p.name, p.weight_bits)) for p in graph.populations)
    )


def _by_population(graph: CheckedGraph, bits: Mapping[str, int]) -> dict[str, int]:
    asked: dict[str, int] = {}
    for name, own in bits.items():
        into = targets(graph, name)
        if not into:
            raise UnknownPopulation(
                f"there is no population {name!r} with weights, and no node of weights by that name",
                hint=meant(name, _names(graph), "there are", named(graph)),
            )
        for population in into:
            if asked.setdefault(population, own) != own:
                raise UsageProblem(
                    f"the weights into {population!r} are to have {asked[population]} bits and {own} bits",
                    hint="all weights into one population share a scale, and so their bits: give one number",
                )
    return asked


def targets(graph: CheckedGraph, name: str) -> list[str]:
    """The populations that are meant by a name: that of a population, or of a node whose weights lead into them."""
    into = {p.target for p in graph.projections}
    if name in into:
        return [name]
    return list(dict.fromkeys(p.target for p in graph.projections if name in p.nodes))


def named(graph: CheckedGraph) -> list[str]:
    """The populations that have weights, in order, each with its nodes."""
    found: dict[str, list[str]] = {}
    for p in graph.projections:
        found.setdefault(p.target, []).extend(p.nodes)
    return [f"{name} ({', '.join(nodes)})" if nodes else name for name, nodes in found.items()]


def _names(graph: CheckedGraph) -> list[str]:
    return [name for p in graph.projections for name in (p.target, *p.nodes)]


def of_node(node: nir.NIRNode, name: str) -> int | None:
    """What a node says of itself. Raises :class:`GraphError`."""
    said: Any = (node.metadata or {}).get(METADATA_KEY)
    if said is None:
        return None
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if not text.isdecimal() or not LEAST <= int(text) <= MOST:
        raise GraphError(
            f"node {name!r} asks for weights of {text[:20]!r} bits", hint=f"its {METADATA_KEY}: {LEAST} to {MOST}"
        )
    return int(text)


def parse(text: str) -> Widths:
    """``--bits``: "8", or "fc1=4,conv1=8". Raises :class:`UsageProblem`."""
    try:
        if "=" not in text:
            return int(text)
        pairs = [one.rsplit("=", 1) for one in text.split(",")]
        found = {name.strip(): int(bits) for name, bits in pairs}
    except ValueError as error:
        raise UsageProblem(
            f"--bits {text!r} does not say how many bits the weights have",
            hint="one number for all; NAME=BITS of populations or layers, with commas (fc1=4,conv1=8); or auto:60% and "
            "samples (--calibrate)",
        ) from error
    if len(found) < len(pairs):
        raise UsageProblem(f"--bits {text!r} names one twice", hint="give each population one number")
    return found


def either(widths: Iterable[int]) -> str:
    """ "2, 4 or 8"."""
    *most, last = map(str, widths)
    return f"{', '.join(most)} or {last}" if most else last
