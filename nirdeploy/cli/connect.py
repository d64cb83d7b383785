"""Opening a device from the command line: as :func:`nirdeploy.open_device`, with the wait shown."""

from __future__ import annotations

from nirdeploy.cli.ui import Terminal
from nirdeploy.device import VIRTUAL, Device, open_device
from nirdeploy.target import Target


def connect(ui: Terminal, port: str, target: str | Target, baud: int | None) -> Device:
    """Open a device; a virtual board's hardware may have to be compiled first, which takes a while."""
    if port.rpartition(":")[2] == VIRTUAL:
        prepare(ui, target)
    with ui.busy(f"opening {port}"):
        return open_device(port, target, baud)


def prepare(ui: Terminal, target: str | Target) -> None:
    """Compile the virtual board's hardware unless that was done before."""
    from nirdeploy import board, target as targets

    chosen = targets.load(target)
    if not board.is_prepared(chosen):
        with ui.busy("compiling the virtual board (once per hardware, about a minute)"):
            board.prepare(chosen)
