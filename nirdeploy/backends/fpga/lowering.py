"""What the gather cores need of a graph before it is rounded: structure they know, delays of one step at most."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import TypeVar

import numpy as np

from nirdeploy.backends.fpga import rows
from nirdeploy.backends.fpga.dialects import most_spikes
from nirdeploy.backends.fpga.layout import Grid, grids, source_grid, target_grid
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.segments import expressible
from nirdeploy.graph.chain import MAX_WEIGHTS
from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Population, Projection
from nirdeploy.integers.border import bordered
from nirdeploy.integers.parts import IntegerProjection
from nirdeploy.records.inputs import InputEncoding
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Convolution, Dense, Elementwise
from nirdeploy.targets.fit import Problem

P = TypeVar("P", Projection, IntegerProjection)


def lower(graph: CheckedGraph, target: FpgaTarget) -> tuple[CheckedGraph, list[Problem]]:
    """The same graph, with every projection one that the cores can walk, all of it or box by box, relays where spikes
    come later, and borders around inputs that need them; and all projections for which there is none."""
    problems = list(_late_numbers(graph))
    graph, spatial = with_relays(bordered(graph)), bool(target.hardware.spatial)
    known = _grids(list(graph.projections)) if spatial else {}
    held = {p.name: _held(p.weight_bits, target) for p in graph.populations}
    projections, refused = written_out([_by_channel(p, known) for p in graph.projections], spatial, held)
    return replace(graph, projections=tuple(projections)), [*problems, *refused]


def _held(weight_bits: int | None, target: FpgaTarget) -> int:
    """Weights of so many bits that all cores together have room for."""
    hardware, formats = target.hardware, target.formats.of_network()
    together = rows.together(weight_bits or formats.weight_bits, formats, hardware)
    return hardware.cores * hardware.weight_rows * hardware.lanes * together


def written_out(
    projections: Sequence[P], spatial: bool, most: Mapping[str, float] | None = None
) -> tuple[list[P], list[Problem]]:
    """Projections as the cores can walk them: as they are where segments can say what they see, else as matrices.

    One whose matrix has more than ``most`` weights (by its target) stays as it is where boxes of it can be written out
    instead; what can be neither is a problem.
    """
    found: list[P | Problem] = list(projections)
    before: list[P | Problem] = []
    while any(now is not then for now, then in zip_longest(found, before)):
        before = found  # a projection that is written out asks for no grid any more: others may have relied on it
        known = grids((p.source, p.target, p) for p in found if not isinstance(p, Problem))
        found = [
            p if isinstance(p, Problem) else _walked(p, known, spatial, math.inf if most is None else most[p.target])
            for p in found
        ]
    problems = [one for one in found if isinstance(one, Problem)]
    return [p for p in found if not isinstance(p, Problem)], problems


def walks(projections: Sequence[P], spatial: bool) -> bool:
    """Whether the cores can walk all of them as they are."""
    known = grids((p.source, p.target, p) for p in projections)
    return all(_is_said(p, known, spatial) for p in projections)


def _late_numbers(graph: CheckedGraph) -> Iterator[Problem]:
    for p in graph.projections:
        where, late = f"{p.source} -> {p.target}", p.delay + _own_delay(graph, p.source)
        if late > 1 and p.source in graph.inputs and graph.encoding(p.source) != InputEncoding():
            yield Problem(
                where,
                f"the numbers of the input {p.source!r} reach {p.target!r} {late} steps late",
                "relays carry spikes only",
                "delay them in the stimulus, or encode them as spikes",
            )
        elif late > 1 and p.source not in graph.inputs and most_spikes(graph.rules(p.source)) > 1:
            yield Problem(
                where,
                f"the spikes of {p.source!r}, several a step, reach {p.target!r} {late} steps late",
                "relays carry one a step",
                "train with spikes=binary or a delay of one step",
            )


def with_relays(graph: CheckedGraph) -> CheckedGraph:
    """Spikes that arrive ``n`` steps later pass n - 1 populations that say again what they heard a step before.

    Those that leave their population a step late are sent at once and count as one step later.
    """
    populations, projections = list(graph.populations), list(graph.projections)
    taken = {p.name for p in populations}
    chains: dict[str, list[str]] = {}
    for at, p in enumerate(projections):
        chain = chains.setdefault(p.source, [p.source])
        own = _own_delay(graph, p.source)
        while len(chain) < p.delay + own:
            relay = _relay(graph, p.source, len(chain), taken)
            populations.append(relay)
            chain.append(relay.name)
        if p.delay + own > 1:
            projections[at] = replace(p, source=chain[p.delay + own - 1], delay=1)
            if p.source == p.target:  # what the dialect makes of a recurrent population holds with relays too
                at = next(i for i, known in enumerate(populations) if known.name == p.source)
                populations[at] = replace(populations[at], dialect=_as_recurrent(graph.dialect_of(p.source)))
    for source, chain in chains.items():
        ones = Elementwise(np.ones(graph.population(source).size))
        for before, name in pairwise(chain):
            delay = 1 - _own_delay(graph, source) if before == source else 1
            projections.append(Projection(before, name, ones, delay=delay))
    if len(populations) == len(graph.populations):
        return graph
    return replace(graph, populations=tuple(populations), projections=tuple(projections))


def _own_delay(graph: CheckedGraph, name: str) -> int:
    return int(graph.population(name).model != "Input" and graph.rules(name).spike_delay)


def _as_recurrent(dialect: Dialect) -> Dialect:
    return replace(dialect, late_reset="after") if dialect.late_reset == "leaky_before" else dialect


def _relay(graph: CheckedGraph, source: str, number: int, taken: set[str]) -> Population:
    name = f"{source}.delay{number}"
    while name in taken:
        name += "_"
    taken.add(name)
    shape = graph.population(source).shape
    return Population(name, "Threshold", shape, {"threshold": np.full(shape, 0.5)}, np.zeros(shape))


def _grids(projections: list[Projection]) -> dict[str, Grid]:
    """As :func:`~nirdeploy.backends.fpga.layout.grids` of what :func:`_by_channel` will make of them."""
    pooled = [_by_channel(p, {}) for p in projections]
    return grids((p.source, p.target, p) for p in pooled)


def _by_channel(p: Projection, known: dict[str, Grid]) -> Projection:
    """One factor for each channel of a grid is a convolution, by a kernel of one pixel for each."""
    grid = _made_grid(p, known)
    if not isinstance(p.operator, Elementwise) or grid is None:
        return p
    factors = p.operator.weight.reshape(grid[0], -1)
    if (factors != factors[:, :1]).any():
        return p
    return replace(p, operator=Convolution(factors[:, :1, None, None], grid, groups=grid[0]))


def _made_grid(p: Projection, known: dict[str, Grid]) -> Grid | None:
    """The grid of what leaves factors: between a pool and a maximum, or that of both populations."""
    if p.maximum is not None:
        return p.maximum.shape
    if p.pool is not None:
        return p.pool.out_shape
    return known.get(p.source) if known.get(p.source) == known.get(p.target) else None


def _walked(p: P, known: dict[str, Grid], spatial: bool, most: float) -> P | Problem:
    """As it is where segments can say what it sees or boxes of it can be written out, else as a matrix."""
    weights = p.inputs * p.operator.outputs
    if _is_said(p, known, spatial) or (weights > most and _in_boxes(p, known)):
        return p
    if weights > MAX_WEIGHTS:
        return Problem(
            f"{p.source} -> {p.target}",
            f"the projection {p.source!r} -> {p.target!r} has {p.inputs} x {p.operator.outputs} weights written out as "
            "the matrix that the target needs here",
            f"{MAX_WEIGHTS} at most",
            "use smaller layers, or pooling windows that do not overlap in front of a padded convolution",
        )
    return replace(p, operator=Dense(p.matrix()), pool=None)


def _is_said(p: Projection | IntegerProjection, known: dict[str, Grid], spatial: bool) -> bool:
    """Whether segments can say what a projection sees."""
    if isinstance(p.operator, Dense) and p.pool is None:
        return True
    seen, made = source_grid(p), target_grid(p)
    fits = spatial and expressible(p)
    fits = fits and (seen is None or known.get(p.source) == seen) and (made is None or known.get(p.target) == made)
    if isinstance(p.operator, Elementwise):
        fits = fits and p.maximum is None and known.get(p.source) == known.get(p.target)
    return fits


def _in_boxes(p: Projection | IntegerProjection, known: dict[str, Grid]) -> bool:
    """Whether boxes of its target see boxes of its source, by weights of their own each.

    Where windows overlap, those of what they share would add up.
    """
    apart = p.pool is None or all(a <= b for a, b in zip(p.pool.kernel, p.pool.stride, strict=True))
    alike = not isinstance(p.operator, Elementwise) or (p.pool is None and p.maximum is None)
    return apart and alike and target_grid(p) in (None, known.get(p.target))
