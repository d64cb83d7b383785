"""recurrence: the order of the populations, and which projections close a cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def ordered(names: Sequence[str], inputs: Sequence[str], sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Populations so that as many as can be stand behind all their sources, inputs first.

    Where a cycle leaves none, the one nearest to the inputs (in projections; then the first in ``names``)
    goes ahead: what comes to it from populations behind it is recurrent.
    """
    distance = dict.fromkeys(inputs, 0)
    edge = list(inputs)
    while edge:
        edge = [n for n in names if n not in distance and any(s in edge for s in sources.get(n, ()))]
        distance |= {name: max(distance.values()) + 1 for name in edge}
    order: list[str] = []
    waiting = sorted(names, key=lambda name: name not in inputs)  # stable: inputs first
    while waiting:
        free = [n for n in waiting if all(s in order or s == n for s in sources.get(n, ()))]
        chosen = free[0] if free else min(waiting, key=lambda name: distance[name])
        order.append(chosen)
        waiting.remove(chosen)
    return order


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
