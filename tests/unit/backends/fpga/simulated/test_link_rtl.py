"""The hardware's link against the device model: the same bytes to both, the same answers from both."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirdeploy.backends.fpga import memory
from nirdeploy.backends.fpga.jobs import INPUT_GROUP
from nirdeploy.backends.fpga.simulated.board import _Device
from nirdeploy.device.encoding import encode_samples
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.protocol import (
    HELD,
    NEW_SAMPLE,
    PACKED,
    RAW,
    REPLY,
    SAME_GROUP,
    SAMPLE_STEPS,
    DeviceStatus,
    Kind,
    Probe,
    Status,
)
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.doubles.memories import memory_map
from tests.unit.device.models import TARGET, built, stimulus
from tests.unit.device.requests import begin, commit, crc, digest, flashing, probing, write

pytestmark = pytest.mark.xdist_group("default-board")

BAUD = TARGET.serial_board.baud
MEMORIES = list(memory_map(TARGET).items())


STATUS = Frame(Kind.STATUS, 0, b"")


class Both:
    """The simulated hardware and the device model, side by side."""

    def __init__(self) -> None:
        self.rtl, self.model = _Device(TARGET, BAUD), DeviceModel(TARGET)
        self._decoders = Decoder(), Decoder()

    def send(self, wire: bytes) -> tuple[list[Frame], list[Frame]]:
        """What the hardware, and what the model, answers."""
        self.rtl.send(wire, BAUD)
        answer = bytearray()
        for _ in range(1000):
            sent, active = self.rtl.run()
            answer += sent
            if not active and not sent:
                break
        expected = b"".join(self.model.feed(bytes([byte])) for byte in wire)  # as the line brings them
        return self._decoders[0].feed(bytes(answer)), self._decoders[1].feed(expected)


@pytest.fixture(scope="module")
def both() -> Both:
    return Both()


def bad_frames(frames: list[Frame]) -> int:
    """Of an answer that ends with STATUS."""
    return DeviceStatus.parse(frames[-1].payload).bad_frames


def comparable(frames: list[Frame], bad_before: int = 0) -> list[tuple[int, int, bytes]]:
    """Replies without what the protocol leaves open: clocks, and what follows a refusal."""
    found = []
    for frame in frames:
        payload = frame.payload
        if frame.kind == Kind.STATUS | REPLY:
            status = DeviceStatus.parse(payload)
            payload = bytes([status.state, (status.bad_frames - bad_before) % 65536])
        elif frame.kind in (Kind.WRITE | REPLY, Kind.DIGEST | REPLY) and payload[0] != Status.OK:
            payload = payload[:1]
        found.append((frame.kind, frame.seq, payload))
    return found


words = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=30)


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    """(address, words), often at the edges of a memory and sometimes beyond; never the control words."""
    first, size = draw(st.sampled_from([m for m in MEMORIES if m[1] > 2]))
    count = draw(st.integers(1, 200))
    offset = draw(st.one_of(st.just(0), st.integers(max(0, size - count - 2), size + 1), st.integers(0, size)))
    return first + offset, count


requests = st.one_of(
    st.tuples(st.sampled_from([Kind.HELLO, Kind.STATUS]), st.binary(max_size=4)),
    st.tuples(spans(), words).map(lambda drawn: write(drawn[0][0], drawn[1])),
    spans().map(lambda span: digest(*span)),
    st.builds(commit, st.binary(min_size=32, max_size=32)),
    spans().map(lambda span: commit(bytes(range(32)), (*span, 0))),
    st.tuples(st.sampled_from([Kind.WRITE, Kind.DIGEST, Kind.COMMIT]), st.binary(max_size=60)),
    st.tuples(st.sampled_from([Kind.BEGIN]), st.sampled_from([b"", bytes(5), bytes(6 * 33), bytes(6 * 32)])),
    st.just((Kind.STEPS, b"")),
    st.tuples(st.integers(8, 127), st.binary(max_size=20)),
)


@pytest.mark.law
@settings(max_examples=examples(60))
@given(
    st.lists(requests, min_size=1, max_size=12),
    st.integers(0, 255),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=2),
)
def test_any_requests_and_noise(
    both: Both, sent: list[tuple[int, bytes]], seq: int, noise: list[tuple[int, int]]
) -> None:
    wire = bytearray().join(encode(Frame(kind, (seq + i) % 256, data)) for i, (kind, data) in enumerate(sent))
    for position, value in noise:
        wire[position % len(wire)] = value
    before = [bad_frames(frames) for frames in both.send(encode(STATUS))]
    found = both.send(bytes(wire) + b"\x00" + encode(STATUS))
    hardware, model = (comparable(frames, bad) for frames, bad in zip(found, before, strict=True))
    assert hardware == model


def exchange(both: Both, *sent: tuple[int, bytes], seq: int = 0) -> tuple[list[Frame], list[Frame]]:
    hardware: list[Frame] = []
    model: list[Frame] = []
    for i, (kind, payload) in enumerate(sent):
        found = both.send(encode(Frame(kind, (seq + i) % 256, payload)))
        hardware += found[0]
        model += found[1]
    return hardware, model


def output(frames: list[Frame]) -> bytes:
    pieces = [frame for frame in frames if frame.kind == Kind.OUTPUT]
    assert [frame.seq for frame in pieces] == [i % 256 for i in range(len(pieces))]
    return b"".join(frame.payload for frame in pieces)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.3, 1.0])
def test_a_run_gives_the_same_stream(both: Both, density: float) -> None:
    image = built().image
    hardware, model = exchange(both, *flashing(image))
    assert comparable(hardware) == comparable(model)
    streams = b"".join(encode_samples(image, {"input": stimulus(5, 3, density)}))
    pieces = [(Kind.STEPS, streams[i : i + 37]) for i in range(0, len(streams), 37)]
    hardware, model = exchange(both, probing(image), *pieces, (Kind.STATUS, b""), seq=250)
    assert output(hardware) == output(model) != b""
    for frames in hardware, model:
        replies = [frame for frame in frames if frame.kind != Kind.OUTPUT]
        assert [frame.payload for frame in replies[:-1]] == [bytes([Status.OK])] * (1 + len(pieces))
    counted = [DeviceStatus.parse(frames[-1].payload) for frames in (hardware, model)]
    assert counted[0].steps == counted[1].steps == 15
    assert counted[0].saturations == counted[1].saturations
    assert 0 < counted[0].busy_cycles < counted[0].cycles


def test_the_shorter_of_events_and_bitmap(both: Both) -> None:
    """The input's own 8 bytes, probed: up to 3 events travel as events."""
    exchange(both, *flashing(built().image))
    for count in (0, 1, 3, 4, 5, 64):
        bits = np.sort(np.random.default_rng(count).permutation(64)[:count])
        step = b"\xfe" + bytes([count]) + bits.astype("<u2").tobytes()
        hardware, model = exchange(both, begin((INPUT_GROUP, 0, 0, 8)), (Kind.STEPS, step))
        assert output(hardware) == output(model) != b""


