"""The device model says what docs/link.md says."""

from __future__ import annotations

import numpy as np
import pytest

from nirdeploy.backends.fpga import memory
from nirdeploy.backends.fpga.jobs import INPUT_GROUP
from nirdeploy.device.encoding import encode_samples
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.protocol import RAW, REPLY, DeviceStatus, Hello, Kind, Status
from tests.doubles.device import DeviceModel
from tests.unit.device.models import TARGET, built, stimulus
from tests.unit.device.requests import begin, commit, crc, digest, flashing, probing, write

NAME = bytes(range(32))
WEIGHTS = memory.address(0, memory.WEIGHTS)
ROWS = TARGET.hardware.weight_rows * TARGET.hardware.lanes * TARGET.formats.weight_bits // 32


def talk(model: DeviceModel, *requests: tuple[int, bytes], seq: int = 0) -> list[Frame]:
    wire = b"".join(encode(Frame(kind, (seq + i) % 256, payload)) for i, (kind, payload) in enumerate(requests))
    return Decoder().feed(model.feed(wire))


def ask(model: DeviceModel, request: tuple[int, bytes], seq: int = 0) -> bytes:
    [reply] = talk(model, request, seq=seq)
    assert (reply.kind, reply.seq) == (request[0] | REPLY, seq)
    return reply.payload


def state(model: DeviceModel) -> tuple[int, bytes]:
    hello = Hello.parse(ask(model, (Kind.HELLO, b"")))
    assert DeviceStatus.parse(ask(model, (Kind.STATUS, b""))).state == hello.state
    return hello.state, hello.image_hash


@pytest.fixture
def model() -> DeviceModel:
    return DeviceModel(TARGET)


@pytest.fixture
def flashed(model: DeviceModel) -> DeviceModel:
    assert talk(model, *flashing(built().image))[-1].payload == bytes([Status.OK, len(built().image.sections)])
    return model


def test_hello_names_the_hardware(model: DeviceModel) -> None:
    hello = Hello.parse(ask(model, (Kind.HELLO, b"whatever")))
    assert hello.signature == TARGET.signature
    assert (hello.window, hello.max_body, hello.state, hello.image_hash) == (TARGET.hardware.window, 512, 0, b"")
    assert (hello.cores, hello.lanes) == (TARGET.hardware.cores, TARGET.hardware.lanes)


def test_every_request_has_one_reply_in_order(model: DeviceModel) -> None:
    kinds = [Kind.HELLO, Kind.STATUS, 0x55, Kind.BEGIN, Kind.STATUS, Kind.STEPS, Kind.WRITE, Kind.HELLO]
    replies = talk(model, *((kind, b"") for kind in kinds), seq=250)
    assert [(r.kind, r.seq) for r in replies] == [(k | REPLY, (250 + i) % 256) for i, k in enumerate(kinds)]


def test_a_damaged_frame_is_counted_and_not_answered(model: DeviceModel) -> None:
    wire = bytearray(encode(Frame(Kind.HELLO, 1, b"abc")))
    wire[3] ^= 1
    assert model.feed(bytes(wire) + b"\x00\x00\x05\x00") == b""
    assert DeviceStatus.parse(ask(model, (Kind.STATUS, b""))).bad_frames == 2


def test_a_body_longer_than_hello_allows_is_dropped(model: DeviceModel) -> None:
    assert ask(model, (Kind.WRITE, bytes(506)))[0] == Status.BAD_REQUEST  # 512 with type, seq and CRC
    assert talk(model, (Kind.WRITE, bytes(507))) == []


def test_what_is_written_is_digested(model: DeviceModel) -> None:
    reply = ask(model, write(WEIGHTS + 5, [1, 2, 0xFFFFFFFF]))
    assert (reply[0], int.from_bytes(reply[1:], "little")) == (Status.OK, WEIGHTS + 8)
    reply = ask(model, digest(WEIGHTS + 4, 5))
    assert (reply[0], int.from_bytes(reply[1:], "little")) == (Status.OK, crc(0, 1, 2, 0xFFFFFFFF, 0))


@pytest.mark.parametrize(
    "request_",
    [
        (0x55, b""),
        (Kind.WRITE, b""),
        (Kind.WRITE, WEIGHTS.to_bytes(4, "little")),
        (Kind.WRITE, WEIGHTS.to_bytes(4, "little") + b"12345"),
        write(WEIGHTS + ROWS, [1]),
        write(WEIGHTS + ROWS - 1, [1, 2]),
        write(0x77000000, [1]),
        write(0x00F00000, [1]),
        (Kind.DIGEST, bytes(7)),
        (Kind.DIGEST, bytes(12)),
        digest(WEIGHTS, 0),
        digest(WEIGHTS, ROWS + 1),
        digest(WEIGHTS, 0xFFFFFFFF),
        digest(0x77000000, 1),
    ],
)
def test_a_bad_request_is_refused_and_changes_nothing(flashed: DeviceModel, request_: tuple[int, bytes]) -> None:
    ask(flashed, probing(built().image))
    before = state(flashed)
    assert ask(flashed, request_)[0] == Status.BAD_REQUEST
    assert state(flashed) == before == (2, built().image.digest_bytes)


