"""Bytes of a step on the line, against what really goes over it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.backends.fpga.cost import line
from nirdeploy.device.client import Device
from nirdeploy.device.ports import SerialPort
from nirdeploy.targets import registry
from tests import networks
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.device.models import PATIENCE

STEPS, SAMPLES = 60, 4


class Counting(SerialPort):
    """A port that counts its bytes both ways."""

    sent = received = 0

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        super().write(data)

    def read(self, timeout: float) -> bytes:
        data = super().read(timeout)
        self.received += len(data)
        return data


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("membranes", [False, True])
def test_the_bytes_are_those_that_go_over_the_line(density: float, membranes: bool) -> None:
    target = registry.load("fpga").with_hardware(held=0)
    graph = networks.two_layers(sizes=(300, 40, 200))
    if membranes:
        del graph.nodes["lif2"]
        graph.edges = [("input", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "output")]
    built = nd.build(graph, target)
    x = (np.random.default_rng(1).random((STEPS, SAMPLES, 300)) < density).astype(np.uint8)
    with ServedModel(DeviceModel(target)) as served:
        port = Counting(served.port, target.serial_board.baud)
        with Device(port, timeout=PATIENCE) as device:
            nd.flash(built, device)
            before = port.sent, port.received
            record = nd.run(device, x, probe="outputs")
            sent, received = port.sent - before[0], port.received - before[1]
    plan = built.plan.floorplan
    steps = STEPS * SAMPLES
    assert line.traffic(plan, target, density).sent * steps == pytest.approx(sent, rel=0.03, abs=120)
    spiking = 0.0 if membranes else float((next(iter(record.spikes.values())) > 0).mean())
    expected = line.traffic(plan, target, spiking).received - _replies(plan, target, spiking)
    assert (expected + _replies(plan, target, density)) * steps == pytest.approx(received, rel=0.12, abs=160)


def moved(built: nd.Build, x: np.ndarray, run: Callable[..., object]) -> tuple[int, int]:
    """Bytes to a device model and back."""
    with ServedModel(DeviceModel(built.target)) as served:
        port = Counting(served.port, built.target.serial_board.baud)
        with Device(port, timeout=PATIENCE) as device:
            nd.flash(built, device)
            before = port.sent, port.received
            run(device, x, probe="outputs")
            return port.sent - before[0], port.received - before[1]


@pytest.mark.parametrize("density", [0.005, 0.02, 0.1, 0.3, 0.6])
def test_the_bytes_of_packed_inputs(density: float) -> None:
    built = nd.build(networks.two_layers(sizes=(300, 40, 200)), registry.load("fpga"))
    x = (np.random.default_rng(1).random((STEPS, SAMPLES, 300)) < density).astype(np.uint8)
    plan, steps = built.plan.floorplan, STEPS * SAMPLES
    sent, _ = moved(built, x, nd.run)
    found = line.traffic(plan, built.target, density).sent
    assert found * steps == pytest.approx(sent, rel=0.03, abs=120)
    assert found <= line.traffic(plan, built.target.with_hardware(held=0), density).sent


@pytest.mark.parametrize("membranes", [False, True])
def test_the_bytes_of_samples_held_and_counted(membranes: bool) -> None:
    graph = networks.two_layers(sizes=(300, 40, 200))
    if membranes:
        del graph.nodes["lif2"]
        graph.edges = [("input", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "output")]
    built = nd.build(graph, registry.load("fpga"))
    x = np.repeat((np.random.default_rng(1).random((1, 80, 300)) < 0.1).astype(np.uint8), 4, axis=0)
    read = partial(nd.tally, reads=["last" if membranes else "count"])
    sent, received = moved(built, x, read)
    found = line.sample(built.plan.floorplan, built.target, 0.1)
    assert found is not None
    assert found.sent * 80 == pytest.approx(sent, rel=0.03, abs=120)
    assert found.received * 80 == pytest.approx(received, rel=0.03, abs=160)


def test_hardware_that_holds_or_counts_nothing_has_no_samples() -> None:
    target = registry.load("fpga")
    plan = nd.build(networks.two_layers(), target).plan.floorplan
    assert line.sample(plan, target.with_hardware(held=0), 0.1) is None
    assert line.sample(plan, target.with_hardware(counters=0), 0.1) is None


def _replies(plan: object, target: object, activity: float) -> float:
    """Of what comes back, the answers to the input's frames."""
    sent = line.traffic(plan, target, activity).sent  # type: ignore[arg-type]
    return sent / line._STEPS_WIRE * line._STEPS_REPLY


def test_both_ways_at_once() -> None:
    assert line.Traffic(100.0, 50.0).microseconds(1_000_000) == 1000
    assert line.Traffic(100.0, 150.0).microseconds(3_000_000) == 500


def test_a_board_without_events_sends_bitmaps() -> None:
    target = registry.load("fpga-icebreaker")
    built = nd.build(networks.two_layers(sizes=(20, 15, 64)), target)
    data = target.model_dump(by_alias=True)
    data["synthesis"]["events"] = True
    with_events = registry.validate(data, where="other")
    silent = [line.traffic(built.plan.floorplan, one, 0.0).received for one in (target, with_events)]
    assert silent[0] - silent[1] == pytest.approx(8 * 489 / 480)
