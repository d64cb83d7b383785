"""The command line: one file per command, one error boundary, one place that writes to the terminal; and the plug-in
by which pytest does the same.

The package alone costs nothing: pytest loads the plug-in wherever nirdeploy is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point: runs a command and turns every error into one paragraph and an exit code."""
    from nirdeploy.cli import entry

    entry.main(arguments)
