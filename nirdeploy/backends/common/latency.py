"""Steps that connections take on a chip, whatever the graph says, and by which populations then lag behind the graph.

Where a population does everything L steps later than in the graph, nothing else changes if every projection into it is
as much later: one that is ``delay`` steps late in the graph is ``delay + L(target) - L(source)`` late on the chip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.graph.parts import Projection

#: How much later than in the graph a projection arrives on the chip, in steps.
Slack = Callable[[Projection], int]


def longest_ways(graph: CheckedGraph) -> tuple[dict[str, int], tuple[str, ...]]:
    """The least latencies where every connection takes a step or more; and, if there is one, a loop that is too short.

    A chip that can delay any connection further makes up for ways of different length. These are difference
    constraints (delay + L(target) - L(source) is at least 1), their least solution is a longest path. Inputs have
    latency 0. Where there is such a loop, no latencies satisfy it.
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


def delay_on_chip(p: Projection, latency: Mapping[str, int]) -> int:
    """Steps a projection takes on the chip, its own one included."""
    return p.delay + latency[p.target] - latency[p.source]


def loop_delay(graph: CheckedGraph, loop: Sequence[str]) -> int:
    """Steps that a loop of populations takes in the graph, on its fastest connections."""
    pairs = zip(loop, (*loop[1:], loop[0]), strict=True)
    return sum(min(p.delay for p in graph.into(after) if p.source == before) for before, after in pairs)


def first_ways(graph: CheckedGraph, slack: Slack) -> dict[str, int]:
    """Latencies by the first way to each population, where the chip has no delays to make others as long."""
    late = dict.fromkeys(graph.inputs, 0)
    for population in graph.populations:
        ways = [late[p.source] + slack(p) for p in graph.into(population.name) if p.source in late]
        late.setdefault(population.name, max(next(iter(ways), 0), 0))
    return late


def uneven_ways(graph: CheckedGraph, late: Mapping[str, int], slack: Slack) -> Iterator[tuple[Projection, int]]:
    """Projections by which their target would lag by other steps than by its first way, and by how many."""
    for p in graph.projections:
        through = late[p.source] + slack(p)
        if through != late[p.target]:
            yield p, through
