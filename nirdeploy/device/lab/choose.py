"""choose: the board that a name stands for, wherever a port is taken."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serial.tools.list_ports import comports
from serial.tools.list_ports_common import ListPortInfo

from nirdeploy.device import faults, ports
from nirdeploy.device.lab import file
from nirdeploy.device.lab.file import NamedBoard
from nirdeploy.errors import DeviceMismatch, PortError, UsageProblem, meant, near
from nirdeploy.records import boards, claims
from nirdeploy.records.claims import Claim, Say
from nirdeploy.targets.tables import Target

WAIT = "NIRDEPLOY_WAIT"


def board(spec: str) -> NamedBoard | None:
    """The board that a port's text names, behind faults too; None where it is no name.

    Raises:
        PortError: no board is called so; says which there are.
    """
    spec = without_faults(spec)
    if not file.is_name(spec):
        return None
    lab = file.load()
    found = lab.boards.get(spec)
    named = {one.name: one for one in boards.running() if one.name is not None}
    if found is None and spec in named:
        record = named[spec]
        found = NamedBoard(spec, record.port, record.target, None, record.baud)
    if found is None and not Path(spec).exists():  # a port's path from here
        known = [*lab.boards, *named]
        hint = meant(spec, known, "boards:") if known else _unnamed(spec)
        where = str(lab.file) if lab.file else f"no {file.FILE} was found from here up, nor in the user's configuration"
        raise PortError(f"there is no board {spec!r}", where=where, hint=hint)
    return found


def _unnamed(spec: str) -> str:
    found = near(spec, sorted(file.RESERVED))
    return (f"did you mean {found!r}? " if found else "") + "name a port by its path, 'auto' or 'virtual'"


def port(spec: str) -> str:
    """``spec`` with a board's name replaced by its port. Raises as :func:`board`."""
    found = board(spec)
    inner = without_faults(spec)
    return spec if found is None else spec[: len(spec) - len(inner)] + found.port


def is_virtual(spec: str) -> bool:
    """Whether a board is simulated for whoever opens it. Raises as :func:`board`."""
    return without_faults(port(spec)) == file.VIRTUAL


def agree(named: NamedBoard, target: Target) -> None:
    """Whether a board is the hardware of ``target``, as far as its file says, before anything is sent.

    Raises:
        DeviceMismatch: it is not.
    """
    if named.file is None:
        return  # the board says so itself
    own = named.target()
    if own.signature != target.signature:
        raise DeviceMismatch(
            f"board {named.name!r} is of target {own.name!r} (hardware {own.signature.hex()}), and this is for "
            f"{target.name!r} ({target.signature.hex()})",
            where=str(named.file),
            hint=f"build the network for it (nirdeploy build MODEL -t {named.target_name}), or name another board",
        )


def device_of(named: NamedBoard, there: Iterable[ListPortInfo] | None = None) -> str:
    """The path, or URL, that a board's port is at; ``there``: the ports that this system has.

    Raises:
        PortError: it is not plugged in, several could be meant, or what is there is no port.
    """
    spec = without_faults(named.port)
    listed = list(comports() if there is None else there)
    if spec == ports.AUTO or ports.serial_of(spec) is not None:
        return ports.find(named.hardware(), spec, listed)
    if "://" not in spec and not Path(spec).exists() and spec not in {str(port.device) for port in listed}:
        raise ports.absent(spec)
    if os.name == "posix" and "://" not in spec:
        _check_is_port(spec)
    return spec


def _check_is_port(path: str) -> None:
    """Raises :class:`PortError` where something else is there."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return
    if not stat.S_ISCHR(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "something else"
        raise PortError(f"{path} is no serial port but {kind}", hint="mend the board's port, such as /dev/ttyUSB1")


def claimed(named: NamedBoard, say: Say | None = None) -> Claim:
    """Claim a board for what goes past its port, such as loading its chip. Raises :class:`PortBusy`."""
    try:
        what = device_of(named)
    except PortError:
        what = named.port  # without power it has no port
    return claims.claim(os.path.realpath(what), f"board {named.name!r}", wait(), say)


def wait() -> float:
    """Seconds to wait for a board that another has: what ``--wait`` or ``NIRDEPLOY_WAIT`` says, else none."""
    text = os.environ.get(WAIT) or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageProblem(f"{WAIT}={text} is not a number of seconds", hint="such as 30; 0 does not wait")
    return seconds


@contextmanager
def asked(variable: str, value: str) -> Iterator[None]:
    """What an option says, for this process and those that it starts, meanwhile."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before


def without_faults(spec: str) -> str:
    """The port behind ``fault:...:``."""
    while spec.startswith(faults.PREFIX):
        spec = faults.parse(spec)[1]
    return spec
