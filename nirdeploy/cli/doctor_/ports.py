"""Serial ports, and whether this user may open them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nirdeploy.cli.doctor_.finding import OK, PORT, PROBLEM, Finding, sudo

if TYPE_CHECKING:
    from serial.tools.list_ports_common import ListPortInfo

_RULES = "/etc/udev/rules.d/70-nirdeploy.rules"


def every() -> list[Finding]:
    """Each serial port that the system lists."""
    from serial.tools.list_ports import comports

    there = sorted(comports(), key=lambda port: str(port.device))
    if not there:
        return [Finding("ports", "serial ports", OK, "none is there; the virtual board needs none")]
    return [one(port, fitting(port, there)) for port in there]


def fitting(port: ListPortInfo, there: Sequence[ListPortInfo]) -> list[str]:
    """The targets whose board has such an adapter."""
    from nirdeploy.device import ports
    from nirdeploy.targets import registry

    boards = ((name, registry.load(name).board) for name in registry.names())
    return [
        name
        for name, board in boards
        if board and board.usb and port in ports.matching(board.usb, board.interface, there)
    ]


def one(port: ListPortInfo, targets: Sequence[str] = (), needed: bool = False) -> Finding:
    """A port: what it is, and whether it may be opened."""
    usb = "" if port.vid is None else f"USB {port.vid:04x}:{port.pid:04x}, serial number {port.serial_number or 'none'}"
    whose = f"may be {' or '.join(targets)}" if targets else ""
    said = "; ".join(filter(None, [usb or _described(port), whose]))
    return permission(str(port.device), said, needed, port)


def _described(port: ListPortInfo) -> str:
    told = str(port.description or "")
    return told if told not in ("", "n/a", str(port.device)) else "a serial port, not USB"


def permission(device: str, said: str, needed: bool, port: ListPortInfo | None = None) -> Finding:
    """Whether this user may open the port at a path, and the command after which he may."""
    if not Path(device).exists() or os.access(device, os.R_OK | os.W_OK):
        return Finding("ports", device, OK, said, needed=needed, exit_code=PORT)
    why, remedy = _remedy(device, port)
    said = "; ".join(filter(None, [said, f"no permission to open it: {why}"]))
    return Finding("ports", device, PROBLEM, said, remedy, needed, PORT)


def usb(port: ListPortInfo, needed: bool) -> list[Finding]:
    """Whether a loader may open the port's adapter, which it does past the serial port; none where that is not told."""
    path = getattr(port, "usb_device_path", None)
    try:
        bus, number = (int((Path(path) / name).read_text()) for name in ("busnum", "devnum")) if path else (0, 0)
    except (OSError, ValueError):
        return []
    node = Path(f"/dev/bus/usb/{bus:03d}/{number:03d}")
    if not node.exists():
        return []
    what = f"{node} (adapter of {port.device})"
    if os.access(node, os.W_OK):
        return [Finding("ports", what, OK, "a loader may open it", needed=needed, exit_code=PORT)]
    return [Finding("ports", what, PROBLEM, "no permission for a loader to open it", _udev(port), needed, PORT)]


def _remedy(device: str, port: ListPortInfo | None) -> tuple[str, str]:
    """Why a port cannot be opened, and the command."""
    try:
        import grp
        import pwd

        found = Path(device).stat()
        group, user = grp.getgrgid(found.st_gid), pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, OSError):
        return "it is another user's", f"{sudo()}chmod a+rw {shlex.quote(device)}"
    by_group = found.st_mode & 0o060 == 0o060 and found.st_gid != 0
    if by_group and user in group.gr_mem and found.st_gid not in os.getgroups():
        return f"{user} is in the group {group.gr_name!r} since after this login", f"newgrp {group.gr_name}"
    if by_group and found.st_gid not in os.getgroups():
        why = f"{user} is not in the group {group.gr_name!r}, which owns it"
        return why, f"{sudo()}usermod -aG {group.gr_name} {user} && newgrp {group.gr_name}"
    return f"it belongs to {_owner(found.st_uid)} alone", _udev(port) if port is not None and port.vid else (
        f"{sudo()}chmod a+rw {shlex.quote(device)}"
    )


def _owner(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _udev(port: ListPortInfo) -> str:
    """A rule by which whoever is logged in may open the adapter and its ports."""
    rule = (
        f'SUBSYSTEMS=="usb", ATTRS{{idVendor}}=="{port.vid:04x}", ATTRS{{idProduct}}=="{port.pid:04x}", '
        'MODE="0660", GROUP="dialout", TAG+="uaccess"'
    )
    load = f"{sudo()}udevadm control --reload-rules && {sudo()}udevadm trigger"
    return f"echo '{rule}' | {sudo()}tee -a {_RULES} && {load}"
