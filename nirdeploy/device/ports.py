"""Ports: pyserial behind two verbs, and the errors of opening one."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterable
from typing import Protocol

import serial
import serial.tools.list_ports
from serial.tools.list_ports_common import ListPortInfo

from nirdeploy.errors import PortBusy, PortError, TransferError, UsageProblem, near
from nirdeploy.records import boards, claims, holders
from nirdeploy.records.claims import Say
from nirdeploy.records.holders import Holder
from nirdeploy.targets.tables import Board

AUTO = "auto"
_FTDI = 0x0403
_POLL_S = 0.005
_HELD_S = 0.05  # between two looks whether another process still has the port
MOST_BAUD = (1 << 31) - 1  # what systems take
_WRITE_S = 10.0  # a line that takes nothing for so long is dead


class Port(Protocol):
    """What the link needs of a line: bytes out, bytes in."""

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""

    def read(self, timeout: float) -> bytes:
        """What has come, at least one byte; empty after ``timeout`` seconds of silence, at once where that is 0."""

    def close(self) -> None:
        """Release the port."""


class SerialPort:
    """A serial port, or any URL pyserial opens (``socket://host:port``, ``rfc2217://...``).

    Raises:
        PortError: there is no such port, or no permission; lists the ports there are.
        PortBusy: another process holds it.
        UsageProblem: no line has that rate.
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        check_baud(baud)
        try:
            self._serial = serial.serial_for_url(name, baud, timeout=_POLL_S, write_timeout=_WRITE_S, exclusive=True)
        except (serial.SerialException, OSError, ValueError, OverflowError) as error:
            raise _explain(name, error) from error
        # FTDI's bridges hold back what does not fill a packet for 16 ms; some systems can ask for 1 ms, others say no.
        with contextlib.suppress(AttributeError, NotImplementedError, ValueError, OSError):
            self._serial.set_low_latency_mode(True)

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise TransferError(
                f"the port was lost while writing: {error}",
                where=self.name,
                hint="plug the board in again, and run the command again",
            ) from error

    def read(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        try:
            while timeout > 0 or self._serial.in_waiting:  # who does not wait at all spares the time of looking
                data: bytes = self._serial.read(1)
                if data:
                    return data + bytes(self._serial.read(self._serial.in_waiting))
                if time.monotonic() >= deadline:
                    break
            return b""
        except (serial.SerialException, OSError) as error:
            raise TransferError(
                f"the port was lost while reading: {error}",
                where=self.name,
                hint="plug the board in again, and run the command again",
            ) from error

    def close(self) -> None:
        self._serial.close()


class ClaimedPort(SerialPort):
    """A port that this process has claimed: until it is closed no other nirdeploy of this user opens it.

    Args:
        label: as users know it, such as "board 'lab1'".
        wait: seconds to wait where another process has claimed it, or holds it; ``say`` is told for whom.

    Raises:
        PortBusy: another has it still. PortError: as of :class:`SerialPort`.
    """

    def __init__(self, name: str, baud: int, label: str, wait: float = 0.0, say: Say | None = None) -> None:
        deadline = time.monotonic() + wait
        self._claim = claims.claim(os.path.realpath(name), label, wait, say)
        try:
            while True:
                try:
                    super().__init__(name, baud)
                    return
                except PortBusy:
                    if time.monotonic() >= deadline:
                        raise
                    if say is not None:
                        say(claims.waits(label, holder(name), wait))
                        say = None
                    time.sleep(_HELD_S)
        except BaseException:
            self._claim.release()
            raise

    def close(self) -> None:
        super().close()
        self._claim.release()


def check_baud(baud: int) -> None:
    """Raises :class:`UsageProblem` where no line has that rate."""
    if not 1 <= baud <= MOST_BAUD:
        raise UsageProblem(
            f"no line has a rate of {baud:,} baud", hint=f"1 to {MOST_BAUD:,}; leave it out for the target's own"
        )


def serial_of(spec: str) -> str | None:
    """SERIAL of ``auto:SERIAL``; None of any other port."""
    kind, _, serial = spec.partition(":")
    return serial if kind == AUTO and serial else None


def serial_at(device: str) -> str | None:
    """The serial number of the adapter that a port's path is of, where it has one."""
    there = (port for port in serial.tools.list_ports.comports() if str(port.device) == os.path.realpath(device))
    return next((_adapter(port)[0] or None for port in there), None)


def find(board: Board, spec: str, ports: Iterable[ListPortInfo] | None = None) -> str:
    """The port that ``auto`` or ``auto:SERIAL`` names; looks only, writes to none.

    Args:
        ports: among which; by default those that this system has.

    Raises:
        PortError: none is the board's, or several are; names them.
    """
    every = matching(board.usb, board.interface, ports)
    wanted = serial_of(spec)
    fitting = [port for port in every if wanted in (None, _adapter(port)[0])]
    if len(fitting) == 1:
        return str(fitting[0].device)
    listed = ", ".join(f"{port.device} (serial number {_adapter(port)[0] or 'none'})" for port in fitting or every)
    with_serial = "" if wanted is None else f" with the serial number {wanted!r}"
    if fitting:
        choose = "name the port" if wanted is not None else "choose one by auto:SERIAL, or name the port"
        raise PortError(f"{len(fitting)} ports are those of a board {board.name!r}{with_serial}: {listed}", hint=choose)
    others = f"there {'is' if len(every) == 1 else 'are'} {listed}" if every else "plug it in, or name the port"
    raise PortError(
        f"no board {board.name!r}{with_serial} is plugged in",
        hint=f"{others}; 'nirdeploy board list' shows what is there, and 'virtual' is the virtual board",
    )


def matching(
    usb: Iterable[str], interface: int | None = None, ports: Iterable[ListPortInfo] | None = None
) -> list[ListPortInfo]:
    """Ports whose USB id ("vid:pid", hex) is one of ``usb``, and that are their adapter's number ``interface``.

    Where the system does not number an adapter's ports, they count in the order of their names; one alone is taken.
    """
    wanted = {tuple(int(part, 16) for part in entry.split(":")) for entry in usb}
    ports = serial.tools.list_ports.comports() if ports is None else ports
    there = sorted((port for port in ports if (port.vid, port.pid) in wanted), key=lambda port: str(port.device))
    if interface is None:
        return there
    fitting = []
    for port in there:
        serial_number, number = _adapter(port)
        if number is None:
            same = [p for p in there if (_adapter(p), p.location) == ((serial_number, None), port.location)]
            number = same.index(port) if len(same) > 1 else interface
        if number == interface:
            fitting.append(port)
    return fitting


def _adapter(port: ListPortInfo) -> tuple[str, int | None]:
    """The serial number of a port's adapter, and which of its ports this is, where the system tells.

    Linux and Windows write the interface behind the location ("1-2:1.1"); FTDI's driver for Windows appends a letter to
    the serial number instead.
    """
    serial_number, numbered = port.serial_number or "", re.search(r":[\dx]+\.(\d+)$", port.location or "")
    if numbered:
        return serial_number, int(numbered[1])
    if port.vid == _FTDI and str(port.device).startswith("COM") and serial_number[-1:] in tuple("ABCD"):
        return serial_number[:-1], ord(serial_number[-1]) - ord("A")
    return serial_number, None


def _explain(name: str, error: Exception) -> PortError:
    number = getattr(error, "errno", None)
    if number is None and (quoted := re.search(r"Error\((\d+),", str(error))):  # pyserial's on Windows quote the cause
        number = int(quoted[1])
        if number == errno.EACCES:  # which is what a port in use is there
            number = errno.EBUSY
    if number in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY):
        return PortBusy(
            f"port {name} is held by {holder(name) or 'another process'}", hint="close that program and try again"
        )
    if number in (errno.EACCES, errno.EPERM):
        return PortError(f"no permission to open port {name}", hint="join the group that owns it, often 'dialout'")
    if number == errno.ENOENT:
        return absent(name)
    return PortError(f"cannot open port {name}: {error}", hint=f"ports found: {_there()}")


def absent(name: str) -> PortError:
    """The error of a port that is not there."""
    found = near(name, [str(port.device) for port in serial.tools.list_ports.comports()])
    said = f"did you mean {found!r}? " if found else ""
    return PortError(
        f"there is no port {name}", hint=f"{said}ports found: {_there()}; or 'virtual' for the virtual board"
    )


def _there() -> str:
    return ", ".join(sorted(port.device for port in serial.tools.list_ports.comports())) or "none"


def holder(name: str) -> Holder | None:
    """The process that has the port open and is not the board behind it, as far as this user may see."""
    path = os.path.realpath(name)
    known = {os.getpid(), *(board.pid for board in boards.running() if board.port == path)}
    return holders.of_file(path, known)