def test_a_digest_reads_what_is_there(both: Both) -> None:
    address = memory.address(1, memory.WEIGHTS, 77)
    hardware, _ = exchange(both, write(address, [1, 2, 3]), digest(address, 3))
    assert hardware[-1].payload[1:] == crc(1, 2, 3).to_bytes(4, "little")


# --- any input stream, and whatever is asked of it ------------------------------------------------

BYTES = 8  # of the input's bitmap


@st.composite
def packed(draw: st.DrawFn) -> bytes:
    mask = draw(st.integers(0, 255))
    return bytes([PACKED, mask]) + draw(st.binary(min_size=mask.bit_count(), max_size=mask.bit_count()))


@st.composite
def events(draw: st.DrawFn) -> bytes:
    found = sorted(draw(st.sets(st.integers(0, 63) | st.integers(64, 65535), max_size=9)))
    return bytes([len(found)]) + np.array(found, dtype="<u2").tobytes()


raw = st.binary(min_size=BYTES, max_size=BYTES).map(lambda body: bytes([RAW]) + body)
held = st.integers(0, 6).map(lambda more: bytes([HELD, more]))
streams = st.lists(st.one_of(st.just(bytes([NEW_SAMPLE])), held, packed(), events(), raw), min_size=1, max_size=12)
kinds = st.lists(st.sampled_from([2, 4, 6]), min_size=1, max_size=3), st.lists(st.sampled_from([3, 5, 7]), min_size=1)


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """Of the input, of a population of 100 neurons and of three read-outs: each in every step, or by sample."""
    image = built().image
    parts = {readout.population: readout.parts[0] for readout in image.readouts}
    table = [(0, SAMPLE_STEPS, 0, draw(st.integers(1, 6) | st.just(300)))]
    for group, address, bits, of in (
        (INPUT_GROUP, 0, 8 * BYTES, 0),
        (parts["hidden"].group, parts["hidden"].address, parts["hidden"].bits, 0),
        (parts["out"].group, parts["out"].address, 3, 1),
    ):
        asked = draw(st.just([]) | st.just([of]) | kinds[of])
        for nth, kind in enumerate(asked):
            size = bits if kind > 1 else 4 * bits if of else -(-bits // 8)
            table.append((group, kind + (SAME_GROUP if nth + 1 < len(asked) else 0), address, size))
    return table


@pytest.fixture(scope="module")
def flashed(both: Both) -> Both:
    exchange(both, *flashing(built().image))
    return both


@pytest.mark.law
@settings(max_examples=examples(80))
@given(words=streams, table=tables(), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_any_stream_comes_to_the_same(
    flashed: Both, words: list[bytes], table: list[tuple[int, int, int, int]], cuts: list[int]
) -> None:
    stream = b"".join([bytes([NEW_SAMPLE]), *words])
    at = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    pieces = [(Kind.STEPS, stream[a:b]) for a, b in pairwise(at)]
    hardware, model = exchange(flashed, begin(*table), *pieces, (Kind.STATUS, b""), seq=7)
    assert output(hardware) == output(model)
    probed = len(table) > 1
    counted = [DeviceStatus.parse(frames[-1].payload).steps for frames in (hardware, model)]
    assert counted[0] == (counted[1] if probed else 0)


@pytest.mark.parametrize("kind", [Probe.COUNT, Probe.FIRST])
@pytest.mark.parametrize("steps", [255, 256, 400])
def test_counts_are_as_wide_as_a_sample_is_long(flashed: Both, kind: Probe, steps: int) -> None:
    stream = bytes([NEW_SAMPLE, HELD, 249, 1, 3, 0, HELD, steps - 251, 1, 5, 0])
    table = begin((0, SAMPLE_STEPS, 0, steps), (INPUT_GROUP, int(kind), 0, 6))
    hardware, model = exchange(flashed, table, (Kind.STEPS, stream + stream))
    width = 1 if steps < 256 else 2
    expected = [0, 0, 0, 250, 0, steps - 250] if kind is Probe.COUNT else [0, 0, 0, 1, 0, 251]
    assert output(hardware) == output(model) == 2 * np.array(expected, dtype=f"<u{width}").tobytes()
