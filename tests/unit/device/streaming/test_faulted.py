"""Streams over lines that damage bytes both ways: each step's spikes are right, or an error says that they are lost."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from nirdeploy.device import endurance, talk
from nirdeploy.device.faults import Faults, FaultyPort
from nirdeploy.device.flash import flash
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.opened import OpenDevice
from nirdeploy.device.protocol import Kind
from nirdeploy.device.streaming import flow
from nirdeploy.device.streaming.history import History
from nirdeploy.errors import DeviceSilent, TransferError
from nirdeploy.sim import integer
from tests.conftest import campaign
from tests.doubles.device import DeviceModel
from tests.doubles.timed import TimedPort
from tests.unit.device.models import TARGET, ModelPort, built, stimulus

BUILT = built(0, 12)


def opened(monkeypatch: pytest.MonkeyPatch, faults: Faults | None) -> OpenDevice:
    port = TimedPort(DeviceModel(TARGET))
    clock = SimpleNamespace(monotonic=port.monotonic)
    for module in (talk, endurance, flow):
        monkeypatch.setattr(module, "time", clock)
    device = OpenDevice(FaultyPort(port, faults) if faults else port)
    flash(BUILT, device)
    return device


@pytest.mark.soak
@pytest.mark.parametrize(("rate", "seed"), [(1e-3, 1), (5e-3, 1)])
@pytest.mark.parametrize("way", ["step", "steps", "submit"])
def test_right_whatever_is_lost(monkeypatch: pytest.MonkeyPatch, rate: float, seed: int, way: str) -> None:
    steps = campaign(20, 400)
    x = stimulus(steps, 1)
    wanted = integer.simulate(BUILT.network, x)
    device = opened(monkeypatch, Faults(seed, drop=rate / 4, flip=rate / 4, duplicate=rate / 4, insert=rate / 4))
    with device.stream("all", depth=16) as s:
        if way == "steps":
            record = s.steps(x[:, 0])
            spikes, membrane = record.spikes["hidden"], record.membrane["out"]
        else:
            came = []
            for one in x[:, 0]:
                if way == "step":
                    came.append(s.step(one))
                else:
                    assert s.submit(one)
                    came += s.collect()
            came += s.collect(wait=True)
            spikes = np.stack([one.spikes["hidden"] for one in came])[:, None]
            membrane = np.stack([one.membrane["out"] for one in came])[:, None]
        replays = s.stats["replays"]
    assert np.array_equal(spikes, wanted.spikes["hidden"])
    assert np.array_equal(membrane, wanted.membrane["out"])
    assert rate < 5e-3 or replays > 0


def test_a_loss_beyond_what_is_remembered_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    x = stimulus(200, 1)[:, 0]
    wanted = integer.simulate(BUILT.network, x[:, None]).spikes["hidden"][:, 0]
    device = opened(monkeypatch, Faults(3, drop=1e-3))
    came: list[np.ndarray] = []
    with device.stream("all", remember=500) as s, pytest.raises(TransferError, match="need more than the 500 bytes"):
        came.extend(one.spikes["hidden"] for one in s.over(x))
    assert len(came) > 10
    assert np.array_equal(np.stack(came), wanted[: len(came)])


class Cut(ModelPort):
    """A line that is cut at some time, or at whose end the device forgets everything."""

    cut = False

    def write(self, data: bytes) -> None:
        if not self.cut:
            super().write(data)


def test_a_device_that_falls_silent_is_said() -> None:
    port = Cut(DeviceModel(TARGET))
    device = OpenDevice(port, timeout=0.01, attempts=2)
    flash(BUILT, device)
    x = stimulus(3, 1)[:, 0]
    with device.stream() as s:
        s.step(x[0])
        port.cut = True
        with pytest.raises(DeviceSilent):
            s.step(x[1])


def test_a_device_that_was_reset_is_said() -> None:
    port = ModelPort(DeviceModel(TARGET))
    device = OpenDevice(port, timeout=0.01, attempts=2)
    flash(BUILT, device)
    x = stimulus(3, 1)[:, 0]
    with device.stream() as s:
        s.step(x[0])
        port.model = DeviceModel(TARGET)
        with pytest.raises(TransferError, match="holds no valid image"):
            s.step(x[1])


class Longer(ModelPort):
    """A device that sends a byte behind each piece of its output."""

    longer = False

    def read(self, timeout: float) -> bytes:
        frames = Decoder().feed(super().read(timeout))
        more: dict[int, bytes] = {Kind.OUTPUT: b"\0"} if self.longer else {}
        return b"".join(encode(Frame(one.kind, one.seq, one.payload + more.get(one.kind, b""))) for one in frames)


def test_less_than_a_step_more_than_was_asked_for_is_said() -> None:
    port = Longer(DeviceModel(TARGET))
    device = OpenDevice(port, timeout=0.01, attempts=2)
    flash(BUILT, device)
    x = stimulus(3, 1)[:, 0]
    with device.stream("all") as s:
        s.step(x[0])
        port.longer = True
        with pytest.raises(TransferError, match="what cannot be: more came than was asked for"):
            s.step(x[1])


def test_a_device_that_spikes_otherwise_when_played_again_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    device = opened(monkeypatch, Faults(1, drop=5e-3))
    monkeypatch.setattr(History, "differs", lambda *_: True)
    x = stimulus(200, 1)[:, 0]
    with device.stream("all") as s, pytest.raises(TransferError, match="came out otherwise when it was played again"):
        list(s.over(x))


def test_what_is_played_again_are_the_same_bytes() -> None:
    history = History(1 << 20)
    steps = [b"\x00", b"\x01\x05\x00", b"\x01\x05\x00", b"\x00"]
    history.add(steps)
    assert history.piece(0, 4, held=False) == b"\xfe" + b"".join(steps)
    assert history.piece(1, 3, held=False) == b"".join(steps[1:3])
    assert history.piece(1, 3, held=True) == b"\xfd\x01" + steps[1]
