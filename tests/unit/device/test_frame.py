"""Frames: what goes in comes out, and noise never does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.device.frame import OVERHEAD, Decoder, Frame, decode, encode, encoded_size

ROOT = Path(__file__).parents[3]
byte = st.integers(0, 255)
frames = st.builds(Frame, kind=byte, seq=byte, payload=st.binary(max_size=520))


def test_known_wire() -> None:
    # the CRC-32 of "123456789" is 0xCBF43926, the check value of every catalogue
    assert encode(Frame(ord("1"), ord("2"), b"3456789")) == b"\x0e123456789\x26\x39\xf4\xcb\x00"


@given(frames)
def test_round_trip(frame: Frame) -> None:
    wire = encode(frame)
    assert wire.endswith(b"\x00")
    assert 0 not in wire[:-1]
    assert len(wire) <= encoded_size(len(frame.payload))
    assert decode(wire[:-1]) == frame


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_frames_survive_any_cutting_of_the_stream(sent: list[Frame], cuts: list[int]) -> None:
    stream, decoder, got = b"\x00".join(encode(f) for f in sent), Decoder(), []
    turn = 0
    while stream:
        size = cuts[turn % len(cuts)]
        got += decoder.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert got == sent
    assert decoder.bad_frames == 0


@given(frames, st.data())
def test_a_flipped_bit_is_seen(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(frame)[:-1])
    position = data.draw(st.integers(0, len(wire) - 1))
    wire[position] ^= 1 << data.draw(st.integers(0, 7))
    got = Decoder().feed(bytes(wire) + b"\x00")
    assert got == [] or got == [frame]  # the latter where the flip made a zero that cut nothing off


@pytest.mark.parametrize("wire", ["", "01", "ff", "0501", "0701020304", "0301", "02010201"])
def test_what_does_not_check_is_none(wire: str) -> None:
    assert decode(bytes.fromhex(wire)) is None


def test_bad_frames_are_counted_and_the_next_is_whole() -> None:
    decoder, good = Decoder(), Frame(7, 1, b"")
    damaged = bytearray(encode(good))
    damaged[2] ^= 4
    assert decoder.feed(b"\x00\x00" + bytes(damaged) + encode(good)) == [good]
    assert decoder.bad_frames == 1


def test_endless_noise_takes_bounded_memory_and_counts_once() -> None:
    decoder, good = Decoder(max_body=512), Frame(3, 9, b"after the noise")
    for _ in range(1000):
        assert decoder.feed(b"\x55" * 4096) == []
        assert len(decoder._pending) <= encoded_size(512 - OVERHEAD) + 8
    assert decoder.feed(b"\x00" + encode(good)) == [good]
    assert decoder.bad_frames == 1


def test_of_many_damaged_frames_none_comes_through_wrong() -> None:
    command = [sys.executable, str(ROOT / "benchmarks/frame_faults.py"), "--frames", "100000", "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
    assert found["frames"] == 100_000
    assert found["faulted"] > 90_000
    assert found["wrong"] == 0
    assert found["intact"] > 1_000  # not every fault destroys: else the test would show nothing
