"""opened: a port by what the user calls it, and the device that answers there, to be run or stepped on and on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nirdeploy.device import faults
from nirdeploy.device.client import Device
from nirdeploy.device.lab import choose
from nirdeploy.device.ports import AUTO, ClaimedPort, Port, SerialPort, check_baud, find, serial_of
from nirdeploy.device.streaming.opening import stream
from nirdeploy.device.streaming.session import StepStream
from nirdeploy.errors import DeviceMismatch, PortError
from nirdeploy.records import boards
from nirdeploy.records.claims import Say
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target

VIRTUAL = "virtual"
_SIMULATED_ATTEMPTS = 60


class OpenDevice(Device):
    """A device that streams, too."""

    def stream(self, probe: str | Sequence[str] = "outputs", **options: Any) -> StepStream:
        """The flashed network, stepped on and on: ``with device.stream() as s: out = s.step(x)``.

        Arguments and errors as of :func:`nirdeploy.device.streaming.opening.stream`.
        """
        return stream(self, probe, **options)


def open_port(
    spec: str, target: Target, baud: int, *, wait: float | None = None, say: Say | None = None
) -> tuple[Port, Callable[[], None] | None]:
    """Open what ``spec`` says: a board's name, a device path, a pyserial URL, ``virtual``, ``fault:...:SPEC``, ``auto``
    or ``auto:SERIAL``.

    Args:
        wait, say: as of :func:`open_device`.

    Returns the port and what to call when it has been closed. Raises as :func:`open_device` until somebody answers.
    """
    check_baud(baud)
    wait = choose.wait() if wait is None else wait  # whatever the port: a wrong number is said, needed or not
    if spec.startswith(faults.PREFIX):
        settings, inner = faults.parse(spec)
        port, on_close = open_port(inner, target, baud, wait=wait, say=say)
        return faults.FaultyPort(port, settings), on_close
    if (named := choose.board(spec)) is not None:
        label, spec = f"board {spec!r}", named.port
        if spec.startswith(faults.PREFIX):
            return open_port(spec, target, baud, wait=wait, say=say)
    else:
        label = f"port {spec}"
    if spec == VIRTUAL:
        running = targets.backend_of(target).virtual_board(target, baud)
        try:
            return SerialPort(running.port, baud), running.stop
        except PortError:
            running.stop()
            raise
    if spec == AUTO or serial_of(spec) is not None:
        spec = find(target.serial_board, spec)
    return ClaimedPort(spec, baud, label, wait, say), None


def open_device(
    port: str = VIRTUAL,
    target: str | Target | None = None,
    baud: int | None = None,
    *,
    wait: float | None = None,
    say: Say | None = None,
    **options: Any,
) -> OpenDevice:
    """Open a port and check that the hardware there is the target's.

    Args:
        port: "virtual", the name of a board (of boards.toml, or one that ``nirdeploy board start`` started),
            "/dev/ttyUSB1", a pyserial URL, "auto" (by the board's USB id), "auto:SERIAL" (by its adapter's serial
            number too), or "fault:seed=1,drop=1e-4:PORT".
        target: by default the named board's, or the default target.
        baud: the line's rate, if not the board's, or the target file's.
        wait: seconds to wait while another process has the board; by default what NIRDEPLOY_WAIT says, else none.
        say: is told for whom, and which file the board is of.

    Raises:
        PortError, PortBusy: no such port or board, or held by another process.
        UsageProblem: no line has that baud rate. DeviceSilent: nobody answers.
        DeviceMismatch: other hardware; says both signatures.
    """
    named = choose.board(port)
    target = named.target() if named is not None and target is None else targets.load(target)
    if named is not None:
        choose.agree(named, target)
        if say is not None:
            say(named.said)
    rate = baud or (named.baud if named is not None else None) or target.serial_board.baud
    line, on_close = open_port(port, target, rate, wait=wait, say=say)
    try:
        if on_close is not None or _is_simulated(line):
            # as slow as the machine is busy; one that ended says so
            options = {"attempts": _SIMULATED_ATTEMPTS, **options}
        options.setdefault("baud", rate)
        device = OpenDevice(line, name=port, on_close=on_close, **options)
        found = device.hello().signature
        if found != target.signature:
            raise DeviceMismatch(
                f"the device is hardware {found.hex()}, target {target.name!r} is {target.signature.hex()}",
                where=f"port {port}",
                hint="choose the target whose bitstream is loaded, or load the target's bitstream",
            )
    except BaseException:
        line.close()
        if on_close:
            on_close()
        raise
    return device


def _is_simulated(line: Port) -> bool:
    """Whether a board in the background is behind it."""
    name = getattr(line, "name", None)
    return name is not None and any(board.port == name for board in boards.running())
