"""The way to a bitstream: synthesis, placement and routing, packing; kept by the hash of all that goes in.

So is the netlist, for synthesis takes long: the same hardware with other pins, or at another speed, needs it once.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.synthesis import families, report, tools
from nirdeploy.backends.fpga.synthesis.families import FAMILIES, SCRIPTED, Command, Family
from nirdeploy.backends.fpga.synthesis.report import Report, Resource
from nirdeploy.errors import CorruptFile, ToolMissing
from nirdeploy.records import cache, store
from nirdeploy.targets import emit
from nirdeploy.targets.emit import Artifacts
from nirdeploy.targets.tables import Synthesis

Say = Callable[[str], None]

_PHASES = {"Info: Packing": "packing cells", "Info: Running": "placing", "Info: Routing": "routing"}


@dataclass(frozen=True)
class Bitstream:
    """A bitstream, the name of its file, and the report of the run that made it. ``cached``: made earlier."""

    data: bytes
    file: str
    report: Report
    cached: bool = False


def sources(target: FpgaTarget) -> Artifacts:
    """Everything that the tools read: the design's Verilog, the board's top module, pins and, if any, script.

    Raises :class:`TargetFileError` for a target without a board of this kind.
    """
    chosen = families.synthesis(target)
    board = target.serial_board
    ports = {port: chosen.pins[port] for port in ("clock", "rx", "tx", "lamp")}
    ports |= {f"high{i}": pin for i, pin in enumerate(chosen.high)}
    variables = {"synthesis": chosen, "ports": ports, "divider": round(board.clock_hz / board.baud)}
    artifacts = Artifacts()
    for name, data in emit.emit(target).items():
        if name.startswith("rtl/"):
            artifacts.add(name, data)
    artifacts.add("board.v", emit.render(target, "board/_board.v.j2", **variables))
    pins = FAMILIES[chosen.family].constraints if chosen.family in FAMILIES else "board.xdc"
    artifacts.add(pins, emit.render(target, f"board/_pins_{chosen.family}.j2", **variables))
    if chosen.family in SCRIPTED:
        artifacts.add("board.tcl", emit.render(target, f"board/_script_{chosen.family}.j2", **variables))
    return artifacts


def is_scripted(target: FpgaTarget) -> bool:
    """Whether a project for tools that are not open is all there is."""
    return families.synthesis(target).family in SCRIPTED


def bitstream(target: FpgaTarget, say: Say | None = None) -> Bitstream:
    """The bitstream of a target's board, made now or taken from the cache.

    Args:
        say: called with what is being done.

    Raises:
        DoesNotFit: a resource overflows (which, by how much), or timing is not met.
        ToolMissing: a tool is not installed, or failed.
    """
    chosen = families.synthesis(target)
    family = FAMILIES[chosen.family]
    versions = tools.versions(family.packages)
    files = sources(target)
    folder = cache.folder() / "bitstreams" / _key(target, files, versions)
    if (kept := _kept(folder, family)) is not None:
        return kept
    with cache.alone(folder):
        if (kept := _kept(folder, family)) is not None:  # made while this process waited
            return kept
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="nirdeploy-") as name:
            work = Path(name)
            files.save(work)
            data, made = _make(target, chosen, family, work, say or (lambda _: None))
        made = replace(made, tools=versions, seconds=round(time.monotonic() - started, 1))
        made.check_timing()
        store.write_atomic(folder / family.bitstream, data)
        store.write_atomic(folder / "report.json", made.as_json())
    return Bitstream(data, family.bitstream, made)


def _make(target: FpgaTarget, chosen: Synthesis, family: Family, work: Path, say: Say) -> tuple[bytes, Report]:
    say("Yosys: synthesis")
    synthesize(family, work)

    doing = ""

    def phase(line: str) -> None:
        nonlocal doing
        for start, what in _PHASES.items():
            if line.startswith(start) and what != doing:
                doing = what
                say(f"nextpnr: {what}")
        if line.startswith("Preparing to run"):
            say("compiling nextpnr for this machine (once)")

    status, log = tools.call(*_route(target, family, family.written), work, phase)
    used = report.resources(log, family.resources)
    report.check_room(used, target.name)
    if status:
        raise ToolMissing(f"nextpnr failed with status {status}: {tools.error(log)}", where=f"target {target.name}")
    say("packing the bitstream")
    status, log = tools.call(*family.pack(chosen), work)
    if status:
        raise ToolMissing(f"the bitstream's packer failed with status {status}: {tools.error(log)}")
    made = Report(
        board=target.name,
        signature=target.signature.hex(),
        resources=used,
        fmax_mhz=round(report.slowest((work / "report.json").read_text()), 2),
        clock_mhz=target.serial_board.clock_hz / 1e6,
        cells=report.netlist_cells((work / "cells.json").read_text()),
    )
    return (work / family.bitstream).read_bytes(), made


def _route(target: FpgaTarget, family: Family, more: tuple[str, ...]) -> Command:
    module, function, arguments = family.route(families.synthesis(target), target.serial_board.clock_hz)
    return module, function, [*arguments, *more]


def packed(target: FpgaTarget) -> tuple[Resource, ...]:
    """What a board's hardware takes of its chip, by synthesis and nextpnr's packing: not placed, nor need it fit."""
    family = FAMILIES[families.synthesis(target).family]
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as name:
        sources(target).save(Path(name))
        synthesize(family, Path(name))
        _, log = tools.call(*_route(target, family, ("--pack-only",)), Path(name))
    if not (used := report.resources(log, family.resources)):
        raise ToolMissing(f"nextpnr did not pack: {tools.error(log)}", where=f"target {target.name}")
    return used


def synthesize(family: Family, folder: Path) -> None:
    """Every ``*.v`` under ``folder`` to ``netlist.json``, its cells counted in ``cells.json``."""
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.v"))}
    written = ("netlist.json", "cells.json")
    passes = [
        f"read_verilog {' '.join(files)}",
        *family.settings,
        f"{family.synthesize} -top board -json {written[0]}",
        f"tee -q -o {written[1]} stat -json",
    ]

    def make(made: Path) -> None:
        tools.yosys(passes, folder)
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in written:
                archive.write(folder / name, name)

    text = json.dumps([files, passes, tools.versions(("pyosys",))])
    kept = cache.folder() / "netlists" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.zip"
    with zipfile.ZipFile(cache.made(kept, make)) as archive:
        for name in written:
            archive.extract(name, folder)


def _key(target: FpgaTarget, files: Artifacts, versions: dict[str, str]) -> str:
    """The hardware's signature, then what else decides: sources, board, passes, versions of the tools."""
    chosen = families.synthesis(target)
    family = FAMILIES[chosen.family]
    board = target.serial_board
    steps = [*family.settings, family.synthesize, _route(target, family, family.written), family.pack(chosen)]
    text = json.dumps([files.digest(), chosen.model_dump(), board.model_dump(), steps, versions])
    return f"{target.signature.hex()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _kept(folder: Path, family: Family) -> Bitstream | None:
    try:
        data, text = (folder / family.bitstream).read_bytes(), (folder / "report.json").read_text()
    except FileNotFoundError:
        return None
    try:
        return Bitstream(data, family.bitstream, Report.from_dict(json.loads(text)), cached=True)
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptFile(
            "the report of a bitstream in the cache is damaged", where=str(folder), hint="delete that folder"
        ) from error
