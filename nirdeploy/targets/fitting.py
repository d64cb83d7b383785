"""fit: a network in a target's integers on its cores, or everything that keeps it from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.check import CheckedGraph, check
from nirdeploy.semantics.dialect import Dialect
from nirdeploy.targets import registry
from nirdeploy.targets.fit import Fit, Problem
from nirdeploy.targets.tables import Target

if TYPE_CHECKING:
    import nir


def fit(
    source: CheckedGraph | nir.NIRGraph | str | Path,
    target: str | Path | Target | None = None,
    *,
    dialect: str | Dialect | None = None,
    dt: float | None = None,
    input_bits: int = 1,
) -> Fit:
    """What the target's backend makes of a network, in one pass; a placement is checked again.

    Args:
        source: a graph that is checked already, a NIR graph or a ``.nir`` file.
        target: name, TOML file or Target; the default target if none is named.
        dialect, dt, input_bits: as :func:`nirdeploy.graph.check.check`, where the graph is not checked yet.

    Raises:
        ModelFileError, GraphError: the model. UnknownTarget, TargetFileError: the target. What does not fit is no
        error here: it stands in ``problems``.
    """
    if not isinstance(source, CheckedGraph):
        source = check(source, dialect=dialect, dt=dt, input_bits=input_bits)
    chosen = registry.load(target)
    backend = registry.backend_of(chosen)
    if not backend.maxima(chosen) and (problems := tuple(_maxima(source))):
        return Fit(problems)
    try:
        found = backend.fit(source, chosen)
    except DoesNotFit as error:
        return Fit(error.problems or (Problem("", error.message, remedy=error.hint),))
    if found.placement is not None and found.network is not None:
        backend.validate(found.placement, found.network, chosen)
    return found


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
