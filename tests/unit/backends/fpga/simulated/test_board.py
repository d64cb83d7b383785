"""The virtual board: RTL, UART and link behind a pseudo-terminal, opened like any serial port."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nirdeploy as nd
from nirdeploy.backends.fpga.simulated import board
from nirdeploy.device.client import Device
from nirdeploy.device.frame import Decoder, Frame, encode
from nirdeploy.device.ports import SerialPort
from nirdeploy.device.protocol import Kind
from nirdeploy.errors import DeviceMismatch, DeviceSilent, PortBusy, PortError, TransferError
from nirdeploy.records import boards, cache
from nirdeploy.targets.tables import Target
from tests import hardware, networks
from tests.conftest import examples
from tests.doubles.device import DeviceModel
from tests.doubles.memories import memory_map

pytestmark = pytest.mark.xdist_group("board")


@pytest.fixture(scope="module")
def target() -> Target:
    return hardware.small_device()


@pytest.fixture(scope="module")
def built(target: Target) -> nd.Build:
    return nd.build(networks.two_layers(), target)


@pytest.fixture
def running(target: Target) -> Iterator[board.Board]:
    with board.start(target) as made:
        yield made


def test_spikes_over_the_serial_port_equal_the_integer_simulator(target: Target, built: nd.Build) -> None:
    x = networks.spikes(0, (25, 6, 20))
    with nd.open_device("virtual", target) as device:
        report = nd.flash(built, device)
        measured = nd.run(device, x)
        again = nd.flash(built, device)
    verdict = nd.verify(nd.simulate(built, x), measured)
    assert verdict.equal, verdict.summary()
    assert verdict.cells == 25 * 6 * 35
    assert report.bytes_sent == built.image.total_bytes
    assert again.already_there
    assert again.bytes_sent == 0
    assert measured.stats["busy_cycles"] > 0
    assert measured.stats["steps"] == 25 * 6


def test_membranes_of_a_readout_come_over_the_port(target: Target) -> None:
    graph = networks.two_layers()
    del graph.nodes["lif2"]
    graph.edges = [("input", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "output")]
    built = nd.build(graph, target)
    x = networks.spikes(2, (10, 3, 20))
    with nd.open_device("virtual", target) as device:
        nd.flash(built, device)
        measured = nd.run(device, x, probe="outputs")
    expected = nd.simulate(built, x, probe="outputs")
    assert list(measured.membrane) == ["output"]
    assert np.abs(expected.membrane["output"]).max() > 0
    assert nd.verify(expected, measured).equal


def test_only_changed_sections_are_sent(running: board.Board, target: Target, built: nd.Build) -> None:
    other = networks.two_layers()
    other.nodes["lif2"].v_threshold = np.full(5, 0.9)
    changed = nd.build(other, target)
    with nd.open_device(running.port, target) as device:
        nd.flash(built, device)
        report = nd.flash(changed, device)
        assert 0 < report.bytes_sent < built.image.total_bytes / 2
        x = networks.spikes(5, (20, 4, 20))
        assert nd.verify(nd.simulate(changed, x), nd.run(device, x)).equal


def test_two_hosts_one_after_the_other(running: board.Board, target: Target, built: nd.Build) -> None:
    with nd.open_device(running.port, target) as device:
        nd.flash(built, device)
    x = networks.spikes(1, (8, 2, 20))
    with nd.open_device(running.port, target) as device:
        assert nd.flash(built, device).already_there
        assert nd.verify(nd.simulate(built, x), nd.run(device, x)).equal


def test_a_port_in_use_is_busy(running: board.Board, target: Target) -> None:
    with nd.open_device(running.port, target), pytest.raises(PortBusy, match="is held by"):
        nd.open_device(running.port, target)


def test_wrong_baud_rate_is_silence(running: board.Board, target: Target) -> None:
    with pytest.raises(DeviceSilent, match="did not answer HELLO"):
        nd.open_device(running.port, target, baud=115_200, timeout=0.2)


def test_other_hardware_is_named(running: board.Board, target: Target) -> None:
    with pytest.raises(DeviceMismatch, match=f"the device is hardware {target.signature.hex()}"):
        nd.open_device(running.port, "fpga")


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.6, 0.95])
def test_a_host_killed_in_a_flash_is_recovered_by_the_next(
    running: board.Board, target: Target, built: nd.Build, fraction: float
) -> None:
    class Killed(Exception):
        pass

    class Dying(SerialPort):
        left = int(fraction * built.image.total_bytes)

        def write(self, data: bytes) -> None:
            super().write(data[: self.left])  # the last frame stays half-sent
            self.left -= len(data)
            if self.left <= 0:
                raise Killed

    dying = Dying(running.port, target.serial_board.baud)
    with pytest.raises(Killed):
        nd.flash(built, Device(dying), force=True)
    dying.close()  # as the kernel closes a dead host's
    x = networks.spikes(4, (6, 2, 20))
    with nd.open_device(running.port, target) as device:
        assert not device.hello().image_hash
        with pytest.raises(TransferError, match="no valid image"):
            device.begin([])
        nd.flash(built, device)
        assert nd.verify(nd.simulate(built, x), nd.run(device, x)).equal


def test_faulty_line_still_flashes_and_runs_exactly(running: board.Board, target: Target, built: nd.Build) -> None:
    x = networks.spikes(6, (20, 10, 20))
    port = f"fault:seed=3,drop=1e-4,flip=1e-4,insert=1e-4:{running.port}"
    with nd.open_device(port, target, timeout=1.0, attempts=200) as device:
        nd.flash(built, device)
        measured = nd.run(device, x)
        assert device._port.injected > 0  # type: ignore[attr-defined]
    assert nd.verify(nd.simulate(built, x), measured).equal


@pytest.fixture
def own_cache(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache with nothing but compiled hardware in it."""
    board.prepare(target)
    for compiled in cache.folder().absolute().glob("*.so"):
        (tmp_path / compiled.name).symlink_to(compiled)
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path))


