"""plan: which trials a sweep consists of, in which order, and which of them lose least within a memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nirdeploy.errors import DoesNotFit
from nirdeploy.graph.precision import with_bits
from nirdeploy.targets import registry
from nirdeploy.targets.fitting import rounded
from nirdeploy.tuning.calibration.task import Loss
from nirdeploy.tuning.calibration.widths import Sensitivity, candidates, weights_into
from nirdeploy.tuning.trials.trial import Bits, Job, Outcome

#: Memories between the least and the most that the weights may take, these two included.
MEMORIES = 7


@dataclass(frozen=True)
class Plan:
    """``weights``: how many lead into each population. ``widths``: what the target has, fewest bits first. ``beside``:
    what weights that only the target has (of relays) take, in bits."""

    weights: Mapping[str, int]
    widths: tuple[int, ...]
    beside: int = 0

    @classmethod
    def of(cls, job: Job) -> Plan:
        """Raises :class:`DoesNotFit`, as at the widest, where the network fits at no width."""
        widths, refusals = registry.backend_of(job.target).widths(job.target), []
        for width in reversed(widths):
            try:
                network = rounded(with_bits(job.graph, width), job.target)
            except DoesNotFit as error:
                refusals.append(error)
                continue
            weights = weights_into(job.graph, network)
            beside = [p for p in network.projections if p.target not in weights]
            return cls(weights, widths, sum(p.weight.size * network.weight_bits(p.target) for p in beside))
        raise refusals[0]

    def uniform(self, width: int) -> Bits:
        return dict.fromkeys(self.weights, width)

    def alone(self, name: str, width: int) -> Bits:
        """One population at a width, all others at the widest."""
        return {**self.uniform(self.widths[-1]), name: width}

    def memory(self, bits: Bits) -> int:
        """What the weights take, in bits."""
        return self.beside + sum(size * bits[name] for name, size in self.weights.items())

    def first(self) -> list[Bits]:
        """The float network, each width of all populations, each population alone at each width."""
        alone = [self.alone(name, width) for name in self.weights for width in self.widths]
        return _each_once([{}, *map(self.uniform, self.widths), *alone])

    def second(self, outcome: Callable[[Bits], Outcome]) -> list[Bits]:
        """Beyond these, what should lose least within each memory by what each population loses alone."""
        tried = [
            Sensitivity(name, width, Loss(0, loss))
            for name in self.weights
            for width in self.widths
            if (loss := outcome(self.alone(name, width)).choosing) is not None
        ]
        found: list[Bits] = (
            [bits for limit in self.limits() for bits in candidates(self.weights, tried, limit - self.beside)]
            if tried
            else []
        )
        first = self.first()
        return [bits for bits in _each_once(found) if bits not in first]

    def limits(self) -> list[int]:
        """Memories in bits, from the least to the most; none where there is nothing to choose."""
        least, most = (self.memory(self.uniform(width)) for width in (self.widths[0], self.widths[-1]))
        steps = MEMORIES - 1
        return [least + (most - least) * step // steps for step in range(MEMORIES)] if least < most else []

    def best(self, trials: list[Outcome], limit: int) -> Outcome | None:
        """Of trials that fit a memory (bits), the one that loses least; of equal ones the smaller. None: none fits."""
        fit = [one for one in trials if one.bits and one.choosing is not None and self.memory(one.bits) <= limit]
        return min(fit, key=lambda one: (one.choosing, self.memory(one.bits)), default=None)


def _each_once(trials: list[Bits]) -> list[Bits]:
    found: list[Bits] = []
    for bits in trials:
        if bits not in found:
            found.append(bits)
    return found
