"""What doctor finds, and the commands that mend it."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OK, MISSING, PROBLEM = "ok", "missing", "problem"
TOOL, PORT, FILE = 5, 6, 3  # exit codes, as of the errors that would come

_SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``remedy``: the command to type, or what to do. ``needed``: it was asked for, or
    nothing works without it; where it is not ok, ``exit_code`` is doctor's."""

    area: str
    what: str
    state: str
    said: str
    remedy: str = ""
    needed: bool = False
    exit_code: int = TOOL

    @property
    def fails(self) -> bool:
        return self.needed and self.state != OK

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def row(self) -> dict[str, object]:
        return {"what": self.what, "state": self.state, "found": self.said}


def package(name: str, area: str, why: str, needed: bool) -> Finding:
    """A distribution of Python's. ``why``: what it is for."""
    try:
        return Finding(area, name, OK, importlib.metadata.version(name), needed=needed)
    except importlib.metadata.PackageNotFoundError:
        return Finding(area, name, MISSING, f"not installed; it is {why}", _pip(name), needed)


def program(name: str, area: str, why: str, needed: bool, version: str, packages: Mapping[str, str]) -> Finding:
    """A program on the search path. ``version``: its option that tells; ``packages``: as :func:`install` takes them."""
    found = shutil.which(name)
    if found is None:
        return Finding(area, name, MISSING, f"not found on PATH; it is {why}", install(packages), needed)
    return Finding(area, name, OK, f"{version_of(found, version)} ({found})", needed=needed)


def version_of(path: str, option: str) -> str:
    """The first line that a program prints of its version."""
    try:
        done = subprocess.run(
            [path, option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "its version is not told"
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0] if lines and not done.returncode else "its version is not told"


def install(packages: Mapping[str, str]) -> str:
    """The command that installs a program here. ``packages``: what it is called by each manager; "" by others."""
    managers = (
        ("apt-get", f"{sudo()}apt-get install "),
        ("dnf", f"{sudo()}dnf install "),
        ("pacman", f"{sudo()}pacman -S "),
        ("brew", "brew install "),
    )
    for manager, line in managers:
        if manager in packages and shutil.which(manager):
            return line + packages[manager]
    return packages.get("", "install it, and put its folder on PATH")


def sudo() -> str:
    """What stands before a command that only the administrator may give."""
    return "sudo " if hasattr(os, "geteuid") and os.geteuid() != 0 else ""


def _pip(name: str) -> str:
    """With the version that nirdeploy asks for."""
    try:
        every = importlib.metadata.requires("nirdeploy") or []
    except importlib.metadata.PackageNotFoundError:
        every = []
    said = [entry.partition(";")[0].strip() for entry in every]
    wanted = next((one for one in said if _bare(one) == name.lower()), name)
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(wanted)}"


def _bare(requirement: str) -> str:
    for at, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:at].lower()
    return requirement.lower()