def _records() -> list[Path]:
    return list(boards.folder().iterdir())


@pytest.mark.usefixtures("own_cache")
def test_background_boards(target: Target) -> None:
    info = board.start_background("lab", target)
    try:
        assert [b.name for b in board.running()] == ["lab"]
        with pytest.raises(PortError, match="runs already"):
            board.start_background("lab", target)
        with nd.open_device(info.port, target) as device:
            assert device.hello().signature == target.signature
    finally:
        assert board.stop("lab").pid == info.pid
    assert board.running() == []
    with pytest.raises(PortError, match="none is running"):
        board.stop("lab")


@pytest.mark.usefixtures("own_cache")
def test_a_board_that_died_is_forgotten(target: Target) -> None:
    info = board.start_background("lab", target)
    os.kill(info.pid, signal.SIGKILL)
    os.waitpid(info.pid, 0)
    assert len(_records()) == 1
    assert board.running() == []
    assert _records() == []


@pytest.mark.usefixtures("own_cache")
def test_two_boards_in_the_background_and_one_that_is_not(target: Target) -> None:
    started = [board.start_background(name, target, baud=baud) for name, baud in (("b", 1_000_000), ("a", None))]
    try:
        with board.start(target) as nameless:
            assert board.running() == started[::-1]
            assert {record.port for record in boards.running()} == {nameless.port, *(b.port for b in started)}
            assert [b.baud for b in started] == [1_000_000, target.serial_board.baud]
        assert board.running() == started[::-1]
        assert board.stop("b") == started[0]
        assert board.running() == started[1:]
        with nd.open_device(started[1].port, target) as device:
            assert device.hello().signature == target.signature
    finally:
        for left in board.running():
            board.stop(str(left.name))
    assert _records() == []


@pytest.mark.usefixtures("own_cache")
def test_a_board_that_does_not_end_is_killed(target: Target) -> None:
    info = board.start_background("stuck", target)
    os.kill(info.pid, signal.SIGSTOP)  # nothing but SIGKILL reaches it
    board.stop("stuck")
    assert not boards.is_running(info)


def test_a_board_in_the_background_that_leaves_no_record_is_refused(
    target: Target, tmp_path: Path, own_cache: None
) -> None:
    (tmp_path / "boards").write_text("in the way")
    with pytest.raises(PortError, match=f"no record of itself .in {tmp_path}/boards.; make the folder writable"):
        board.start_background("lab", target)
    with board.start(target) as nameless, nd.open_device(nameless.port, target) as device:
        assert device.hello().signature == target.signature


# --- law: the RTL's link and the plain device model give the same answers ----------------------------


