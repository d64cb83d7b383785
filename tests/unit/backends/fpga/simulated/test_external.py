"""Memory beside the chip, over the link: the hardware with a controller and a chip that watches it, and the model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated.board import _Device
from nirdeploy.device.encoding import encode_samples
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.protocol import EXTERNAL, MOST_READ, PLAYS, REPLY, DeviceStatus, Hello, Kind, Status
from nirdeploy.targets.tables import Target
from tests import hardware, networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.doubles.memories import memory_map
from tests.unit.device.requests import commit, crc, digest, flashing, probing, write

pytestmark = pytest.mark.xdist_group("external")

MIB = 8
WORDS = MIB << 18
#: Sizes of memories; the one beside the chip crosses where addresses of the others end.
SPANS = {EXTERNAL: WORDS, EXTERNAL + (1 << 20) - 100: 200}


def read(address: int, count: int) -> tuple[Kind, bytes]:
    return Kind.READ, address.to_bytes(4, "little") + count.to_bytes(2, "little")


class Both:
    """The simulated hardware and the device model, side by side."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.baud = target.serial_board.baud
        self.rtl, self.model = _Device(target, self.baud), DeviceModel(target)
        self._decoder = Decoder()

    def ask(self, *requests: tuple[int, bytes], seq: int = 0) -> list[Frame]:
        """The hardware's replies, which are the model's too, but for clocks, and what follows a refusal."""
        wire = b"".join(encode(Frame(kind, (seq + i) % 256, payload)) for i, (kind, payload) in enumerate(requests))
        expected = Decoder().feed(b"".join(self.model.feed(bytes([byte])) for byte in wire))
        self.rtl.send(wire, self.baud)
        found: list[Frame] = []
        for _ in range(4000):
            sent, active = self.rtl.run()
            found += self._decoder.feed(sent)
            if not active and not sent:
                break
        assert _meaning(found) == _meaning(expected)
        return found


def _meaning(frames: list[Frame]) -> tuple[list[tuple[int, int, bytes]], bytes]:
    """Replies, and the output stream, which is cut where time has it."""
    replies = []
    for frame in frames:
        payload = frame.payload
        if frame.kind == Kind.STATUS | REPLY:
            payload = payload[:2]
        elif frame.kind in (Kind.WRITE | REPLY, Kind.DIGEST | REPLY) and payload[0] != Status.OK:
            payload = payload[:1]
        if frame.kind != Kind.OUTPUT:
            replies.append((frame.kind, frame.seq, payload))
    return replies, b"".join(frame.payload for frame in frames if frame.kind == Kind.OUTPUT)


@pytest.fixture(scope="module")
def both() -> Both:
    return Both(hardware.small_device().with_hardware(external=MIB))


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    """(address, words): often at the edges of a memory, sometimes beyond; never the control words."""
    target = hardware.small_device()
    memories = [*SPANS.items(), *SPANS.items(), *(m for m in memory_map(target).items() if m[1] > 2)]
    first, size = draw(st.sampled_from(memories))
    count = draw(st.integers(1, 200))
    near = st.integers(max(0, size - count - 2), size + 1)
    return first + draw(st.one_of(st.just(0), near, st.integers(0, size))), count


words = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=120)
requests = st.one_of(
    st.tuples(spans(), words).map(lambda drawn: write(drawn[0][0], drawn[1])),
    spans().map(lambda span: digest(*span)),
    spans().map(lambda span: read(span[0], min(span[1], MOST_READ))),
    spans().map(lambda span: commit(bytes(range(32)), (*span, 0))),
    st.tuples(st.just(Kind.READ), st.binary(max_size=8)),
    st.just((Kind.STATUS, b"")),
)


@pytest.mark.law
@settings(max_examples=examples(40))
@given(sent=st.lists(requests, min_size=1, max_size=12), seq=st.integers(0, 255))
def test_any_requests(both: Both, sent: list[tuple[int, bytes]], seq: int) -> None:
    both.ask(*sent, seq=seq)


def test_hello_says_that_it_plays(both: Both) -> None:
    [reply] = both.ask((Kind.HELLO, b""))
    assert Hello.parse(reply.payload).protocol == PLAYS


@pytest.mark.parametrize("at", [0, (1 << 20) - 3, WORDS - 5])
def test_what_is_written_is_read_and_digested(both: Both, at: int) -> None:
    held = [1, 2**32 - 1, 3, 4, 5]
    found = both.ask(write(EXTERNAL + at, held), read(EXTERNAL + at, 5), digest(EXTERNAL + at, 5))
    assert found[0].payload == bytes([Status.OK]) + (EXTERNAL + at + 5).to_bytes(4, "little")
    assert found[1].payload == bytes([Status.OK]) + b"".join(word.to_bytes(4, "little") for word in held)
    assert found[2].payload == bytes([Status.OK]) + crc(*held).to_bytes(4, "little")


@pytest.mark.parametrize(
    "request_",
    [
        write(EXTERNAL + WORDS - 1, [1, 2]),
        digest(EXTERNAL + WORDS, 1),
        digest(EXTERNAL, (1 << 20) + 1),
        digest(EXTERNAL + (1 << 20) + 1, 1 << 20),
        read(EXTERNAL, 0),
        read(EXTERNAL, MOST_READ + 1),
        read(EXTERNAL + WORDS - 1, 2),
        read(0x00200000, 1),
        (Kind.READ, bytes(5)),
    ],
)
def test_what_is_refused(both: Both, request_: tuple[int, bytes]) -> None:
    [reply] = both.ask(request_)
    assert reply.payload[0] == Status.BAD_REQUEST


def test_a_run_goes_on_while_memory_beside_the_chip_is_used(both: Both) -> None:
    """It is written and read in the middle of a sample; only a digest ends the run, the image stays."""
    image = nd.build(networks.two_layers(), both.target).image
    both.ask(*flashing(image))
    [stream] = encode_samples(image, {image.inputs[0].name: networks.spikes(0, (4, 1, 20))})
    both.ask(probing(image), (Kind.STEPS, stream[:3]), seq=7)
    used = both.ask(write(EXTERNAL + 9, [5, 6]), read(EXTERNAL + 8, 3), (Kind.STATUS, b""))
    assert DeviceStatus.parse(used[-1].payload).state == 2
    found = both.ask((Kind.STEPS, stream[3:]), seq=9)
    assert {frame.kind for frame in found} == {Kind.OUTPUT, Kind.STEPS | REPLY}
    ended = both.ask(digest(EXTERNAL, 3), (Kind.STATUS, b""))
    assert DeviceStatus.parse(ended[-1].payload).state == 1


def test_a_commit_checks_memory_beside_the_chip(both: Both) -> None:
    name = bytes(range(32))
    both.ask(write(EXTERNAL + 70, [7, 8]))
    for expected, last in ((Status.OK, 8), (Status.DIGEST_MISMATCH, 9)):
        [reply] = both.ask(commit(name, (EXTERNAL + 70, 2, crc(7, last))))
        assert reply.payload[0] == expected
