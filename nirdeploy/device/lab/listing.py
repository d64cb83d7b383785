"""listing: every board that there is here, real and virtual, whether it is free, and if not, who has it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from serial.tools.list_ports import comports
from serial.tools.list_ports_common import ListPortInfo

from nirdeploy.device import ports
from nirdeploy.device.lab import choose, file
from nirdeploy.device.lab.file import NamedBoard
from nirdeploy.errors import NirdeployError
from nirdeploy.records import boards, claims
from nirdeploy.records.boards import BoardRecord
from nirdeploy.records.holders import Holder
from nirdeploy.targets import registry

FREE, BUSY, ABSENT, WRONG = "free", "busy", "absent", "wrong"


@dataclass(frozen=True)
class Listed:
    """A board. ``kind``: "real" or "virtual"; ``targets``: which it is, or may be where only its adapter is known.

    ``state``: "free"; "busy" (``by`` whom, where the system tells; ``claimed``: a nirdeploy has it); "absent" (``why``)
    or "wrong": nobody can use it (``why``: its target is none, or has no board). ``device``: the port's path, where it
    is plugged in. ``record``: of a virtual one that runs.
    """

    name: str | None
    kind: str
    port: str
    targets: tuple[str, ...]
    state: str
    device: str | None = None
    by: Holder | None = None
    why: str = ""
    claimed: bool = False
    record: BoardRecord | None = None

    def as_dict(self) -> dict[str, Any]:
        own = self.record.shown() if self.record else {}
        return {
            **own,
            "name": self.name,
            "kind": self.kind,
            "port": self.port,
            "device": self.device,
            "target": self.targets[0] if len(self.targets) == 1 else None,
            "targets": list(self.targets),
            "state": self.state,
            "by": self.by.as_dict() if self.by else None,
            "why": self.why,
        }

    def row(self) -> dict[str, object]:
        """For a table."""
        return {
            "name": self.name or "",
            "kind": self.kind,
            "port": self.port if self.device in (None, self.port) else f"{self.port} ({self.device})",
            "target": " or ".join(self.targets),
            "state": self.state,
            "by": "; ".join(filter(None, (str(self.by or ""), self.why))),
        }


def listed() -> list[Listed]:
    """Boards of boards.toml, virtual boards that run, and adapters of boards that nobody has named, in this order.

    Raises:
        BoardsFileError: boards.toml is malformed.
    """
    there = list(comports())
    named = [of_named(board, there) for board in file.load().boards.values()]
    virtual = [_virtual(record) for record in boards.running()]
    known = {os.path.realpath(one.device) for one in named if one.device}
    return [*named, *virtual, *_unnamed(there, known)]


def of_named(board: NamedBoard, there: Sequence[ListPortInfo]) -> Listed:
    """A board of boards.toml, among the ports there are."""
    spec = choose.without_faults(board.port)
    kind = "virtual" if spec == file.VIRTUAL else "real"
    found = Listed(board.name, kind, spec, (board.target_name,), FREE)
    try:
        board.hardware()
        wrong = ""
    except NirdeployError as error:
        wrong = str(error)
    if kind == "virtual":
        return replace(found, state=WRONG, why=wrong) if wrong else replace(found, why="started for whoever uses it")
    try:
        device = choose.device_of(board, there)
    except NirdeployError as error:
        return replace(found, state=WRONG if wrong else ABSENT, why=wrong or str(error))
    found = replace(found, device=device, why=wrong, **_taken(device))
    return replace(found, state=WRONG) if wrong and found.state == FREE else found


def _virtual(record: BoardRecord) -> Listed:
    why, port = "" if record.name else "ends with the program that started it", record.port
    return Listed(record.name, "virtual", port, (record.target,), device=port, why=why, record=record, **_taken(port))


def _unnamed(there: Sequence[ListPortInfo], known: set[str]) -> list[Listed]:
    """What looks like a board of ours by its adapter's USB id."""
    fitting: dict[str, list[str]] = {}
    for name in registry.names():
        board = registry.load(name).board
        for port in ports.matching(board.usb, board.interface, there) if board and board.usb else ():
            fitting.setdefault(str(port.device), []).append(name)
    serials = {str(port.device): port.serial_number for port in there}
    found = []
    for device, targets in sorted(fitting.items()):
        if os.path.realpath(device) not in known:
            why = f"serial number {serials[device]}" if serials[device] else "no serial number"
            found.append(Listed(None, "real", device, tuple(targets), device=device, why=why, **_taken(device)))
    return found


def _taken(device: str) -> dict[str, Any]:
    """``state``, ``by`` and ``claimed``: who claimed it has it; who has its port open may only look on."""
    claim = claims.holder(os.path.realpath(device))
    by = claim or ports.holder(device)
    return {"state": FREE if by is None else BUSY, "by": by, "claimed": claim is not None}
