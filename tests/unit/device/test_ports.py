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

from nirdeploy import processes
from nirdeploy.device.ports import SerialPort, matching
from nirdeploy.errors import PortBusy, PortError, TransferError


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
    with pytest.raises(PortError, match="there is no port /dev/ttyNOPE; ports found") as caught:
        SerialPort("/dev/ttyNOPE", 115200)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("name", ["/dev/null", "bogus://x", "socket://127.0.0.1:1", ""])
def test_not_a_serial_port(name: str) -> None:
    with pytest.raises(PortError, match="port"):
        SerialPort(name, 115200)


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
