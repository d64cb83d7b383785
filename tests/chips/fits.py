"""What a chip's tests know to be there: the integers and the placement of what fits, registers in its populations."""

from __future__ import annotations

from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.integers.parts import ChipPopulation
from nirdeploy.targets.fit import Fit
from nirdeploy.targets.placement import Placement


def network_of(fit: Fit) -> IntegerNetwork:
    assert fit.network is not None, fit.problems
    return fit.network


def placement_of(fit: Fit) -> Placement:
    assert fit.placement is not None, fit.problems
    return fit.placement


def chip_populations(network: IntegerNetwork) -> tuple[ChipPopulation, ...]:
    """All populations, in their order."""
    return tuple(network.on_chip(p.name) for p in network.populations)
