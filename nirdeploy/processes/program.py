"""program: another's program, run to its end with all that it starts: a compiler's driver, a script of a switch."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run(
    command: Sequence[str],
    cwd: Path,
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
    stderr: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """What it said and how it ended. It has no input, and a group of its own: it ends with all that it started once
    it took longer than ``seconds``, or nobody waits for it any more (Ctrl-C, SIGTERM).

    Raises:
        OSError: it cannot be started. subprocess.TimeoutExpired: it took longer.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException:
            _end(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()
