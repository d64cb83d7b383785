"""The plan of a placed network: where everything stands, and what each core works off. Made once per build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nirdeploy.backends.fpga.floorplan import Floorplan
from nirdeploy.backends.fpga.jobs import Job
from nirdeploy.backends.fpga.program import Program
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.integers.network import IntegerNetwork
from nirdeploy.records.brief import Brief
from nirdeploy.targets.placement import Slice


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Brief):
    """``programs``: of every core, by its number, idle ones too."""

    floorplan: Floorplan
    programs: Mapping[int, Program]

    @property
    def jobs(self) -> dict[int, Sequence[Job]]:
        """The jobs of every core, by its number."""
        return {number: program.jobs for number, program in self.programs.items()}


def planned(network: IntegerNetwork, target: FpgaTarget, slices: Sequence[Slice]) -> Plan:
    """The plan that the slices imply."""
    floorplan = Floorplan(network, target, slices)
    own: dict[int, list[Slice]] = {number: [] for number in range(target.hardware.cores)}
    for part in slices:
        own[part.core].append(part)
    return Plan(floorplan, {number: Program(floorplan, target, parts) for number, parts in own.items()})
