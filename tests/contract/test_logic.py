"""What a small configuration of each family takes, by estimate, against synthesis and packing now."""

from __future__ import annotations

import pytest

from nirdeploy.backends.fpga.cost import logic
from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.targets.tables import Target
from tests import hardware

pytestmark = pytest.mark.xdist_group("synthesis")

# What test_bitstream.py synthesizes too.
TARGETS = [
    hardware.small_board("fpga-ulx3s"),
    hardware.overflowing_board(),
    hardware.small_board("fpga-tang-nano-20k"),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_estimate_is_within_15_percent_of_what_nextpnr_packs(target: Target) -> None:
    estimated = {use.name: use for use in logic.chip_use(target)}
    packed = flow.packed(target)
    assert {resource.name for resource in packed} == set(estimated)
    for resource in packed:
        assert estimated[resource.name].used == pytest.approx(resource.used, rel=0.15), resource.name
        assert estimated[resource.name].available == resource.available
