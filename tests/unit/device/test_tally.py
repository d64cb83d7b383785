"""Tallies over the link: what a device counted is what its steps would have said, in far fewer bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.device.client import Device
from nirdeploy.device.faults import Faults, FaultyPort
from nirdeploy.device.flash import flash
from nirdeploy.device.protocol import Kind
from nirdeploy.errors import DeviceMismatch, NirdeployError, UnknownPopulation, UsageProblem
from nirdeploy.proof import agreement
from nirdeploy.records.tally import READS, Tally
from nirdeploy.sim import integer
from nirdeploy.targets import fitting
from tests import fpga, networks
from tests.conftest import campaign, examples
from tests.doubles.device import DeviceModel
from tests.unit.device.models import TARGET, ModelPort, built, stimulus
from tests.unit.device.test_run import Lossy, flashed


def same(measured: Tally, expected: Tally) -> None:
    assert set(measured.values) == set(expected.values)
    for read, wanted in expected.values.items():
        assert set(measured.values[read]) == set(wanted), read
        for name, values in wanted.items():
            assert np.array_equal(measured.values[read][name], values), (read, name)
            assert measured.values[read][name].dtype == values.dtype, (read, name)
    assert measured.manifest["stimulus"] == expected.manifest["stimulus"]
    assert not agreement.saturations(expected, measured)
    assert (measured.steps, measured.samples) == (expected.steps, expected.samples)
    assert measured.scale.keys() == expected.scale.keys()
    assert all(np.array_equal(measured.scale[name], expected.scale[name]) for name in expected.scale)


def expected(x: np.ndarray, probe: str | list[str] = "all", reads: tuple[str, ...] = READS) -> Tally:
    return Tally.of(integer.simulate(built().network, x, probe), reads)


class Counting(ModelPort):
    """Counts what comes back."""

    came = 0

    def read(self, timeout: float) -> bytes:
        data = super().read(timeout)
        self.came += len(data)
        return data


@pytest.fixture
def port() -> Counting:
    return Counting(flashed(built().image))


@pytest.mark.parametrize("steps", [1, 9, 255, 256, 300])
def test_all_reads_equal_the_simulator(port: Counting, steps: int) -> None:
    x = stimulus(steps, 3)
    found = nd.tally(Device(port), x, READS, "all", image=built().image)
    same(found, expected(x))
    assert (found.source, found.dt, found.outputs) == ("device", 1e-3, {"output": "out"})
    assert found.manifest["image"] == built().image.digest()
    assert found.stats["steps"] == 3 * steps
    assert found.stats["saturations"] == integer.simulate(built().network, x).stats["saturations"]


@pytest.mark.parametrize("read", READS)
def test_one_read_is_all_that_comes(port: Counting, read: str) -> None:
    x = stimulus(40, 30)
    device = Device(port)
    before = port.came
    found = nd.tally(device, x, [read], "all", image=built().image)
    same(found, expected(x, reads=(read,)))
    each = 100 if read in ("count", "first") else 3 * 4
    assert 30 * each < port.came - before < 30 * each * 1.1 + 700  # 40 steps of 13 bytes are far more


def test_samples_that_need_nothing_share_frames() -> None:
    """An input that stays the same goes over the line once, for all steps, and several samples in one frame."""
    x = np.repeat(stimulus(1, 60), 50, axis=0)
    port = ModelPort(flashed(built().image))
    device = Device(port)
    before = port.written
    same(nd.tally(device, x, ["last"], image=built().image), expected(x, "outputs", ("last",)))
    assert port.written - before < 60 * (3 + 1 + 8) + 60


@pytest.mark.law
@given(
    graph=networks.graphs(max_size=40, max_layers=3, beyond=True) | networks.encoded(most=40), seed=st.integers(0, 99)
)
@settings(max_examples=examples(20))
def test_any_network_comes_to_what_the_simulator_says(graph, seed: int) -> None:  # type: ignore[no-untyped-def]
    fit = fitting.fit(graph, TARGET)
    assume(fit.fits)
    network, image = fit.network, fpga.packed(fit, TARGET)
    assert network is not None
    x = networks.stimulus(graph, seed, steps=5, batch=3)
    held = (
        {name: values.repeat(2, axis=0) for name, values in x.items()} if isinstance(x, dict) else x.repeat(2, axis=0)
    )
    found = nd.tally(Device(ModelPort(flashed(image))), held, READS, "all", image=image)
    same(found, Tally.of(integer.simulate(network, held), READS))


@pytest.mark.parametrize("changed", [{"counters": 0}, {"counters": 64}, {"held": 0}])
def test_a_device_that_cannot_is_asked_for_its_steps(changed: dict[str, int]) -> None:
    target = TARGET.with_hardware(**changed)
    x = np.repeat(stimulus(3, 4), 2, axis=0)
    image = nd.build(built().graph, target).image
    device = Device(ModelPort(DeviceModel(target)))
    flash(image, device)
    same(nd.tally(device, x, READS, "all", image=image), expected(x))


def test_sums_of_too_many_steps_are_made_here(port: Counting) -> None:
    x = np.repeat(stimulus(1, 2), 257, axis=0)
    same(nd.tally(Device(port), x, ["sum"], image=built().image), expected(x, "outputs", ("sum",)))


# --- bad lines ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [int(Kind.OUTPUT), Kind.STEPS | 0x80])
def test_a_lost_output_costs_a_restart_a_lost_answer_nothing_and_neither_a_count(kind: int) -> None:
    x = stimulus(10, 60)
    device = Device(Lossy(flashed(built().image), {1, 3, 4}, {kind}))
    found = nd.tally(device, x, READS, "all", image=built().image)
    assert (found.stats["restarts"] > 0) == (kind == Kind.OUTPUT)
    same(found, expected(x))


@pytest.mark.law
@pytest.mark.soak
def test_faulted_tallies_are_right_or_an_error() -> None:
    x, model = stimulus(8, 12), flashed(built().image)
    wanted = expected(x)
    right = restarts = 0
    for seed in range(campaign(40, 2_000)):
        rate = 10 ** -(3 + seed % 3)
        faults = Faults(seed, rate / 4, rate / 4, rate / 8, rate / 8, rate / 8, rate / 8)
        try:
            device = Device(FaultyPort(ModelPort(model), faults), attempts=10)
            found = nd.tally(device, x, READS, "all", image=built().image)
        except NirdeployError:
            continue
        same(found, wanted)
        right += 1
        restarts += found.stats["restarts"] > 0
    assert right > 20
    assert restarts > 3


# --- refusals -----------------------------------------------------------------------------


def test_reads_that_nothing_probed_has(port: Counting) -> None:
    with pytest.raises(UnknownPopulation, match=r"has count; hidden has count, first, out has last, largest, sum"):
        nd.tally(Device(port), stimulus(2, 1), image=built().image)


def test_reads_that_there_are_not(port: Counting) -> None:
    with pytest.raises(UsageProblem, match="no 'mean'"):
        nd.tally(Device(port), stimulus(2, 1), ["mean"], image=built().image)


def test_a_device_that_holds_another_image(port: Counting) -> None:
    with pytest.raises(DeviceMismatch):
        nd.tally(Device(port), stimulus(2, 1), image=built(1).image)
