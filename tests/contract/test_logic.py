"""What a small configuration of each family takes, by estimate, against synthesis and packing now."""

from __future__ import annotations

import pytest

from nirdeploy.backends.fpga.cost import logic
from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.targets import registry as targets

pytestmark = pytest.mark.xdist_group("synthesis")

SMALL = {
    **{"cores": 1, "lanes": 8, "update": 1, "weight_rows": 256, "neurons": 64, "parameters": 32, "synapse": 0},
    **{"spatial": 0, "planes": 1, "jobs": 4, "segments": 16, "queue": 8, "groups": 4, "spike_words": 16},
    **{"out_words": 64, "window": 1024, "state_bits": 12, "accumulator_bits": 12, "decay_bits": 8},
}


@pytest.mark.parametrize("name", ["fpga-ulx3s", "fpga-icebreaker", "fpga-tang-nano-20k"])
def test_the_estimate_is_within_15_percent_of_what_nextpnr_packs(name: str) -> None:
    data = targets.load(name).model_dump(by_alias=True)
    for key, value in SMALL.items():
        data["hardware" if key in data["hardware"] else "formats"][key] = value
    data["models"] = {model: support for model, support in data["models"].items() if not model.startswith("Cuba")}
    target = targets.validate(data, where=name)
    estimated = {use.name: use for use in logic.chip_use(target)}
    packed = flow.packed(target)
    assert {resource.name for resource in packed} == set(estimated)
    for resource in packed:
        assert estimated[resource.name].used == pytest.approx(resource.used, rel=0.15), resource.name
        assert estimated[resource.name].available == resource.available
