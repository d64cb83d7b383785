"""A second simulator says the same: the device by its UART pins, in Icarus Verilog, with X at power-up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.device.flash import flash
from nirdeploy.device.run import run
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target
from tests import icarus, networks

SMALL = {
    **{"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "parameters": 32, "jobs": 8, "segments": 16},
    **{"groups": 8, "spike_words": 16, "out_words": 64},
}


@pytest.fixture(params=[0, 1], ids=["pipelined", "compact"])
def target(request: pytest.FixtureRequest) -> Target:
    return registry.load("fpga").with_hardware(**SMALL, update=1 if request.param else 2, compact=request.param)


@pytest.fixture
def device(target: Target, tmp_path: Path) -> Iterator[Device]:
    if not icarus.is_there():
        pytest.skip("Icarus Verilog is not installed (Debian: apt install iverilog)")
    port = icarus.IcarusPort(target, tmp_path)
    with Device(port, timeout=60) as made:
        yield made


def test_the_same_spikes_from_power_up_on(target: Target, device: Device) -> None:
    """Behind a damaged frame; twice, as of what the first run leaves nothing may show in the second."""
    assert device.hello().signature == target.signature
    device._port.write(bytes([3, 1, 2, 3, 4, 5, 0]))
    assert device.status().bad_frames == 1
    built = nd.build(networks.looped(networks.two_layers(sizes=(20, 10, 6))), target)
    x = networks.spikes(5, (6, 2, 20), 0.4)
    flash(built.image, device)
    for _ in range(2):
        measured = run(device, x, image=built.image)
        verdict = nd.verify(nd.simulate(built, x), measured)
        assert verdict.equal, verdict.summary()
        assert not verdict.silent
