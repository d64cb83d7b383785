"""ready: what a command needs is looked at before it works for long: tools, loader, port, and the place of its result.

What is looked at, and what mends it, is doctor's (:mod:`nirdeploy.cli.doctor_`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nirdeploy.errors import BoardsFileError, NirdeployError, PortError, ToolMissing

if TYPE_CHECKING:
    from nirdeploy.cli.doctor_.finding import Finding
    from nirdeploy.targets.tables import Target


def demand(found: Iterable[Finding]) -> None:
    """Raises the error of what is needed and not as it should be: :class:`ToolMissing`, :class:`PortError` or
    :class:`BoardsFileError`, with the command that mends it."""
    from nirdeploy.cli.doctor_.finding import FILE, PORT

    failed = [one for one in found if one.fails]
    if not failed:
        return
    kinds: dict[int, type[NirdeployError]] = {PORT: PortError, FILE: BoardsFileError}
    alike = [one for one in failed if one.exit_code == failed[0].exit_code]
    message = "; ".join(f"{one.what}: {one.said}" for one in alike)
    remedies = " && ".join(dict.fromkeys(one.remedy for one in alike if one.remedy))
    raise kinds.get(failed[0].exit_code, ToolMissing)(message, hint=remedies)


def to_make_and_load(target: Target) -> None:
    """What makes the bitstream of a target's board, what loads it and the board are here.

    A board that is not seen here may be loaded all the same, by a bitstream that is named: that takes no time.
    """
    from nirdeploy.cli.doctor_ import tools
    from nirdeploy.device import ports

    instead = (
        f"without a board: nirdeploy bitstream --board {target.name}, and then nirdeploy flash --board {target.name} "
        "--bitstream FILE"
    )
    try:
        demand([*tools.of_bitstream(target), *tools.of_loader(target)])
    except ToolMissing as error:
        raise ToolMissing(error.message, hint=f"{error.hint}; or make the bitstream {instead}") from error
    board = target.serial_board
    if board.usb and not ports.matching(board.usb, board.interface):
        raise PortError(f"no {board.name} is plugged in, by what the system lists", hint=f"plug it in; {instead}")


def to_make(target: Target) -> None:
    """What makes the bitstream of a target is here."""
    from nirdeploy.cli.doctor_ import tools

    demand(tools.of_bitstream(target))


def to_simulate(target: Target) -> None:
    """What compiles the virtual board of a target is here, or it is compiled already."""
    from nirdeploy.backends.fpga.simulated import board
    from nirdeploy.cli.doctor_ import tools

    if not board.is_prepared(target):
        demand(tools.virtual_board(True))


def to_open(port: str | None, target: Target | None) -> None:
    """A port may be opened: it is there, is this user's to open, and of a virtual board there is what compiles it.

    ``target``: None where it is not known yet, and the board's own is not looked at either.

    Raises:
        PortError, ToolMissing: what it is not. DeviceMismatch: the board of that name is other hardware.
        UsageProblem: the target has no board.
    """
    from nirdeploy.cli.doctor_ import ports
    from nirdeploy.device import ports as devices
    from nirdeploy.device.lab import choose

    if port is None or port == "sim":
        return
    if target is not None:
        _ = target.serial_board
    if (named := choose.board(port)) is not None and target is not None:
        choose.agree(named, target)
    if choose.is_virtual(port):
        if target is not None:
            to_simulate(target)
        return
    device = choose.without_faults(port) if named is None else choose.device_of(named)
    if target is not None and (device == devices.AUTO or devices.serial_of(device) is not None):
        device = devices.find(target.serial_board, device)
    if device.startswith("/"):
        if not Path(device).exists():
            raise devices.absent(device)
        demand([ports.permission(device, "", True)])


def to_write(path: Path, folder: bool = False) -> None:
    """A file (or ``folder``) can be written where it is to be, its folders made where there are none.

    Raises:
        ToolMissing: the system would refuse.
    """
    if not folder and path.is_dir():
        raise _refused(errno.EISDIR, path, "a file is to be written: name one in it")
    if folder and path.exists() and not path.is_dir():
        raise _refused(errno.EEXIST, path, "a folder is to be made of that name: name another")
    there = path.absolute() if folder else path.absolute().parent
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise _refused(errno.ENOTDIR, there, "name a place in a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _refused(errno.EACCES, there, f"you may not write there: name another place with -o, or {_mend(there)}")


def _refused(number: int, path: Path, hint: str) -> ToolMissing:
    return ToolMissing(f"the system refuses: {os.strerror(number)}", where=str(path), hint=hint)


def _mend(folder: Path) -> str:
    own = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    return f"chmod u+wx {folder}" if own else "have its owner let you"
