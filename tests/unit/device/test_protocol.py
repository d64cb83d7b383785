"""HELLO and STATUS as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirdeploy.device.protocol import DeviceStatus, Hello
from nirdeploy.errors import TransferError

u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
states = st.integers(0, 3)

hellos = st.builds(
    Hello,
    protocol=st.just(2),
    state=states,
    window=u16,
    max_body=u16,
    cores=u8,
    groups=u8,
    lanes=u16,
    counters=u16,
    held_words=u16,
    weight_rows=u32,
    neurons=u32,
    signature=st.binary(min_size=8, max_size=8),
    image_hash=st.binary(min_size=32, max_size=32).filter(any),
)


@given(hellos)
def test_hello_round_trip(hello: Hello) -> None:
    assert Hello.parse(hello.pack()) == hello


@given(st.builds(DeviceStatus, states, u16, u64, u64, u32, u32))
def test_status_round_trip(status: DeviceStatus) -> None:
    assert DeviceStatus.parse(status.pack()) == status


def test_hello_as_the_document_lays_it_out() -> None:
    wire = bytes.fromhex("02 02 0010 0002 04 20 2000 0004 0001 00080000 00020000") + b"SIGNATUR" + bytes(32)
    hello = Hello.parse(wire)
    assert (hello.state, hello.window, hello.max_body, hello.cores, hello.groups) == (2, 4096, 512, 4, 32)
    assert (hello.lanes, hello.weight_rows, hello.neurons) == (32, 2048, 512)
    assert (hello.counters, hello.held_words) == (1024, 256)
    assert (hello.signature, hello.image_hash) == (b"SIGNATUR", b"")


def test_status_as_the_document_lays_it_out() -> None:
    wire = bytes.fromhex("01 00 0300 0400000000000000 0500000000000000 06000000 07000000")
    assert DeviceStatus.parse(wire) == DeviceStatus(1, 3, 4, 5, 6, 7)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "does not say its protocol"),
        (bytes(64), "speaks protocol 0, this is 2 and 3"),
        (b"\x01" + bytes(63), "speaks protocol 1,"),
        (b"\x01", "speaks protocol 1,"),
        (b"\x02", "a HELLO reply has 62 bytes, not 1"),
        (b"\x03" + bytes(62), "a HELLO reply has 62 bytes, not 63"),
        (b"\x02\x4d" + bytes(60), "its state is 77; there are: 0 no image, 1 ready, 2 running, 3 playing"),
    ],
)
def test_what_is_no_hello(payload: bytes, said: str) -> None:
    with pytest.raises(TransferError, match=said):
        Hello.parse(payload)


def test_a_status_of_no_state() -> None:
    with pytest.raises(TransferError, match="its state is 4; there are: 0 no image"):
        DeviceStatus.parse(b"\x04" + bytes(27))


@pytest.mark.parametrize("size", [0, 1, 27, 29])
def test_a_status_of_another_size(size: int) -> None:
    with pytest.raises(TransferError, match=f"28 bytes, not {size}"):
        DeviceStatus.parse(bytes(size))
