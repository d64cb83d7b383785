"""The boards of boards.toml: whether each is there, may be opened, and has what it names."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nirdeploy.cli.doctor_ import ports, tools
from nirdeploy.cli.doctor_.finding import FILE, MISSING, OK, PORT, PROBLEM, Finding
from nirdeploy.errors import BoardsFileError, NirdeployError, UsageProblem

if TYPE_CHECKING:
    from nirdeploy.device.lab.file import NamedBoard

_AREA = "boards"


def every() -> list[Finding]:
    """The file of boards, and each of its boards."""
    from nirdeploy.device.lab import file

    try:
        lab = file.load()
    except (BoardsFileError, UsageProblem) as error:
        remedy = error.hint or f"mend it: {error.where}"
        return [Finding(_AREA, file.FILE, PROBLEM, f"{error.message} ({error.where})", remedy, True, FILE)]
    if lab.file is None:
        return [Finding(_AREA, file.FILE, OK, "there is none: no board has a name")]
    count = len(lab.boards)
    said = f"{lab.file}: {count} board{'' if count == 1 else 's'}"
    return [Finding(_AREA, file.FILE, OK, said), *(one for board in lab.boards.values() for one in of(board, False))]


def of(board: NamedBoard, needed: bool) -> list[Finding]:
    """A board: its target, port, bitstream and power switch."""
    try:
        target = board.target()
        _ = target.serial_board
    except NirdeployError as error:
        return [Finding(_AREA, board.name, PROBLEM, f"target: {error}", _edit(board), needed, FILE)]
    found = [_there(board, needed), *_may_be_opened(board, needed)]
    if board.bitstream is not None and not board.bitstream.is_file():
        make = f"nirdeploy bitstream --board {target.name} -o {shlex.quote(str(board.bitstream.parent))}"
        found.append(Finding(_AREA, board.name, MISSING, f"no bitstream {board.bitstream}", make, needed, FILE))
    if board.bitstream is not None and target.synthesis is not None:
        found.append(tools.loader(target.synthesis.loader[0], needed))
    return [*found, *_power(board, needed)]


def _there(board: NamedBoard, needed: bool) -> Finding:
    from serial.tools.list_ports import comports

    from nirdeploy.device.lab import listing

    one = listing.of_named(board, list(comports()))
    said = f"port {one.port}{f' ({one.device})' if one.device not in (None, one.port) else ''}, {board.target_name}"
    if one.state == listing.ABSENT:
        mend = (
            f"plug it in and switch it on, or mend its port in {board.file}; nirdeploy board list shows what is there"
        )
        if board.power is not None and (board.power.on or board.power.cycle):
            mend = f"nirdeploy board power {board.name} {'on' if board.power.on else 'cycle'}; or {mend}"
        return Finding(_AREA, board.name, MISSING, f"not there: {one.why}", mend, needed, PORT)
    if one.state == listing.BUSY:
        end = f"end it: kill {one.by.pid}" if one.by and one.claimed else "close that program"
        mend = f"wait for it (--wait SECONDS), or {end}"
        return Finding(_AREA, board.name, PROBLEM, f"{said}: held by {one.by or 'another process'}", mend, needed, PORT)
    return Finding(_AREA, board.name, OK, said, needed=needed, exit_code=PORT)


def _may_be_opened(board: NamedBoard, needed: bool) -> list[Finding]:
    from serial.tools.list_ports import comports

    from nirdeploy.device.lab import choose, file

    if choose.without_faults(board.port) == file.VIRTUAL:
        return tools.virtual_board(needed)
    try:
        device = choose.device_of(board)
    except NirdeployError:  # said already
        return []
    port = next((one for one in comports() if str(one.device) == device), None)
    found = ports.permission(device, f"of board {board.name!r}", needed, port)
    return [found, *(ports.usb(port, needed and board.bitstream is not None) if port is not None else [])]


def _power(board: NamedBoard, needed: bool) -> list[Finding]:
    from nirdeploy.device.lab import power

    return [
        Finding(
            _AREA, board.name, MISSING, f"its power switch needs {one}, not found on PATH", f"install {one}", needed
        )
        for one in power.missing(board)
    ]


def _edit(board: NamedBoard) -> str:
    return f"mend boards.{board.name}.target in {board.file}; nirdeploy targets lists them"
