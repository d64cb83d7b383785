"""estimate: where a network fits and how fast it is there, from placement and figures alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nirdeploy.graph.check import CheckedGraph
from nirdeploy.records.brief import Brief
from nirdeploy.targets import losses, registry
from nirdeploy.targets.fit import Problem
from nirdeploy.targets.fitting import fit
from nirdeploy.targets.placement import ChipUse, CoreUse
from nirdeploy.targets.tables import Target


@dataclass(frozen=True, repr=False)
class Estimate(Brief):
    """One target; true where it fits. ``problems``: what keeps the network or the hardware from it.

    ``cores``: those that hold it, of ``cores_there``; ``figures``: its backend's, per step; ``chip``: what the
    hardware takes of its chip, about; ``warnings``: what rounding takes (:func:`nirdeploy.targets.losses.warnings`).
    """

    target: str
    title: str
    problems: tuple[Problem, ...] = ()
    cores: tuple[CoreUse, ...] = ()
    cores_there: int = 0
    figures: Mapping[str, float | str] = field(default_factory=dict)
    chip: tuple[ChipUse, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return not self.problems

    def __bool__(self) -> bool:
        return self.fits

    @property
    def why(self) -> str:
        """All problems in one line, or nothing."""
        return "; ".join(map(str, self.problems))

    @property
    def cores_used(self) -> int:
        return sum(any(core.used.values()) for core in self.cores)

    def fullest_of_chip(self) -> tuple[str, float]:
        """What the chip has least left of, and the share of it that is taken; an empty name: nothing is known."""
        shares = {use.name: use.used / use.available for use in self.chip if use.available}
        most = max(shares, key=lambda name: shares[name], default="")
        return most, shares.get(most, 0.0)

    def fullest(self) -> tuple[str, float]:
        """The memory that is closest to its limit, on any core, and the share of it that is taken."""
        shares = {
            name: max(core.used[name] / limit for core in self.cores if (limit := core.limits[name]))
            for name in self.cores[0].used
            if any(core.limits[name] for core in self.cores)
        }
        most = max(shares, key=lambda name: shares[name])
        return most, shares[most]


def estimate(graph: CheckedGraph, target: Target, activity: float = 0.1) -> Estimate:
    """Fit a network to a target, and say what a step will cost.

    Args:
        activity: spikes per neuron and input, and step.
    """
    backend = registry.backend_of(target)
    chip = backend.chip(target)
    found = fit(graph, target)
    problems = list(found.problems)
    if over := [use for use in chip if use.over]:
        problems.append(Problem("", f"the hardware does not fit the chip: {', '.join(map(_excess, over))}"))
    if problems or found.network is None or found.placement is None:
        return Estimate(target.name, target.title, tuple(problems), chip=chip)
    figures = backend.estimate(found.network, found.placement, found.plan, target, activity)
    warnings, cores = losses.warnings(graph, found.network), found.placement.cores
    return Estimate(target.name, target.title, (), cores, backend.cores(target), figures, chip, warnings)


def _excess(use: ChipUse) -> str:
    return f"about {use.used:,} of {use.available:,} {use.name}s, {use.over:,} too many"


def survey(graph: CheckedGraph, activity: float = 0.1, among: Iterable[str] | None = None) -> list[Estimate]:
    """The same on several targets, by default on all that come with nirdeploy."""
    return [estimate(graph, registry.load(name), activity) for name in (registry.names() if among is None else among)]
