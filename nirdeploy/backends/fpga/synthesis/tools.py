"""Running the tools: each in a process of its own, as an error there ends the process."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from nirdeploy import processes
from nirdeploy.errors import ToolMissing

Line = Callable[[str], None]

_HINT = "pip install nirdeploy[bitstream]"
#: A tool ends with who started it, however that ended: then its standard input ends too.
_WATCH = (
    "import os, sys, threading; threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start(); "
)
_CALL = (
    f"{_WATCH}import importlib, json; module, function, arguments = json.loads(sys.argv[1]); "
    "sys.argv = [function, *arguments]; called = getattr(importlib.import_module(module), function); "
    "sys.exit(called(arguments) if function.startswith('run_') else called())"
)
_PASSES = (
    f"{_WATCH}import json; from pyosys import libyosys; design = libyosys.Design(); "
    "[libyosys.run_pass(command, design) for command in json.loads(sys.argv[1])]"
)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The installed version of each. Raises :class:`ToolMissing` naming all that are not there."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if missing := [package for package in packages if package not in found]:
        raise ToolMissing(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed", hint=_HINT)
    return found


def yosys(passes: Sequence[str], folder: Path, kept: Path | None = None) -> str:
    """Run Yosys passes in ``folder``; returns its log, and writes it to ``kept``.

    Raises :class:`ToolMissing` if one fails.
    """
    status, log = _run(processes.command("-c", _PASSES, json.dumps(list(passes))), folder, None)
    if kept is not None:
        kept.write_text(log, encoding="utf-8")
    if status:
        raise ToolMissing(f"Yosys failed with status {status}: {error(log)}")
    return log


def call(
    module: str, function: str, arguments: Sequence[str], folder: Path, said: Line | None = None
) -> tuple[int, str]:
    """Run a tool that is a function of a package, in ``folder``; returns its status and its log."""
    return _run(processes.command("-c", _CALL, json.dumps([module, function, list(arguments)])), folder, said)


def share(package: str) -> Path:
    """The folder of data files of ``package``. Raises :class:`ToolMissing`."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ToolMissing(f"{package} is not installed", hint=_HINT)
    return Path(spec.origin).parent / "share"


def error(log: str) -> str:
    """What a tool says that is wrong: its lines of error, else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    wrong = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return " / ".join(wrong[:2] or lines[-1:])


def _run(command: Sequence[str], folder: Path, said: Line | None) -> tuple[int, str]:
    with subprocess.Popen(
        command,
        cwd=folder,
        env=processes.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        log = []
        try:
            for line in process.stdout or ():
                log.append(line)
                if said is not None:
                    said(line.rstrip())
        except BaseException:  # Ctrl-C and SIGTERM among them: nobody waits for it any more
            process.kill()
            raise
    return process.returncode, "".join(log)
