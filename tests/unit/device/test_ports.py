"""Opening ports: what there is not, what is held, what goes away."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from serial.tools.list_ports_common import ListPortInfo

import nirdeploy as nd
from nirdeploy import processes
from nirdeploy.device.ports import SerialPort, _explain, find, matching, serial_of
from nirdeploy.errors import PortBusy, PortError, TransferError, UsageProblem
from nirdeploy.targets import registry as targets


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """(device's end, path of the host's end)."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_bytes_go_both_ways(terminal: tuple[int, str]) -> None:
    master, path = terminal
    port = SerialPort(path, 115200)
    port.write(bytes(range(256)))
    assert os.read(master, 1000) == bytes(range(256))
    os.write(master, b"\x00\x11\x13\x0d\x0a\xff")
    assert port.read(5.0) == b"\x00\x11\x13\x0d\x0a\xff"
    port.close()


def test_silence_is_empty(terminal: tuple[int, str]) -> None:
    port = SerialPort(terminal[1], 115200)
    assert port.read(0.01) == b""
    port.close()


def test_no_such_port() -> None:
    with pytest.raises(PortError, match="there is no port /dev/ttyNOPE; .*ports found") as caught:
        SerialPort("/dev/ttyNOPE", 115200)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("name", ["/dev/null", "bogus://x", "socket://127.0.0.1:1", ""])
def test_not_a_serial_port(name: str) -> None:
    with pytest.raises(PortError, match="port"):
        SerialPort(name, 115200)


@pytest.mark.parametrize("baud", [0, -1, 1 << 31, 4_000_000_000, 10**26])
def test_no_line_has_such_a_rate(terminal: tuple[int, str], baud: int) -> None:
    with pytest.raises(UsageProblem, match="no line has a rate of"):
        SerialPort(terminal[1], baud)
    with pytest.raises(UsageProblem, match="no line has a rate of"):
        nd.open_device("virtual", baud=baud or 1 << 40)


def test_a_held_port_is_busy(terminal: tuple[int, str]) -> None:
    first = SerialPort(terminal[1], 115200)
    with pytest.raises(PortBusy, match="is held by") as caught:
        SerialPort(terminal[1], 115200)
    assert (caught.value.exit_code, caught.value.code) == (6, "E602")
    first.close()
    SerialPort(terminal[1], 115200).close()


def test_a_device_that_goes_away_while_reading() -> None:
    master, slave = pty.openpty()
    port = SerialPort(os.ttyname(slave), 115200)
    os.close(slave)
    os.close(master)
    with pytest.raises(TransferError, match="port was lost"):
        port.read(5.0)
    with pytest.raises(TransferError, match="port was lost"):
        port.write(b"x")
    port.close()


