"""Devices that flood, lie, drip and repeat themselves: an error, in bounded time; never a wrong result."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

import nirdeploy as nd
from nirdeploy.device import endurance, talk
from nirdeploy.device.client import Device
from nirdeploy.device.decoding import NotBelieved, StepDecoder
from nirdeploy.device.flash import flash
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.protocol import REPLY, DeviceStatus, Hello, Kind
from nirdeploy.device.run import run
from nirdeploy.errors import DeviceSilent, TransferError
from tests.doubles.device import DeviceModel
from tests.doubles.timed import TimedPort
from tests.unit.device.models import TARGET, built, holds, stimulus

Change = Callable[[Frame], bytes]
LONG_S = 60.0  # on the line's own clock


class Liar(TimedPort):
    """A device whose frames are changed once it has begun to lie."""

    def __init__(
        self, model: DeviceModel, change: Change, endless: Iterator[bytes] | None = None, gap: float = 1e-3
    ) -> None:
        super().__init__(model)
        self._change, self._endless, self._gap, self._frames = change, endless, gap, Decoder()
        self.lies = False

    def read(self, timeout: float) -> bytes:
        if self.lies and self._endless is not None:
            self.now += min(self._gap, timeout)
            return next(self._endless) if self._gap <= timeout else b""
        data = super().read(timeout)
        return b"".join(map(self._change, self._frames.feed(data))) if self.lies else data


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Device, Liar]]:
    def made(change: Change = encode, endless: Iterator[bytes] | None = None, gap: float = 1e-3) -> tuple[Device, Liar]:
        port = Liar(DeviceModel(TARGET), change, endless, gap)
        clock = SimpleNamespace(monotonic=port.monotonic)
        monkeypatch.setattr(talk, "time", clock)
        monkeypatch.setattr(endurance, "time", clock)
        device = Device(port)
        flash(built(), device)
        port.lies = True
        return device, port

    return made


def changed(kind: int, payload: Callable[[bytes], bytes]) -> Change:
    return lambda frame: encode(Frame(frame.kind, frame.seq, payload(frame.payload)) if frame.kind == kind else frame)


GARBAGE = b"\x55" * 200
STRAY = b"".join(encode(Frame(Kind.OUTPUT, seq, bytes(100))) for seq in range(256))
BACKWARDS = b"".join(encode(Frame(Kind.STATUS | REPLY, seq, bytes(28))) for seq in range(255, -1, -1))


@pytest.mark.parametrize(
    ("piece", "gap"),
    [
        (GARBAGE, 1e-3),
        (b"\x00" * 100, 1e-3),
        (GARBAGE[:20] + b"\x00", 1e-3),
        (STRAY, 0.3),
        (STRAY[:50], 1e-2),
        (encode(Frame(Kind.OUTPUT, 0, b"")), 1e-4),
        (encode(Frame(0xFF, 7, b"what")), 1e-3),
        (b"\x07", 1.0),
        (b"\x00", 1.0),
        (b"\x07", 0.01),
    ],
    ids=[
        "garbage",
        "delimiters",
        "bad frames",
        "outputs",
        "a part of them",
        "empty ones",
        "others",
        "a drip",
        "empty",
        "drips",
    ],
)
@pytest.mark.parametrize("doing", ["status", "flash", "run"])
def test_what_has_no_end_is_an_error_in_bounded_time(piece: bytes, gap: float, doing: str, liar) -> None:  # type: ignore[no-untyped-def]
    device, port = liar(endless=itertools.repeat(piece), gap=gap)
    began = port.now
    with pytest.raises((TransferError, DeviceSilent)) as caught:
        {"status": device.status, "flash": lambda: flash(built(1), device), "run": lambda: run(device, stimulus(5, 4))}[
            doing
        ]()
    assert caught.value.code in ("E701", "E703")
    assert port.now - began < LONG_S


def test_answers_whose_numbers_go_backwards_are_taken_for_what_they_are(liar) -> None:  # type: ignore[no-untyped-def]
    """Sooner or later one fits; what it says is checked as any answer is."""
    device, port = liar(endless=itertools.repeat(BACKWARDS), gap=0.05)
    assert device.status() == DeviceStatus(0, 0, 0, 0, 0, 0)
    with pytest.raises(TransferError):
        run(device, stimulus(5, 4), image=built().image)
    assert port.now < LONG_S


@pytest.mark.parametrize(
    ("events", "said"),
    [(b"\x02\x05\x00\x05\x00", "twice, or late"), (b"\x02\x06\x00\x05\x00", "twice, or late"), (b"\xfe", "254 events")],
)
def test_events_come_once_and_in_order(events: bytes, said: str) -> None:
    with pytest.raises(NotBelieved, match=said):
        StepDecoder([800], 1).feed(events)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (lambda payload: b"\xfd" + payload, "253 events"),
        (lambda payload: b"\x01\xff\xff" + payload, "outside"),
        (lambda payload: payload + b"\x00" * 400, "more came than|events|outside|missing"),
    ],
    ids=["absurd", "outside", "too many"],
)
def test_outputs_that_cannot_be_are_not_believed(payload, said: str, liar) -> None:  # type: ignore[no-untyped-def]
    device, port = liar(changed(Kind.OUTPUT, payload))
    with pytest.raises(TransferError, match=said):
        run(device, stimulus(5, 4))
    assert port.now < LONG_S


def test_counts_beyond_the_steps_are_not_believed(liar) -> None:  # type: ignore[no-untyped-def]
    device, _ = liar(changed(Kind.OUTPUT, lambda payload: b"\x0b" * len(payload)))
    with pytest.raises(TransferError, match="says count 11 of 'hidden', in 10 steps"):
        nd.tally(device, stimulus(10, 4), ["count"], "hidden")


def test_a_device_that_does_not_come_forward(liar) -> None:  # type: ignore[no-untyped-def]
    """Its outputs never come, and it says that it is at work."""
    idle = DeviceStatus(2, 0, 1, 0, 0, 0).pack()

    def change(frame: Frame) -> bytes:
        if frame.kind == Kind.OUTPUT:
            return b""
        return encode(Frame(frame.kind, frame.seq, idle) if frame.kind == Kind.STATUS | REPLY else frame)

    device, port = liar(change)
    with pytest.raises(TransferError, match="does not come forward: 0 of 20 steps"):
        run(device, stimulus(5, 4))
    assert port.now < LONG_S


@pytest.mark.parametrize(("field", "value"), [("max_body", 0), ("max_body", 7), ("max_body", 0xFFFF), ("window", 0)])
def test_absurd_sizes_at_the_door(field: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = DeviceModel(TARGET)
    honest = model._hello()
    lied = Hello(**{**honest.__dict__, field: value})
    monkeypatch.setattr(model, "_hello", lambda: lied)
    with pytest.raises(TransferError, match=f"{value} "):
        Device(TimedPort(model))


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"steps": 3}, "it did 3 steps, and was given 20"),
        ({"steps": 21}, "it did 21 steps, and was given 20"),
        ({"busy_cycles": 2**64 - 1}, "its cores worked for 18,446,744,073,709,551,615 of "),
    ],
    ids=["fewer steps", "more steps", "busy"],
)
def test_counters_that_cannot_be_are_in_no_record(lie: dict[str, int], said: str, liar) -> None:  # type: ignore[no-untyped-def]
    device, _ = liar(
        changed(Kind.STATUS | REPLY, lambda payload: DeviceStatus(**{**parsed(payload).__dict__, **lie}).pack())
    )
    with pytest.raises(TransferError, match=said) as caught:
        run(device, stimulus(5, 4))
    assert "counts what cannot be" in str(caught.value)
    with pytest.raises(TransferError, match="counts what cannot be"):
        nd.tally(device, stimulus(5, 4), ["count"], "hidden")


def test_a_clock_that_goes_backwards(liar) -> None:  # type: ignore[no-untyped-def]
    clock = itertools.count(10**9, -1000)

    def change(payload: bytes) -> bytes:
        return DeviceStatus(**{**parsed(payload).__dict__, "cycles": next(clock)}).pack()

    device, _ = liar(changed(Kind.STATUS | REPLY, change))
    with pytest.raises(TransferError, match="its clock went from 1,000,000,000 cycles back to 999,999,000"):
        run(device, stimulus(5, 4))
    with pytest.raises(TransferError, match="its clock went from 999,998,000 cycles back to 999,997,000"):
        flash(built(1), device)


def parsed(payload: bytes) -> DeviceStatus:
    return DeviceStatus.parse(payload)


class Edited:
    """OUTPUT frames with something before the first of a run, or behind the last."""

    def __init__(self, before: bytes = b"", behind: bytes = b"", frame: bool = False) -> None:
        self._before, self._behind, self._frame = before, behind, frame
        self._outputs: list[Frame] = []

    def __call__(self, frame: Frame) -> bytes:
        """A STATUS ends the run: what is behind the last OUTPUT comes before it."""
        if frame.kind == Kind.OUTPUT:
            payload = frame.payload if self._outputs else self._before + frame.payload
            self._outputs.append(frame)
            return encode(Frame(frame.kind, frame.seq, payload + (b"" if self._frame else self._behind)))
        if frame.kind == Kind.STATUS | REPLY and self._outputs:
            seq = (self._outputs.pop().seq + 1) % 256
            self._outputs.clear()
            return (encode(Frame(Kind.OUTPUT, seq, self._behind)) if self._frame else b"") + encode(frame)
        return encode(frame)


@pytest.mark.parametrize(
    "edit",
    [Edited(before=b"\0\0"), Edited(behind=b"\0"), Edited(behind=b"\0", frame=True)],
    ids=["ahead of the first", "behind the last", "in a frame of its own"],
)
def test_less_than_a_sample_more_than_was_asked_for(edit: Edited, liar) -> None:  # type: ignore[no-untyped-def]
    """Two bytes ahead of the first are two entries without events: all that follows would be a step late."""
    device, _ = liar(edit)
    with pytest.raises(TransferError, match="what cannot be: (more came than was asked for|.* events of)"):
        run(device, stimulus(1, 1), probe=["hidden", "out"])


@pytest.mark.parametrize("edit", [Edited(before=b"\0"), Edited(behind=b"\0", frame=True)], ids=["ahead", "behind"])
def test_less_than_a_count_more_than_was_asked_for(edit: Edited, liar) -> None:  # type: ignore[no-untyped-def]
    device, _ = liar(edit)
    with pytest.raises(TransferError, match="what cannot be: more came than was asked for"):
        nd.tally(device, stimulus(5, 4), ["count"], "hidden")


@pytest.mark.parametrize("body", [b"\xff\0\0\x10", b"\x01\x14\0"], ids=["bitmap", "event"])
def test_bits_beyond_the_last_neuron(body: bytes) -> None:
    """A group of 20 comes as three bytes."""
    with pytest.raises(NotBelieved, match="lies outside its group"):
        StepDecoder([20, 16], 1).feed(body + b"\0")
    (sample,) = StepDecoder([20, 16], 1).feed(b"\xff\xff\xff\x0f\xff\xff\xff")
    assert sample.tolist() == [[0xFF, 0xFF, 0x0F, 0xFF, 0xFF]]


def test_steps_that_go_back_and_forth_are_no_progress(liar) -> None:  # type: ignore[no-untyped-def]
    steps = itertools.cycle([1, 2])

    def change(frame: Frame) -> bytes:
        if frame.kind == Kind.OUTPUT:
            return b""
        if frame.kind == Kind.STATUS | REPLY:
            return encode(Frame(frame.kind, frame.seq, DeviceStatus(2, 0, 1, 0, next(steps), 0).pack()))
        return encode(frame)

    device, port = liar(change)
    with pytest.raises(TransferError, match="does not come forward: [12] of 20 steps"):
        run(device, stimulus(5, 4))
    assert port.now < LONG_S


def test_one_that_lies_about_its_hash(liar) -> None:  # type: ignore[no-untyped-def]
    """It says that it holds the other image, and reads back its own."""
    hello = liar()[0].hello()
    lied = Hello(**{**hello.__dict__, "image_hash": built(1).image.digest_bytes}).pack()
    device, port = liar(changed(Kind.HELLO | REPLY, lambda _: lied))
    report = flash(built(1), device)
    assert not report.already_there
    assert report.bytes_sent > 0
    assert holds(port._model, built(1).image)
