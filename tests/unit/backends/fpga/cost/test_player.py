"""What a play from external memory is said to take, and what the device's RTL takes."""

from __future__ import annotations

import pytest

import nirdeploy as nd
from nirdeploy.backends.fpga.cost import work
from nirdeploy.backends.fpga.cost.player import predict
from nirdeploy.backends.fpga.passes import placing
from nirdeploy.device.client import Device
from nirdeploy.targets import registry as targets
from nirdeploy.targets.player.compiling import compiled
from tests import networks
from tests.doubles.memory_port import RtlPort

SIZES = {"cores": 2, "lanes": 8, "weight_rows": 128, "neurons": 64, "segments": 1024, "spike_words": 32}
TARGET = targets.load("fpga").with_hardware(**SIZES, out_words=128, external=1)


@pytest.mark.parametrize(("steps", "samples"), [(2, 1), (12, 8)])
def test_predicted_cycles_are_those_of_the_rtl(steps: int, samples: int) -> None:
    """Within a quarter, from where loading sets the pace to where gathering does."""
    built = nd.build(networks.two_layers(sizes=(250, 60, 5)), TARGET)
    x = networks.spikes(0, (steps, samples, 250))
    with Device(RtlPort(TARGET)) as device:
        measured = nd.run(device, x, image=built.image)
    made = compiled(built.image, 1, ["lif1", "lif2"])
    cores = {
        number: max(sum(work.job(job, TARGET.hardware, 0.3) for job in jobs) for jobs in one.plan.jobs.values())
        for number, one in enumerate(placing.passes_of(built.placement, built.network, TARGET).passes)
    }
    played = predict(made, cores)
    assert steps * samples * played.step + played.loading == pytest.approx(measured.stats["cycles"], rel=0.25)


def test_a_build_says_what_the_board_takes() -> None:
    built = nd.build(networks.two_layers(sizes=(250, 60, 5)), TARGET)
    figures = built.costs(0.1)
    assert float(figures["external_bytes"]) > built.image.total_bytes
    assert figures["external_step_bytes"] == 4 * (8 + 1)  # 250 bits, and a word of 5 spikes
    assert 0 < float(figures["play_us"]) < float(figures["link_us"])
    assert "play_us" not in nd.build(networks.two_layers(sizes=(250, 60, 5)), TARGET.with_hardware(external=0)).costs(
        0.1
    )