def test_only_a_commit_that_agrees_makes_an_image(model: DeviceModel) -> None:
    ask(model, write(WEIGHTS, [7, 8]))
    ask(model, write(WEIGHTS + 100, [9]))
    good, bad = (WEIGHTS, 2, crc(7, 8)), (WEIGHTS + 100, 1, crc(8))
    for entries, expected in (
        ([good, bad, good], bytes([Status.DIGEST_MISMATCH, 1])),
        ([good, (0x77000000, 1, 0)], bytes([Status.BAD_REQUEST, 1])),
        ([good], bytes([Status.OK, 1])),
        ([bad], bytes([Status.DIGEST_MISMATCH, 0])),
    ):
        assert ask(model, commit(NAME, *entries)) == expected
        assert state(model) == ((1, NAME) if expected[0] == Status.OK else (0, b""))


@pytest.mark.parametrize("payload", [b"", bytes(31), bytes(33), bytes(43)])
def test_a_commit_of_impossible_length_leaves_no_image(flashed: DeviceModel, payload: bytes) -> None:
    assert ask(flashed, (Kind.COMMIT, payload))[0] == Status.BAD_REQUEST
    assert state(flashed) == (0, b"")


def test_write_invalidates_and_digest_does_not(flashed: DeviceModel) -> None:
    ask(flashed, probing(built().image))
    assert state(flashed)[0] == 2
    assert ask(flashed, digest(WEIGHTS, 3))[0] == Status.OK
    assert state(flashed) == (1, built().image.digest_bytes)
    ask(flashed, write(WEIGHTS, [0]))
    assert state(flashed) == (0, b"")
    assert ask(flashed, probing(built().image)) == bytes([Status.NO_IMAGE])


def test_steps_need_a_run_and_their_turn(flashed: DeviceModel) -> None:
    steps = (Kind.STEPS, b"\xfe")
    assert ask(flashed, steps, seq=8) == bytes([Status.NO_IMAGE])
    ask(flashed, probing(built().image), seq=255)
    assert ask(flashed, steps, seq=1) == bytes([Status.OUT_OF_SEQUENCE])
    assert ask(flashed, steps, seq=0) == bytes([Status.OK])
    assert ask(flashed, steps, seq=0) == bytes([Status.OUT_OF_SEQUENCE])
    assert ask(flashed, steps, seq=1) == bytes([Status.OK])


@pytest.mark.parametrize("table", [b"12345", bytes(6 * 33)])
def test_an_impossible_probe_table_starts_no_run(flashed: DeviceModel, table: bytes) -> None:
    assert ask(flashed, (Kind.BEGIN, table)) == bytes([Status.BAD_REQUEST])
    assert state(flashed)[0] == 1


def output(replies: list[Frame]) -> bytes:
    frames = [frame for frame in replies if frame.kind == Kind.OUTPUT]
    assert [frame.seq for frame in frames] == [i % 256 for i in range(len(frames))]
    return b"".join(frame.payload for frame in frames)


def test_events_are_sent_exactly_where_they_are_shorter(flashed: DeviceModel) -> None:
    """The input's own bitmap, probed: 8 bytes, so at most 3 events (6 bytes) travel as events."""
    word = 0
    for bits in ([], [0], [5, 31, 63], [0, 1, 2, 3], list(range(64))):
        ask(flashed, begin((INPUT_GROUP, 0, word, 8)), seq=1)
        step = bytes([len(bits)]) + np.array(bits, dtype="<u2").tobytes()
        bitmap = sum(1 << bit for bit in bits).to_bytes(8, "little")
        found = output(talk(flashed, (Kind.STEPS, b"\xfe" + step + b"\xff" + bitmap), seq=2))
        assert found == 2 * (step if len(bits) <= 3 else bytes([RAW]) + bitmap)


def test_begin_starts_output_and_counters_anew(flashed: DeviceModel) -> None:
    [stream] = encode_samples(built().image, {"input": stimulus(3, 1)})
    found = []
    for _ in range(2):
        ask(flashed, probing(built().image), seq=9)
        found.append(output(talk(flashed, *((Kind.STEPS, bytes([byte])) for byte in stream), seq=10)))
        assert DeviceStatus.parse(ask(flashed, (Kind.STATUS, b""))).steps == 3
    assert found[0] == found[1] != b""


def test_counters_stay_until_the_next_run(flashed: DeviceModel) -> None:
    [stream] = encode_samples(built().image, {"input": stimulus(3, 1)})
    ask(flashed, probing(built().image), seq=9)
    talk(flashed, (Kind.STEPS, stream), seq=10)
    ask(flashed, digest(WEIGHTS, 1))
    status = DeviceStatus.parse(ask(flashed, (Kind.STATUS, b"")))
    assert (status.state, status.steps) == (1, 3)


def test_events_beyond_the_input_are_ignored(flashed: DeviceModel) -> None:
    ask(flashed, begin((INPUT_GROUP, 0, 0, 8)), seq=1)
    events = np.array([3, 64, 65535], dtype="<u2").tobytes()
    assert output(talk(flashed, (Kind.STEPS, b"\xfe\x03" + events), seq=2)) == b"\x01\x03\x00"
