"""The device between two byte streams: the same answers at any pace of the wire, and as fast as it may be."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import verilate
from nirdeploy.device.encoding import encode_samples
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.protocol import SAMPLE_STEPS, DeviceStatus, Kind, Probe
from nirdeploy.targets.emit import emit
from tests import hardware, networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.unit.device.requests import begin, flashing

pytestmark = pytest.mark.xdist_group("board")

ALWAYS = 256  # of 256 cycles
_ROOM = 1 << 20


class Streams:
    """The compiled device, without its UART."""

    def __init__(self) -> None:
        self._lib = verilate.library(emit(hardware.small_device()), "device", "sim/device.cpp")
        self._lib.streams_create.restype = ctypes.c_void_p
        self._lib.streams_cycles.restype = ctypes.c_uint64
        self._lib.streams_cycles.argtypes = [ctypes.c_void_p]
        self._lib.streams_run.argtypes = [
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64),
            *(ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)),
        ]
        self._handle = self._lib.streams_create()
        self._out = ctypes.create_string_buffer(_ROOM)

    def send(self, wire: bytes, offered: int = ALWAYS, accepted: int = ALWAYS) -> tuple[list[Frame], int]:
        """What is answered, and in how many cycles (some two hundred of them at rest)."""
        taken, before = ctypes.c_uint32(), self._lib.streams_cycles(self._handle)
        pace = (offered, accepted, 200)
        count = self._lib.streams_run(self._handle, wire, len(wire), *pace, self._out, _ROOM, ctypes.byref(taken))
        assert taken.value == len(wire)
        return Decoder().feed(self._out.raw[:count]), self._lib.streams_cycles(self._handle) - before


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams()


@pytest.fixture(scope="module")
def built() -> nd.Build:
    return nd.build(networks.two_layers(), hardware.small_device())


def wire(*requests: tuple[int, bytes], seq: int = 0) -> bytes:
    return b"".join(encode(Frame(kind, (seq + i) % 256, payload)) for i, (kind, payload) in enumerate(requests))


def run(built: nd.Build, x: np.ndarray) -> list[tuple[int, bytes]]:
    """A whole run: counts of the output, every step of the hidden population."""
    parts = {readout.population: readout.parts[0] for readout in built.image.readouts}
    table = begin(
        (0, SAMPLE_STEPS, 0, len(x)),
        (parts["lif1"].group, 0, parts["lif1"].address, -(-parts["lif1"].bits // 8)),
        (parts["lif2"].group, int(Probe.COUNT), parts["lif2"].address, parts["lif2"].bits),
    )
    stream = b"".join(encode_samples(built.image, {built.image.inputs[0].name: x}, held=True))
    return [table, *((Kind.STEPS, stream[i : i + 100]) for i in range(0, len(stream), 100))]


@pytest.mark.law
@settings(max_examples=examples(25))
@given(
    offered=st.sampled_from([ALWAYS, 100, 3]),
    accepted=st.sampled_from([ALWAYS, 100, 3]),
    steps=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_any_pace_gives_the_same_answers(
    streams: Streams, built: nd.Build, offered: int, accepted: int, steps: int, seed: int
) -> None:
    x = np.repeat(networks.spikes(seed, (steps, 5, 20)), 2, axis=0)
    model = DeviceModel(built.target)
    requests = [*flashing(built.image), *run(built, x)]
    expected = Decoder().feed(b"".join(model.feed(bytes([byte])) for byte in wire(*requests)))
    found, _ = streams.send(wire(*flashing(built.image)))
    more, _ = streams.send(wire(*run(built, x), seq=len(flashing(built.image))), offered, accepted)
    replies = [[frame for frame in frames if frame.kind != Kind.OUTPUT] for frames in (found + more, expected)]
    assert replies[0] == replies[1]
    output = [b"".join(f.payload for f in frames if f.kind == Kind.OUTPUT) for frames in (more, expected)]
    assert output[0] == output[1] != b""


def test_a_frame_is_taken_in_a_byte_a_cycle(streams: Streams) -> None:
    """And sent as fast; the bit-serial one took ten cycles for a byte."""
    unknown = (0x55, bytes(range(1, 255)) + bytes(range(1, 201)))
    _, none = streams.send(b"\0")
    found, cycles = streams.send(wire(unknown))
    assert [frame.kind for frame in found] == [0x55 | 0x80]
    assert cycles - none < len(wire(unknown)) + 60


def test_held_samples_run_back_to_back(streams: Streams, built: nd.Build) -> None:
    """With a wire that keeps up, the cores work in nearly all cycles of a run."""
    x = np.repeat((np.random.default_rng(0).random((1, 60, 20)) < 0.5).astype(np.uint8), 20, axis=0)
    streams.send(wire(*flashing(built.image)))
    parts = {readout.population: readout.parts[0] for readout in built.image.readouts}
    table = begin(
        (0, SAMPLE_STEPS, 0, 20), (parts["lif2"].group, int(Probe.COUNT), parts["lif2"].address, parts["lif2"].bits)
    )
    stream = b"".join(encode_samples(built.image, {built.image.inputs[0].name: x}, held=True))
    pieces = [(Kind.STEPS, stream[i : i + 500]) for i in range(0, len(stream), 500)]
    _, cycles = streams.send(wire(table, *pieces))
    [*_, last], _ = streams.send(wire((Kind.STATUS, b"")))
    status = DeviceStatus.parse(last.payload)
    assert status.steps == 20 * 60
    assert status.busy_cycles > 0.9 * (cycles - 300)