class _Rtl:
    """The compiled device, fed bytes directly."""

    def __init__(self, target: Target) -> None:
        self._device = board._Device(target, target.serial_board.baud)
        self._baud = target.serial_board.baud
        self._decoder = Decoder()
        self._memories = memory_map(target)
        self._written = list(self._memories.items())  # (address, words) that may not be zero

    def clear(self) -> None:
        """All memories zero, no image, as at the start. Zeros go where something may have been written, for the line
        takes its time: for all memories that of hundreds of requests."""
        for address, size in [*self._written, (0, 1)]:
            for offset in range(0, size, 120):
                count = min(120, size - offset)
                self.ask(encode(Frame(Kind.WRITE, 0, (address + offset).to_bytes(4, "little") + bytes(4 * count))))
        self._written.clear()

    def request(self, kind: int, seq: int, payload: bytes) -> list[Frame]:
        """The answers, and for :meth:`clear` what the request may write, be it refused or not."""
        first = int.from_bytes(payload[:4], "little")
        for address, size in self._memories.items() if kind == Kind.WRITE else ():
            start, end = max(first, address), min(first + len(payload) // 4, address + size)
            if start < end:
                self._written.append((start, end - start))
        return self.ask(encode(Frame(kind, seq, payload)))

    def ask(self, wire: bytes) -> list[Frame]:
        self._device.send(wire, self._baud)
        frames: list[Frame] = []
        active = True
        while active:
            data, active = self._device.run()
            frames += self._decoder.feed(data)
        return frames


@pytest.fixture(scope="module")
def rtl(target: Target) -> _Rtl:
    return _Rtl(target)


def _meaning(frames: list[Frame]) -> list[tuple[int, int, bytes]]:
    """What follows a refusing status means nothing (docs/link.md)."""
    return [
        (f.kind, f.seq, f.payload[:1] if f.kind != Kind.HELLO | 0x80 and f.payload[:1] in b"\1\2\3" else f.payload)
        for f in frames
    ]


def _requests(target: Target) -> st.SearchStrategy[tuple[int, bytes]]:
    memories = memory_map(target)
    address = st.one_of(
        st.sampled_from(sorted(memories)),
        st.sampled_from(sorted(memories)).map(lambda start: start + memories[start] - 1),
        st.integers(0, 2**32 - 1),
    )
    words = st.integers(0, 12).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n) | st.just(4 * n * b"\xff"))
    span = st.tuples(address, st.integers(0, 600)).map(
        lambda s: s[0].to_bytes(4, "little") + s[1].to_bytes(4, "little")
    )
    entry = st.tuples(span, st.integers(0, 2**32 - 1)).map(lambda e: e[0] + e[1].to_bytes(4, "little"))
    commit = st.tuples(st.binary(min_size=32, max_size=32), st.lists(entry, max_size=2))
    return st.one_of(
        st.just((Kind.HELLO, b"")),
        st.tuples(st.just(Kind.WRITE), st.tuples(address, words).map(lambda w: w[0].to_bytes(4, "little") + w[1])),
        st.tuples(st.just(Kind.DIGEST), span),
        st.tuples(st.just(Kind.COMMIT), commit.map(lambda c: c[0] + b"".join(c[1]))),
        st.tuples(st.just(Kind.BEGIN), st.binary(max_size=13)),
        st.tuples(st.just(Kind.STEPS), st.binary(max_size=3)),
        st.tuples(st.integers(0, 0x7F), st.binary(max_size=40)),
    )


@pytest.mark.law
@settings(max_examples=examples(60))
@given(data=st.data())
def test_rtl_answers_as_the_device_model(rtl: _Rtl, target: Target, data: st.DataObject) -> None:
    model = DeviceModel(target)
    rtl.clear()
    decoder = Decoder()
    requests = data.draw(st.lists(_requests(target), min_size=1, max_size=12))
    contents = [(Kind.DIGEST, struct.pack("<II", *span)) for span in memory_map(target).items()]
    for seq, (kind, payload) in enumerate([*requests, *contents]):
        if kind == Kind.STATUS:
            continue  # counts cycles, which the model does not have
        expected = decoder.feed(model.feed(encode(Frame(kind, seq, payload))))
        assert _meaning(rtl.request(kind, seq, payload)) == _meaning(expected), (
            Kind(kind) if kind in Kind._value2member_map_ else kind,
            payload.hex(),
        )


def test_every_memory_has_the_bits_of_the_device_model(rtl: _Rtl, target: Target) -> None:
    model, decoder = DeviceModel(target), Decoder()
    rtl.clear()
    for address, size in memory_map(target).items():
        count = min(64, size)
        write = address.to_bytes(4, "little") + 4 * count * b"\xff"
        for kind, payload in ((Kind.WRITE, write), (Kind.DIGEST, struct.pack("<II", address, count))):
            expected = decoder.feed(model.feed(encode(Frame(kind, 0, payload))))
            assert rtl.request(kind, 0, payload) == expected, (kind, hex(address))


@pytest.mark.law
@settings(max_examples=examples(40))
@given(noise=st.binary(min_size=1, max_size=700), seq=st.integers(0, 255))
def test_rtl_answers_after_any_noise(rtl: _Rtl, noise: bytes, seq: int) -> None:
    rtl.ask(noise)
    [reply] = [f for f in rtl.ask(b"\x00" + encode(Frame(Kind.HELLO, seq, b""))) if f.kind == Kind.HELLO | 0x80]
    assert reply.seq == seq
