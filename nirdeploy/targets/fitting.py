"""fit: a network in a target's integers on its cores, or everything that keeps it from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.chain import MAX_WEIGHTS
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.graph.inputs import Bits, Ranges, Scales
from nirdeploy.graph.precision import Widths, either, with_bits
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.semantics.operators import Dense
from nirdeploy.targets import losses, registry
from nirdeploy.targets.backend import Backend
from nirdeploy.targets.fit import Fit, Problem, refuse
from nirdeploy.targets.tables import Target

if TYPE_CHECKING:
    import nir


def fit(
    source: CheckedGraph | nir.NIRGraph | str | Path,
    target: str | Path | Target | None = None,
    *,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: Bits = None,
    input_range: Ranges = None,
    input_scale: Scales = None,
    bits: Widths = None,
) -> Fit:
    """What the target's backend makes of a network, in one pass; a placement is checked again.

    Args:
        source: a graph that is checked already, a NIR graph or a ``.nir`` file.
        target: name, TOML file or Target; the default target if none is named.
        dialect, dt, input_bits, input_range, input_scale: as :func:`nirdeploy.graph.check.check`, where the graph is
            not checked yet.
        bits: of the weights into each population, as :func:`nirdeploy.graph.precision.with_bits`.

    Raises:
        ModelFileError, GraphError: the model. UnknownTarget, TargetFileError: the target. What does not fit is no
        error here: it stands in ``problems``.
    """
    if not isinstance(source, CheckedGraph):
        source = check(
            source, dialect=dialect, dt=dt, input_bits=input_bits, input_range=input_range, input_scale=input_scale
        )
    source = with_bits(source, bits)
    chosen = registry.load(target)
    backend = registry.backend_of(chosen)
    walked, problems = _walked(source, backend, chosen)
    if problems:
        return Fit(problems)
    try:
        found = backend.fit(walked, chosen)
    except DoesNotFit as error:
        return Fit(error.problems or (Problem("", error.message, remedy=error.hint),))
    if found.network is not None:
        known = {problem.node for problem in found.problems}
        if lost := [problem for problem in losses.problems(source, found.network) if problem.node not in known]:
            return Fit((*found.problems, *lost))
    if found.placement is not None and found.network is not None:
        backend.validate(found.placement, found.network, chosen)
    return found


def rounded(graph: CheckedGraph, target: Target) -> IntegerNetwork:
    """A graph in the target's integers, whether it finds room there or not: what :func:`fit` rounds.

    Raises:
        DoesNotFit: all that the target cannot do of it.
    """
    backend = registry.backend_of(target)
    walked, problems = _walked(graph, backend, target)
    refuse(problems, target.name)
    return backend.rounded(walked, target)


def _walked(graph: CheckedGraph, backend: Backend, target: Target) -> tuple[CheckedGraph, tuple[Problem, ...]]:
    """The graph as a backend takes it, and what of it no backend of the target's kind would."""
    walked, wide = _without_spread(graph)
    problems = (*wide, *_widths(graph, backend.widths(target)))
    problems += () if backend.maxima(target) else tuple(_maxima(graph))
    problems += () if backend.encodings else tuple(_encodings(graph))
    return walked, problems


def _without_spread(graph: CheckedGraph) -> tuple[CheckedGraph, list[Problem]]:
    """The graph with transposed convolutions as matrices, which every target has; and those that are too large."""
    projections, problems = [], []
    for p in graph.projections:
        spread, weights = getattr(p.operator, "spread", (1, 1)) != (1, 1), p.inputs * p.operator.outputs
        if spread and weights > MAX_WEIGHTS:
            problems.append(
                Problem(
                    f"{p.source} -> {p.target}",
                    f"the projection {p.source!r} -> {p.target!r} is a transposed convolution ({', '.join(p.nodes)}) "
                    f"of {weights:,} weights written out as a matrix",
                    f"{MAX_WEIGHTS:,} at most",
                    "use smaller layers",
                )
            )
        elif spread:
            p = replace(p, operator=Dense(p.matrix()), pool=None)
        projections.append(p)
    if all(a is b for a, b in zip(projections, graph.projections, strict=True)):
        return graph, problems
    return replace(graph, projections=tuple(projections)), problems


def _widths(graph: CheckedGraph, there: tuple[int, ...]) -> Iterator[Problem]:
    for p in graph.populations:
        if p.weight_bits not in (None, *there):
            yield Problem(
                p.name,
                f"the weights into {p.name!r} are to have {p.weight_bits} bits",
                f"the target has {'one width: ' if len(there) == 1 else ''}{either(there)} bits",
                f"build with --bits {there[-1]}, or of another width that the target has",
            )


def _encodings(graph: CheckedGraph) -> Iterator[Problem]:
    for name, encoding in graph.encodings.items():
        yield Problem(
            name,
            f"the input {name!r} is to hold {encoding}",
            "the target takes spikes, or events that are counted, as they are",
            "encode it as spike trains, or build without a range and a scale, with whole numbers from 0 (--input-bits)",
        )


def _maxima(graph: CheckedGraph) -> Iterator[Problem]:
    for p in graph.projections:
        if p.maximum is not None:
            yield Problem(
                f"{p.source} -> {p.target}",
                f"the projection {p.source!r} -> {p.target!r} takes the maximum over windows of currents "
                f"({', '.join(p.nodes)})",
                "which the target does not compute",
                "use average pooling, pool the spikes (put the pool behind the neurons), or take a target that does "
                "(nirdeploy estimate tells which)",
            )
