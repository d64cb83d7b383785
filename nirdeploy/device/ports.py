"""Ports: pyserial behind two verbs, and the errors of opening one."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Protocol

import serial
import serial.tools.list_ports

from nirdeploy.errors import PortBusy, PortError, TransferError
from nirdeploy.records import boards

_POLL_S = 0.05
_WRITE_S = 10.0  # a line that takes nothing for so long is dead


class Port(Protocol):
    """What the link needs of a line: bytes out, bytes in."""

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""

    def read(self, timeout: float) -> bytes:
        """What has come, at least one byte; empty after ``timeout`` seconds of silence."""

    def close(self) -> None:
        """Release the port."""


class SerialPort:
    """A serial port, or any URL pyserial opens (``socket://host:port``, ``rfc2217://...``).

    Raises:
        PortError: there is no such port, or no permission; lists the ports there are.
        PortBusy: another process holds it.
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        try:
            self._serial = serial.serial_for_url(name, baud, timeout=_POLL_S, write_timeout=_WRITE_S, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise _explain(name, error) from error

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise TransferError(f"the port was lost while writing: {error}", where=self.name) from error

    def read(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        try:
            while True:
                data: bytes = self._serial.read(1)
                if data:
                    return data + bytes(self._serial.read(self._serial.in_waiting))
                if time.monotonic() >= deadline:
                    return b""
        except (serial.SerialException, OSError) as error:
            raise TransferError(f"the port was lost while reading: {error}", where=self.name) from error

    def close(self) -> None:
        self._serial.close()


def matching(usb: tuple[str, ...]) -> list[str]:
    """Ports whose USB id ("vid:pid", hex) is one of ``usb``; looks only, writes to none."""
    wanted = {tuple(int(part, 16) for part in entry.split(":")) for entry in usb}
    return [port.device for port in serial.tools.list_ports.comports() if (port.vid, port.pid) in wanted]


def _explain(name: str, error: Exception) -> PortError:
    number = getattr(error, "errno", None)
    there = ", ".join(sorted(port.device for port in serial.tools.list_ports.comports())) or "none"
    if number in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY):
        return PortBusy(
            f"port {name} is held by {_holder(name) or 'another process'}", hint="close that program and try again"
        )
    if number in (errno.EACCES, errno.EPERM):
        return PortError(f"no permission to open port {name}", hint="join the group that owns it, often 'dialout'")
    if number == errno.ENOENT:
        return PortError(f"there is no port {name}", hint=f"ports found: {there}; or 'virtual' for the virtual board")
    return PortError(f"cannot open port {name}: {error}", hint=f"ports found: {there}")


def _holder(name: str) -> str:
    """The process that has the port open and is not the board behind it, as far as this user may see."""
    path = os.path.realpath(name)
    known = {os.getpid(), *(board.pid for board in boards.running() if board.port == path)}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == path and int(link.parts[2]) not in known:
                command = Path("/proc", link.parts[2], "comm").read_text().strip()
                return f"process {link.parts[2]} ({command})"
        except OSError:
            continue
    return ""
