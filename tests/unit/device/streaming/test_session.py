"""A stream on a device: exact step by step, bounded, and honest about what was dropped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import nirdeploy as nd
from nirdeploy.device.flash import flash
from nirdeploy.device.opened import OpenDevice
from nirdeploy.device.streaming.session import StepStream
from nirdeploy.errors import DeviceMismatch, InputShapeError, UnknownPopulation, UsageProblem
from nirdeploy.records.spikes import SpikeRecord
from nirdeploy.records.spool import Spool, rescue
from nirdeploy.records.steps import Step
from nirdeploy.sim import integer
from tests.doubles.device import DeviceModel
from tests.unit.device.models import TARGET, ModelPort, built, stimulus

STEPS = 40
X = stimulus(STEPS, 1)[:, 0]


@cache
def wanted() -> SpikeRecord:
    return integer.simulate(small().network, X[:, None])


def small() -> nd.Build:
    return built(0, 12)


@pytest.fixture
def device() -> OpenDevice:
    opened = OpenDevice(ModelPort(DeviceModel(TARGET)), timeout=1)
    flash(small(), opened)
    return opened


def right(steps: list[Step], numbers: list[int] | None = None) -> None:
    """What came of these steps, by default of all, is what the integer model says."""
    numbers = list(range(STEPS)) if numbers is None else numbers
    assert [step.number for step in steps] == numbers
    for name in ("hidden", "out"):
        for t, step in zip(numbers, steps, strict=True):
            held = step.spikes[name] if name in step.spikes else step.membrane[name]
            known = wanted().spikes if name in wanted().spikes else wanted().membrane
            assert np.array_equal(held, known[name][t, 0])


def test_step_by_step(device: OpenDevice) -> None:
    with device.stream("all") as s:
        right([s.step(x) for x in X])
        assert s.under_way == 0
        assert s.stats["steps"] == STEPS
        assert s.stats["replays"] == 0


@pytest.mark.parametrize("depth", [1, 3, 64])
def test_all_at_once_and_one_by_one(device: OpenDevice, depth: int) -> None:
    with device.stream("all", depth=depth) as s:
        assert s.steps(X) == wanted()
        s.rest()
        again = list(s.over(X))
        assert [step.number for step in again] == list(range(STEPS, 2 * STEPS))
        assert all(np.array_equal(step["output"], wanted().volts("out")[t, 0]) for t, step in enumerate(again))


def test_without_waiting(device: OpenDevice) -> None:
    with device.stream("all", depth=4) as s:
        came: list[Step] = []
        for x in X:
            assert s.submit(x)
            assert s.under_way <= 4
            came += s.collect()
        right(came + s.collect(wait=True))


def test_the_model_streams_the_same() -> None:
    with nd.stream(small(), "all") as s:
        right([s.step(x) for x in X])
        s.rest()
        assert s.steps(X) == wanted()


def test_what_is_dropped_is_counted_and_never_seen() -> None:
    """The network steps as if a step that was dropped had never been."""

    class Slow(ModelPort):
        quiet = False

        def read(self, timeout: float) -> bytes:
            return b"" if self.quiet and timeout == 0 else super().read(timeout)

    port = Slow(DeviceModel(TARGET))
    device = OpenDevice(port, timeout=1)
    flash(small(), device)
    with device.stream("all", depth=3, when_full="drop") as s:
        port.quiet = True  # nothing comes for whoever does not wait
        taken = [t for t, x in enumerate(X) if s.submit(x)]
        assert taken == [0, 1, 2]
        assert s.dropped == STEPS - 3 == s.stats["dropped"]
        right(s.collect(wait=True), taken)
        port.quiet = False
        assert s.submit(X[3])
        (after,) = s.collect(wait=True)
        assert after.number == STEPS
        assert np.array_equal(after.spikes["hidden"], wanted().spikes["hidden"][3, 0])


def test_offered_blocks_wait_or_are_cut(device: OpenDevice) -> None:
    with device.stream("all", depth=5) as s:
        assert s.offer(X) == STEPS
        right(s.collect(wait=True))


def test_each_sample_begins_at_rest(device: OpenDevice) -> None:
    with device.stream("outputs", depth=2) as s:
        first = s.steps(X)
        unlike = s.steps(X)
        s.rest()
        assert s.steps(X) == first
        assert unlike != first


def test_what_makes_no_sense_is_said(device: OpenDevice) -> None:
    with device.stream() as s:
        with pytest.raises(InputShapeError, match=r"the step has the shape \(64,\), expected \(8, 8\)"):
            s.step(np.zeros(64))
        with pytest.raises(InputShapeError, match="takes only 0 and 1"):
            s.step(np.full((8, 8), 2))
        s.submit(X[0])
        with pytest.raises(UsageProblem, match="would overtake them"):
            s.step(X[1])
        (step,) = s.collect(wait=True)
        with pytest.raises(UnknownPopulation, match="reads no population 'hidden'"):
            step["hidden"]
    with pytest.raises(UnknownPopulation):
        device.stream("nobody")
    with pytest.raises(UsageProblem):
        device.stream(depth=0)
    with pytest.raises(UsageProblem, match="one of: wait, drop"):
        device.stream(when_full="panic")
    with pytest.raises(DeviceMismatch, match="flash it first"):
        device.stream(image=built(1, 12).image)


def test_a_record_is_kept_as_it_goes(device: OpenDevice, tmp_path: Path) -> None:
    out = tmp_path / "r.nird"
    with pytest.raises(KeyboardInterrupt), device.stream("all", keep=out) as s:  # noqa: PT012
        for x in X[:30]:
            s.step(x)
        assert Spool.of(out).exists()
        raise KeyboardInterrupt
    record = SpikeRecord.load(out)
    assert not Spool.of(out).exists()
    assert record.steps == 30
    assert np.array_equal(record.spikes["hidden"], wanted().spikes["hidden"][:30])
    assert np.array_equal(record.volts("out"), wanted().volts("out")[:30])


def test_a_killed_stream_is_rescued(device: OpenDevice, tmp_path: Path) -> None:
    out = tmp_path / "r.nird"
    killed = device.stream("all", keep=out)
    killed.steps(X)
    with Spool.of(out).open("ab") as file:
        file.write(b"half a step")
    with pytest.raises(UsageProblem, match="--rescue"):
        device.stream("all", keep=out)
    assert rescue(out) == wanted()
    assert SpikeRecord.load(out) == wanted()
    assert not Spool.of(out).exists()


def test_a_stream_without_a_step_leaves_nothing(device: OpenDevice, tmp_path: Path) -> None:
    with device.stream(keep=tmp_path / "r.nird") as s:
        assert isinstance(s, StepStream)
    assert list(tmp_path.iterdir()) == []
