"""The fault wrapper: its spelling, and that damage is seeded and in both directions."""

from __future__ import annotations

import pytest

from nirdeploy.device.faults import Faults, FaultyPort, parse
from nirdeploy.errors import UsageProblem


class Echo:
    """Gives back what was written, in pieces."""

    def __init__(self, pieces: int = 16) -> None:
        self.wire = bytearray()
        self.pieces = pieces
        self.closed = False

    def write(self, data: bytes) -> None:
        self.wire += data

    def read(self, timeout: float) -> bytes:
        data = bytes(self.wire[: self.pieces])
        del self.wire[: self.pieces]
        return data

    def close(self) -> None:
        self.closed = True


def through(faults: Faults, data: bytes) -> bytes:
    echo = Echo()
    FaultyPort(echo, faults).write(data)
    return bytes(echo.wire)


def test_spec_names_faults_and_port() -> None:
    faults, port = parse("fault:seed=42,drop=1e-4,flip=0.5:socket://host:99")
    assert faults == Faults(seed=42, drop=1e-4, flip=0.5)
    assert port == "socket://host:99"


def test_specs_nest() -> None:
    assert parse("fault:seed=1:fault:seed=2:virtual")[1] == "fault:seed=2:virtual"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("fault:seed=1", "no port"),
        ("fault:seed=1:", "no port"),
        ("fault:drip=1:virtual", "drip"),
        ("fault:drop=2:virtual", "probability"),
        ("fault:drop=-0.1:virtual", "probability"),
        ("fault:drop=often:virtual", "often"),
        ("fault::virtual", "unknown field"),
    ],
)
def test_a_bad_spec_says_why_and_lists_the_fields(spec: str, said: str) -> None:
    with pytest.raises(UsageProblem, match=said) as caught:
        parse(spec)
    assert "burst" in str(caught.value)


def test_no_faults_change_nothing() -> None:
    assert through(Faults(seed=3), bytes(range(256))) == bytes(range(256))


def test_damage_depends_on_the_seed_alone() -> None:
    data = bytes(range(256)) * 20
    some = Faults(seed=1, drop=0.01, flip=0.01, duplicate=0.01, insert=0.01, swap=0.01, burst=0.01)
    assert through(some, data) == through(some, data) != data
    assert through(Faults(seed=2, flip=0.01), data) != through(Faults(seed=1, flip=0.01), data)


def test_each_kind_does_what_it_says() -> None:
    data = b"\xaa" * 4000
    assert len(through(Faults(drop=0.1), data)) == pytest.approx(3600, rel=0.05)
    assert len(through(Faults(duplicate=0.1), data)) == pytest.approx(4400, rel=0.05)
    flipped = through(Faults(flip=0.1), data)
    assert len(flipped) == 4000
    assert all((byte ^ 0xAA).bit_count() <= 1 for byte in flipped)
    assert sum(byte != 0xAA for byte in flipped) == pytest.approx(400, rel=0.2)
    burst = through(Faults(burst=0.01), data)
    assert len(burst) == 4000
    assert set(burst) == {0, 0xAA}
    inserted = through(Faults(insert=0.1), data)
    assert inserted.count(0xAA) >= 4000
    assert len(set(inserted)) > 50
    ordered = bytes(range(250))
    swapped = through(Faults(swap=0.1), ordered)
    assert swapped != ordered
    assert sorted(swapped) == sorted(ordered)


def test_reading_is_damaged_too_and_silence_only_when_there_is_silence() -> None:
    echo = Echo(pieces=1)
    echo.wire += b"\x55" * 500
    port = FaultyPort(echo, Faults(seed=5, drop=0.3))
    got = 0
    while piece := port.read(0.1):
        got += len(piece)
    assert echo.wire == b""
    assert 250 < got < 450


def test_close_closes_the_port() -> None:
    echo = Echo()
    FaultyPort(echo, Faults()).close()
    assert echo.closed
