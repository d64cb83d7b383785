"""The step that every connection takes, made explicit.

On the chip a spike arrives one step after it was sent, whatever the graph says: a population that stands behind k
connections does everything k steps later than in the graph. Its *latency* L is chosen so that nothing else changes:
a projection that is ``delay`` steps late in the graph is ``delay + L(target) - L(source)`` late on the chip, and
that must be at least 1. These are difference constraints; their least solution is a longest path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nirdeploy.graph.check import CheckedGraph, Projection


def latencies(graph: CheckedGraph) -> tuple[dict[str, int], tuple[str, ...]]:
    """Steps by which each population lags behind the graph; and, if there is one, a loop that is too short.

    Inputs have latency 0. Where there is such a loop, no latencies satisfy it.
    """
    found = {p.name: 0 for p in graph.populations}
    via: dict[str, str] = {}
    changed: str | None = None
    for _ in range(len(found) + 1):
        changed = None
        for p in graph.projections:
            needed = found[p.source] + 1 - p.delay
            if needed > found[p.target]:
                found[p.target], via[p.target], changed = needed, p.source, p.target
        if changed is None:
            return found, ()
    # Still rising after as many rounds as there are populations: walking back leads into the loop.
    walk = [changed or ""]
    while (before := via[walk[-1]]) not in walk:
        walk.append(before)
    return found, tuple(reversed(walk[walk.index(before) :]))


def chip_delay(p: Projection, latency: Mapping[str, int]) -> int:
    """Steps a projection takes on the chip, its own one included."""
    return p.delay + latency[p.target] - latency[p.source]


def loop_delay(graph: CheckedGraph, loop: Sequence[str]) -> int:
    """Steps that a loop of populations takes in the graph, on its fastest connections."""
    pairs = zip(loop, (*loop[1:], loop[0]), strict=True)
    return sum(min(p.delay for p in graph.into(after) if p.source == before) for before, after in pairs)
