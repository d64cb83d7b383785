"""fit: what a backend makes of a graph in one pass: the network in integers, its placement and plan, or why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nirdeploy.errors import DoesNotFit
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.brief import Brief
from nirdeploy.targets.placement import Placement


@dataclass(frozen=True)
class Problem:
    """One thing that a target cannot do of a graph.

    ``node``: the graph's node, ``"a -> b"`` for a projection, or empty where it is the whole network.
    ``found``: what the graph has, a clause that names the node. ``allowed``: what the target does instead.
    ``remedy``: what the user can do.
    """

    node: str
    found: str
    allowed: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """One sentence."""
        said = ", ".join(part for part in (self.found, self.allowed) if part)
        return "; ".join(part for part in (said, self.remedy) if part)


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Brief):
    """A graph on a target.

    Guarantees: without problems, network and placement are there, and the placement is valid. ``network`` is also
    there where only the placement has problems. ``plan``: what the backend derived from the placement and needs
    again, or None.
    """

    problems: tuple[Problem, ...] = ()
    network: IntegerNetwork | None = None
    placement: Placement | None = None
    plan: Any = None

    @property
    def fits(self) -> bool:
        return not self.problems


def refusal(problems: Iterable[Problem], target: str) -> DoesNotFit:
    """The error that says all problems of a network on a target, and holds them."""
    found = tuple(problems)
    return DoesNotFit(
        "; ".join(map(str, found)),
        where=f"target {target}",
        hint="'nirdeploy estimate MODEL' says which targets hold it",
        problems=found,
    )


def refuse(problems: Iterable[Problem], target: str) -> None:
    """Raises :class:`DoesNotFit` if there are problems."""
    if found := tuple(problems):
        raise refusal(found, target)
