"""A second simulator says the same: the device by its UART pins, in Icarus Verilog, with X at power-up."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.backends.fpga import memory
from nirdeploy.device.client import Device
from nirdeploy.device.flash import flash
from nirdeploy.device.protocol import EXTERNAL, PLAYING
from nirdeploy.device.run import run
from nirdeploy.targets import registry
from nirdeploy.targets.tables import Target
from tests import icarus, networks
from tests.doubles.device import DeviceModel
from tests.unit.device.models import ModelPort

SMALL = {
    **{"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "parameters": 32, "jobs": 8, "segments": 16},
    **{"groups": 8, "spike_words": 16, "out_words": 64},
}


@pytest.fixture(params=[0, 1], ids=["pipelined", "compact"])
def target(request: pytest.FixtureRequest) -> Target:
    return registry.load("fpga").with_hardware(**SMALL, update=1 if request.param else 2, compact=request.param)


def beside(target: Target) -> Target:
    """The same with memory, at the bench's clock."""
    return target.with_hardware(external=1, clock_hz=icarus.CLOCK_HZ)


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


def test_memory_beside_the_chip_and_a_program_in_it(target: Target, tmp_path: Path) -> None:
    """Words are unknown in it until they are written, and so is all that comes of them."""
    if not icarus.is_there():
        pytest.skip("Icarus Verilog is not installed (Debian: apt install iverilog)")
    weights = memory.address(0, memory.WEIGHTS)
    words = {
        0: [1 << 24, 100, 4 << 24 | 2, 2, 1, 1000, 0, 32, 1, 64, 2, 1, 1, 0],  # LOAD; COPY, a step late; END
        32: [200],
        64: [0x00000005, 0x0000000A, 0x80000001, 0x7],  # two samples of two steps of a word
        100: [3, weights, 300, 0],
        200: [4, 1 << 16 | 32, 0, 1, 0, 0, 0],
        300: [7, 8, 0xFFFFFFFF],
    }
    said = []
    for port in (icarus.IcarusPort(beside(target), tmp_path), ModelPort(DeviceModel(beside(target)))):
        with Device(port, timeout=60) as device:
            device.write((EXTERNAL + at, np.array(held, dtype="<u4").tobytes()) for at, held in words.items())
            device.play(0)
            while device.status().state == PLAYING:
                pass
            assert not device.status().failed
            said.append((device.read([(EXTERNAL + 1000, 4)]), device.digests([(weights, 3), (EXTERNAL + 1000, 4)])))
    assert said[0] == said[1]
    assert said[0][1][0] == zlib.crc32(np.array(words[300], dtype="<u4").tobytes())
