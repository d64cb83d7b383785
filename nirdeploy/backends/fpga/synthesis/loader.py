"""A bitstream into a board: by the loader that the target names, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.synthesis import families
from nirdeploy.errors import ToolMissing, TransferError


def command(target: FpgaTarget, file: Path) -> list[str]:
    """The command that loads ``file``. Raises :class:`TargetFileError` for a target without such a board."""
    return [*families.synthesis(target).loader, str(file)]


def load(target: FpgaTarget, file: Path) -> None:
    """Run the loader, its output on the terminal.

    Raises:
        ToolMissing: it is not installed; the hint is the exact command.
        TransferError: it failed.
    """
    line = command(target, file)
    if shutil.which(line[0]) is None:
        raise ToolMissing(f"{line[0]} is not installed", hint=f"install it and run: {' '.join(line)}")
    status = subprocess.run(line, stdout=2, check=False).returncode
    if status:
        raise TransferError(f"{line[0]} failed with status {status}", hint=f"the command was: {' '.join(line)}")
