"""A bitstream into a board: by the loader that the target names, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.synthesis import families, identify
from nirdeploy.errors import ToolMissing, TransferError, UsageProblem


def command(target: FpgaTarget, file: Path, *, persistent: bool = False, serial: str | None = None) -> list[str]:
    """The command that loads ``file``.

    Args:
        persistent: into the board's flash, from where the chip configures itself at power-on.
        serial: of the board's USB adapter, where several are plugged in.

    Raises:
        TargetFileError: the target has no such board.
        UsageProblem: its loader does not do that.
    """
    chosen = families.synthesis(target)
    line = list(chosen.loader)
    if persistent:
        if chosen.loader_persistent is None:
            raise UsageProblem(
                f"the loader of {target.serial_board.name} does not write its flash",
                where=f"target {target.name}",
                hint="leave --persistent out, and load the board again after each power-on",
            )
        line += chosen.loader_persistent
    if serial is not None:
        if chosen.loader_serial is None:
            raise UsageProblem(
                f"the loader of {target.serial_board.name} cannot choose its adapter by a serial number",
                where=f"target {target.name}",
                hint="leave --port out, and plug in only one board of the kind while it is loaded",
            )
        line += [chosen.loader_serial, serial]
    return [*line, str(file)]


def load(target: FpgaTarget, file: Path, *, persistent: bool = False, serial: str | None = None) -> None:
    """Run the loader, its output on the terminal; arguments as of :func:`command`.

    Raises:
        UsageProblem: the bitstream is for another chip.
        ToolMissing: the loader is not installed; the hint is the exact command.
        TransferError: it failed.
    """
    line = command(target, file, persistent=persistent, serial=serial)
    identify.check(target, file)
    if shutil.which(line[0]) is None:
        raise ToolMissing(f"{line[0]} is not installed", hint=f"install it and run: {' '.join(line)}")
    status = subprocess.run(line, stdout=2, check=False).returncode
    if status:
        raise TransferError(f"{line[0]} failed with status {status}", hint=f"the command was: {' '.join(line)}")
