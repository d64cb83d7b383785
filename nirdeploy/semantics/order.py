"""recurrence: the order of the populations, and which projections close a cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def ordered(names: Sequence[str], inputs: Sequence[str], sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Populations so that as many as can be stand behind all their sources, inputs first.

    Where a cycle leaves none, one that is reached from outside the cycle goes ahead, and what comes to it from
    populations behind it is recurrent: the one reached over the longest way from the inputs (a skip connection
    into the cycle does not make its end the start), then the first in ``names``.
    """
    depth: dict[str, int] = {}  # of those that have their place; the longest way from an input
    waiting = sorted(names, key=lambda name: name not in inputs)  # stable: inputs first

    def reached(name: str) -> int:
        return max((depth[s] for s in sources.get(name, ()) if s in depth), default=-1)

    while waiting:
        free = (n for n in waiting if all(s in depth or s == n for s in sources.get(n, ())))
        first = next(free, None)
        chosen = max(waiting, key=reached) if first is None else first
        depth[chosen] = reached(chosen) + 1
        waiting.remove(chosen)
    return list(depth)


def components(order: Sequence[str], sources: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Populations in runs: what lies between the two ends of a backward projection is one run.

    Each run is in the order given and stands behind its sources; most are one population, on no cycle.
    """
    place = {name: index for index, name in enumerate(order)}
    runs: list[list[str]] = []
    last = -1  # the run in hand reaches to here
    for index, name in enumerate(order):
        if index > last:
            runs.append([])
        runs[-1].append(name)
        last = max([last, index, *(place[source] for source in sources.get(name, ()))])
    return runs
