"""The player in plain Python: each operation by hand-written words."""

from __future__ import annotations

import numpy as np
import pytest

from nirdeploy.backends.fpga import memory
from nirdeploy.device.client import Device
from nirdeploy.device.protocol import EXTERNAL, PLAYING, Kind, Status
from nirdeploy.targets import registry as targets
from tests.doubles.device import DeviceModel
from tests.doubles.player import COPY, END, LOAD, PROBE, SUM, Player, Stopped
from tests.unit.device.models import ModelPort

TARGET = targets.load("fpga").with_hardware(external=1)


def op(code: int, arg: int = 0) -> int:
    return code << 24 | arg


def run_of(
    bits: int, at: int, *, stream: int = 0, within: int = 1, step: int = 0, without: int = 1, outer: int = 0
) -> list[int]:
    """A descriptor of a gather list."""
    return [stream << 28 | at, within << 16 | bits, step & 0xFFFFFFFF, without, outer & 0xFFFFFFFF]


class Board:
    """A player with a memory and nothing else."""

    def __init__(self) -> None:
        self.memory = np.zeros(4096, dtype=np.uint32)
        self.written: list[tuple[int, list[int]]] = []
        self.player = Player(TARGET, self.memory, lambda a, n: np.zeros(n, dtype=np.uint32), self._write)

    def _write(self, address: int, words: np.ndarray) -> None:
        if address == 0xDEAD:
            raise KeyError(address)
        self.written.append((address, words.tolist()))

    def put(self, at: int, words: list[int]) -> None:
        self.memory[at : at + len(words)] = words

    def play(self, words: list[int]) -> None:
        self.put(0, words)
        for _ in self.player.play(0):
            pass


def test_a_load_list_is_written_to_the_configuration() -> None:
    board = Board()
    board.put(100, [2, 0x200000, 300, 1, 0x300005, 302, 0])
    board.put(300, [7, 8, 9])
    board.play([op(LOAD), 100, op(END)])
    assert board.written == [(0x200000, [7, 8]), (0x300005, [9])]


def test_a_copy_gathers_bits_of_streams() -> None:
    board = Board()
    board.put(64, [0x00000005, 0x0000000A, 0x80000001, 0x7])  # two samples of two steps of a word
    board.put(32, [200])
    board.put(200, [*run_of(4, 0), *run_of(8, 0, stream=15), *run_of(4, 0), *run_of(16, 3, stream=15), 0, 0])
    board.play([op(COPY, 2), 2, 1, 1000, 0, 32, 1, 64, 2, 1, 0, op(END)])
    assert board.memory[1000:1004].tolist() == [0x5005, 0xA00A, 0x1001, 0x7007]
    board.play([op(COPY, 2), 2, 1, 1000, 0, 32, 1, 64, 2, 1, 1, op(END)])  # a step late
    assert board.memory[1000:1004].tolist() == [0, 0x5005, 0, 0x1001]


def test_a_descriptor_runs_through_its_loops_inside_first() -> None:
    board = Board()
    rng = np.random.default_rng(0)
    board.memory[64:96] = rng.integers(0, 2**32, 32, dtype=np.uint32)
    board.put(32, [200])
    board.put(200, [*run_of(5, 40, within=3, step=100, without=4, outer=-7), *run_of(4, 0, stream=15), 0, 0])
    board.play([op(COPY, 1), 1, 1, 1000, 0, 32, 1, 64, 0, 0, 0, op(END)])
    bits = np.unpackbits(board.memory[64:96].view(np.uint8), bitorder="little")
    expected = [bits[40 + 100 * i - 7 * o + k] for o in range(4) for i in range(3) for k in range(5)]
    found = np.unpackbits(board.memory[1000:1002].view(np.uint8), bitorder="little")
    assert found.tolist() == [*expected, 0, 0, 0, 0]


def test_a_sum_of_numbers_and_planes() -> None:
    board = Board()
    board.put(64, [5, 0xFFFFFFFD, 100, 0, 1, 2])  # two records of three numbers
    board.put(80, [0b011, 0b100, 0b111, 0b001])  # two records of two planes
    board.play([op(SUM, 8), 2, 3, 500, 2, 64, 3, 0, 80, 2, 2, op(END)])
    planes = board.memory[500:516].reshape(2, 8)
    sums = [sum((int(plane) >> v & 1) << p for p, plane in enumerate(own)) for own in planes for v in range(3)]
    assert sums == [6, 256 - 2, 102, 3, 2, 3]


@pytest.mark.parametrize(
    "words",
    [
        [op(9)],
        [op(LOAD), 5000],
        [op(LOAD), 3000],
        [op(PROBE, 1), 16 << 8, 4],
        [op(PROBE, 33), *[0] * 66],
        [op(PROBE, 1), 0, 3],
        [op(COPY, 1), 1, 1, 4095, 0, 32, 1, 64, 0, 0, 0],
        [op(COPY, 1), 1, 1, 1000, 0, 32, 1, 8000, 0, 0, 0],
        [op(COPY, 1), 1, 1, 1000, 0, 32, 0],
        [op(SUM, 33), 1, 1, 500, 1, 64, 1, 0],
        [op(SUM, 8), 1, 1, 500, 16, *[64, 1, 0] * 16],
    ],
)
def test_what_makes_no_sense_stops_the_player(words: list[int]) -> None:
    board = Board()
    board.put(32, [200])
    board.put(200, [*run_of(64, 0), 0, 0])
    board.put(3000, [1, 0xDEAD, 0, 0])
    with pytest.raises(Stopped):
        board.play([*words, op(END)])


@pytest.fixture
def device() -> Device:
    return Device(ModelPort(DeviceModel(TARGET, pace=1)))


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def test_the_link_reaches_external_memory(device: Device) -> None:
    device.write([(EXTERNAL | 10, words(1, 2, 3))])
    assert device.digests([(EXTERNAL | 10, 3), (EXTERNAL | (1 << 18) - 1, 2)])[1] is None
    assert device.request(Kind.READ, words(EXTERNAL | 11) + bytes([2, 0])) == bytes([Status.OK]) + words(2, 3)
    for odd in (words(EXTERNAL | 1 << 18) + bytes([1, 0]), words(memory.address(0, memory.JOBS)) + bytes([1, 0])):
        assert device.request(Kind.READ, odd)[0] == Status.BAD_REQUEST


def test_a_play_that_fails_says_so(device: Device) -> None:
    device.write([(EXTERNAL, words(op(77)))])
    assert device.request(Kind.PLAY, words(0)) == bytes([Status.OK])
    assert device.hello().state == PLAYING
    assert device.request(Kind.READ, words(EXTERNAL) + bytes([1, 0]))[0] == Status.BUSY
    assert device.request(Kind.PLAY, words(0))[0] == Status.BUSY
    status = device.status()
    assert (status.state, status.failed) == (0, True)
    assert device.request(Kind.PLAY, words(1 << 18))[0] == Status.BAD_REQUEST
    device.write([(EXTERNAL, words(op(END)))])
    device.request(Kind.PLAY, words(0))
    assert not device.status().failed


def test_a_play_can_be_stopped(device: Device) -> None:
    device.write([(EXTERNAL, words(op(77)))])
    device.request(Kind.PLAY, words(0))
    assert device.request(Kind.PLAY, words(0xFFFFFFFF)) == bytes([Status.OK])
    status = device.status()
    assert (status.state, status.failed) == (0, False)
