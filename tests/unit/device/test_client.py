"""The request layer: opening, windows, lost frames, and devices that do not answer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.device.client import Device
from nirdeploy.device.frame import Decoder, Frame, encode, encoded_size
from nirdeploy.device.opened import open_device
from nirdeploy.device.protocol import REPLY, Kind, Status
from nirdeploy.errors import (
    DeviceMismatch,
    DeviceSilent,
    PortBusy,
    PortError,
    TransferError,
    UnknownTarget,
    UsageProblem,
)
from tests.doubles.device import DeviceModel, ServedModel
from tests.unit.device.models import PATIENCE, TARGET, ModelPort, built, holds
from tests.unit.device.terminal import Terminal

FAST: dict[str, Any] = {"timeout": 0.1, "attempts": 3}


class Line(ModelPort):
    """A port that drops chosen frames; ``sent`` and ``answered`` list what passed."""

    def __init__(self, model: DeviceModel, lose_request: set[int], lose_reply: set[int]) -> None:
        super().__init__(model)
        self._lose_request, self._lose_reply = lose_request, lose_reply
        self._requests, self._replies = itertools.count(), itertools.count()
        self._decoder = Decoder()
        self.unanswered = self.most_unanswered = 0

    def write(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            wire = encode(frame)
            self.unanswered += len(wire)
            self.most_unanswered = max(self.most_unanswered, self.unanswered)
            if next(self._requests) in self._lose_request:
                continue
            answer = self.model.feed(wire)
            if next(self._replies) not in self._lose_reply:
                self.answers += answer

    def read(self, timeout: float) -> bytes:
        self.unanswered = 0  # all that was sent has been answered, or never will be
        return super().read(timeout)


def test_opening_says_hello() -> None:
    model = DeviceModel(TARGET)
    device = Device(ModelPort(model))
    assert device.window == TARGET.hardware.window
    assert device.max_body == 512
    assert device.hello().signature == TARGET.signature


def test_opening_ends_what_a_predecessor_left_half_sent() -> None:
    model = DeviceModel(TARGET)
    model.feed(encode(Frame(Kind.WRITE, 7, bytes(100)))[:50])
    device = Device(ModelPort(model), attempts=1)
    assert device.status().bad_frames == 1


def test_stale_replies_are_ignored() -> None:
    port = ModelPort(DeviceModel(TARGET))
    for seq in range(256):
        port.answers += encode(Frame(Kind.STATUS | REPLY, seq, b"stale")) + encode(Frame(Kind.OUTPUT, seq, b"x"))
    assert Device(port).hello().signature == TARGET.signature


@given(st.sets(st.integers(2, 60), max_size=12), st.sets(st.integers(2, 60), max_size=12))
def test_lost_requests_and_replies_are_made_up_for(requests: set[int], replies: set[int]) -> None:
    model = DeviceModel(TARGET)
    device = Device(Line(model, requests, replies), attempts=30)
    image = built().image
    acknowledged: list[int] = []
    blocks = [(s.address + i, s.data[4 * i : 4 * i + 200]) for s in image.sections for i in range(0, len(s.words), 50)]
    device.write(blocks, acknowledged.append)
    assert sum(acknowledged) == image.total_bytes
    assert holds(model, image)
    assert device.commit(image) == (Status.OK, len(image.sections))


def test_a_lost_frame_alone_is_sent_again() -> None:
    line = Line(DeviceModel(TARGET), {5}, set())
    device = Device(line)
    device.write([(s.address, s.data[:400]) for s in built().image.sections])
    assert device.retransmitted == 1


def test_replies_to_many_requests_come_with_their_index() -> None:
    device = Device(ModelPort(DeviceModel(TARGET)))
    requests = [(Kind.DIGEST, bytes(8)) if i % 3 else (Kind.STATUS, b"") for i in range(600)]
    replies = dict(device.pipeline(requests))
    assert sorted(replies) == list(range(600))
    assert all(len(reply) == (5 if i % 3 else 28) for i, reply in replies.items())


def test_the_window_is_kept_and_used() -> None:
    line = Line(DeviceModel(TARGET), set(), set())
    device = Device(line)
    line.most_unanswered = 0
    device.write((built().image.sections[4].address + 4 * i, bytes(480)) for i in range(40))
    assert TARGET.hardware.window - encoded_size(484) <= line.most_unanswered <= TARGET.hardware.window


def test_a_refused_write_names_the_address() -> None:
    device = Device(ModelPort(DeviceModel(TARGET)))
    with pytest.raises(TransferError, match=r"the device refused writing at 0x77000000: bad request"):
        device.write([(0x77000000, bytes(4))])


def test_answers_that_say_nothing_name_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(ModelPort(DeviceModel(TARGET)), name="/dev/ttyX")
    answers = iter([b"", b"\x63", b"\x02\x63" + bytes(60), bytes(5)])
    monkeypatch.setattr(device, "request", lambda *_, **__: next(answers))
    for ask, said in (
        (lambda: device.begin([]), "the device refused starting a run: an answer without a status"),
        (lambda: device.begin([]), "the device refused starting a run: unknown status 63"),
        (device.hello, "the device says that its state is 99; there are: "),
        (device.status, "a STATUS reply has 28 bytes, not 5"),
    ):
        with pytest.raises(TransferError) as caught:
            ask()
        assert str(caught.value).startswith(said)
        assert caught.value.where == "port /dev/ttyX"


def test_a_refused_digest_is_none() -> None:
    device = Device(ModelPort(DeviceModel(TARGET)))
    assert device.digests([(0x77000000, 1), (0xFF000000, 1)]) == [None, 0x2144DF1C]


def test_begin_without_an_image() -> None:
    device = Device(ModelPort(DeviceModel(TARGET)))
    with pytest.raises(TransferError, match="no valid image"):
        device.begin([(0, 0, 0, 4)])


# --- over a pseudo-terminal -----------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[ServedModel]:
    with ServedModel(DeviceModel(TARGET)) as served:
        yield served


def test_open_and_reopen(served: ServedModel) -> None:
    for _ in range(3):
        with open_device(served.port, timeout=PATIENCE) as device:
            assert device.hello().state == 0


def test_a_held_device_is_busy(served: ServedModel) -> None:
    with open_device(served.port, timeout=PATIENCE), pytest.raises(PortBusy, match=served.port):
        open_device(served.port)


def test_other_hardware_is_named_and_released(served: ServedModel) -> None:
    other = TARGET.with_hardware(cores=2)
    with pytest.raises(DeviceMismatch) as caught:
        open_device(served.port, other, timeout=PATIENCE)
    assert TARGET.signature.hex() in str(caught.value)
    assert other.signature.hex() in str(caught.value)
    assert caught.value.exit_code == 7
    open_device(served.port, timeout=PATIENCE).close()


def test_a_silent_device() -> None:
    with Terminal(DeviceModel(TARGET), silent_after=1) as terminal, pytest.raises(DeviceSilent) as caught:
        open_device(terminal.port, **FAST)
    assert "3 attempts" in str(caught.value)
    assert terminal.port in str(caught.value)


def test_a_chattering_stranger_is_silent_too() -> None:
    """Something else is on the port and talks without end: no frame, so nobody answers."""

    class Stranger(ModelPort):
        def read(self, timeout: float) -> bytes:
            time.sleep(0.005)
            return b"$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76\r\n"

    with pytest.raises(DeviceSilent):
        Device(Stranger(DeviceModel(TARGET)), **FAST)


def test_a_device_that_hangs_up() -> None:
    with Terminal(DeviceModel(TARGET), gone_after=1) as terminal, pytest.raises(TransferError, match="port was lost"):
        open_device(terminal.port, timeout=PATIENCE)


def test_a_device_that_stops_reading_mid_way_is_silent() -> None:
    with (
        Terminal(DeviceModel(TARGET), silent_after=3000) as terminal,
        Device(terminal.line(), **FAST) as device,
        pytest.raises((DeviceSilent, TransferError)),
    ):
        device.write((built().image.sections[4].address + 4 * i, bytes(480)) for i in range(100))


def test_faults_in_front_of_a_port(served: ServedModel) -> None:
    with open_device(f"fault:seed=3,flip=3e-3:{served.port}", timeout=0.2, attempts=200) as device:
        for _ in range(30):
            assert device.hello().signature == TARGET.signature
        assert device.retransmitted > 0


@pytest.mark.parametrize(
    ("port", "error", "said"),
    [
        ("/dev/ttyNOPE", PortError, "there is no port /dev/ttyNOPE"),
        ("fault:seed=1:/dev/ttyNOPE", PortError, "there is no port /dev/ttyNOPE"),
        ("fault:sed=1:virtual", UsageProblem, "sed"),
        ("auto", PortError, "is plugged in"),
    ],
)
def test_ports_that_do_not_open(port: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        open_device(port)


def test_unknown_target() -> None:
    with pytest.raises(UnknownTarget, match="fpga"):
        open_device("/dev/ttyNOPE", "fgpa")


def test_two_hosts_in_turn_see_their_own_replies(served: ServedModel) -> None:
    """The first is gone before its replies have come; they are the second's first bytes."""
    first = open_device(served.port, timeout=PATIENCE)
    for seq in range(200):
        first.send(encode(Frame(Kind.STATUS, seq, b"")))
    first.close()
    with open_device(served.port, timeout=PATIENCE) as second:
        assert second.hello().signature == TARGET.signature