def test_a_device_that_takes_nothing_does_not_block_for_ever(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nirdeploy.device.ports._WRITE_S", 0.2)
    port = SerialPort(terminal[1], 115200)
    with pytest.raises(TransferError, match="while writing"):
        port.write(bytes(1 << 20))
    port.close()


def test_a_socket_is_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = SerialPort(f"socket://127.0.0.1:{server.getsockname()[1]}", 115200)
        connection, _ = server.accept()
        with connection:
            port.write(b"abc")
            assert connection.recv(3, socket.MSG_WAITALL) == b"abc"
            connection.sendall(b"xyz")
            got = b""
            while len(got) < 3:
                got += port.read(5.0)
            assert got == b"xyz"
            port.close()


def test_matching_looks_for_usb_ids() -> None:
    assert matching(()) == []
    assert matching(("ffff:fffe",)) == []


BOARD = """
import os, pty, sys, tty
from nirdeploy.records import boards
master, slave = pty.openpty()
tty.setraw(slave)
with boards.announced(os.ttyname(slave), None, "fpga", 115200):
    print(os.ttyname(slave), flush=True)
    sys.stdin.read()
"""
HOST = """
import sys
import nirdeploy as nd
from nirdeploy import processes
from nirdeploy.device.ports import SerialPort
port = SerialPort(sys.argv[1], 115200)
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def python(program: str, *arguments: str) -> Iterator[tuple[int, str]]:
    """A Python that works until the end: its number, and what it printed first."""
    command = processes.command("-c", program, *arguments)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=processes.environment(), text=True
    ) as child:
        assert child.stdout
        yield child.pid, child.stdout.readline().strip()


def test_who_holds_a_port_is_the_host_and_not_the_board_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIRDEPLOY_CACHE", str(tmp_path))
    with python(BOARD) as (_, path), python(HOST, path) as (host, said):
        assert said == "open"
        with pytest.raises(PortBusy, match=rf"is held by process {host} \(python"):
            SerialPort(path, 115200)


def adapter(device: str, usb: str, serial_number: str | None = None, location: str | None = None) -> ListPortInfo:
    """A port as pyserial lists it."""
    made = ListPortInfo(device, skip_link_detection=True)
    made.vid, made.pid = (int(part, 16) for part in usb.split(":"))
    made.serial_number, made.location = serial_number, location
    return made


FT2232 = "0403:6010"
#: Two boards with an FT2232H each and an unrelated port, as three systems list them.
LINUX = [
    *(adapter(f"/dev/ttyUSB{n}", FT2232, "ib01", f"1-2:1.{n}") for n in (0, 1)),
    *(adapter(f"/dev/ttyUSB{2 + n}", FT2232, "ib02", f"1-3:1.{n}") for n in (0, 1)),
    adapter("/dev/ttyACM0", "0d28:0204", "0700", "1-4:1.1"),
]
MACOS = [
    *(adapter(f"/dev/cu.usbserial-ib01{n}", FT2232, "ib01", "20-2") for n in (1, 0)),
    *(adapter(f"/dev/cu.usbserial-ib02{n}", FT2232, "ib02", "20-3") for n in (0, 1)),
]
WINDOWS = [adapter(f"COM{4 + n}", FT2232, serial) for n, serial in enumerate(("ib01A", "ib01B", "ib02A", "ib02B"))]
BOARD_B = targets.load("fpga-icebreaker").serial_board


@pytest.mark.parametrize(
    ("ports", "first", "second"),
    [
        (LINUX, "/dev/ttyUSB1", "/dev/ttyUSB3"),
        (MACOS, "/dev/cu.usbserial-ib011", "/dev/cu.usbserial-ib021"),
        (WINDOWS, "COM5", "COM7"),
    ],
    ids=["linux", "macos", "windows"],
)
def test_auto_finds_the_interface_of_the_board_of_a_serial_number(
    ports: list[ListPortInfo], first: str, second: str
) -> None:
    assert find(BOARD_B, "auto:ib01", ports) == first
    assert find(BOARD_B, "auto:ib02", ports) == second
    assert find(BOARD_B, "auto", ports[:2]) == first
    with pytest.raises(PortError, match="2 ports are those of a board 'iCEBreaker'") as caught:
        find(BOARD_B, "auto", ports)
    assert f"{first} (serial number ib01), {second} (serial number ib02)" in str(caught.value)
    assert "auto:SERIAL" in caught.value.hint
    with pytest.raises(PortError, match=r"no board .* serial number 'ib03' is plugged in; there are .*ib01.*ib02"):
        find(BOARD_B, "auto:ib03", ports)


def test_auto_takes_the_only_port_of_an_adapter_that_has_others_elsewhere() -> None:
    """Where a loader's library took the first one away, or a board has an adapter of one port."""
    assert find(BOARD_B, "auto", [adapter("/dev/cu.usbserial-1", FT2232, "ib01", "20-2")]) == "/dev/cu.usbserial-1"
    assert find(targets.load("fpga-colorlight-i5").serial_board, "auto", LINUX) == "/dev/ttyACM0"
    with pytest.raises(PortError, match="no board 'iCEBreaker' is plugged in; plug it in"):
        find(BOARD_B, "auto", LINUX[:1])


def test_what_is_no_serial_number() -> None:
    assert [serial_of(spec) for spec in ("auto:ib01", "auto", "auto:", "/dev/ttyUSB0", "loop://")] == [
        "ib01", None, None, None, None,
    ]  # fmt: skip


def test_a_bridge_is_asked_to_send_at_once_where_the_system_can() -> None:
    """By a protocol of pyserial's that can, and by one that cannot."""
    serial.protocol_handler_packages.append("tests.doubles")
    try:
        hurried = SerialPort("bridge://", 115200)
    finally:
        serial.protocol_handler_packages.remove("tests.doubles")
    assert hurried._serial.low_latency
    hurried.close()
    plain = SerialPort("loop://", 115200)
    plain.write(b"abc")
    assert plain.read(5.0) == b"abc"
    plain.close()


@pytest.mark.parametrize(
    ("cause", "said", "code"),
    [
        ("PermissionError(13, 'Access is denied.', None, 5)", "port COM3 is held by another process", "E602"),
        ("FileNotFoundError(2, 'The system cannot find the file.', None, 2)", "there is no port COM3", "E601"),
    ],
)
def test_what_pyserial_quotes_on_windows_is_understood(cause: str, said: str, code: str) -> None:
    error = _explain("COM3", serial.SerialException(f"could not open port 'COM3': {cause}"))
    assert str(error).startswith(said)
    assert error.code == code
