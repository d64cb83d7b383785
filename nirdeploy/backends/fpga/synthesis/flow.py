"""The way to a bitstream: synthesis, placement and routing, packing; kept by the hash of all that goes in.

So is the netlist, for synthesis takes long: the same hardware with other pins, or at another speed, needs it once.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

from nirdeploy.backends.fpga import external
from nirdeploy.backends.fpga.schema import FpgaTarget
from nirdeploy.backends.fpga.synthesis import families, pll, report, tools
from nirdeploy.backends.fpga.synthesis.families import FAMILIES, SCRIPTED, Command, Family
from nirdeploy.backends.fpga.synthesis.report import Report, Resource
from nirdeploy.errors import CorruptFile, NirdeployError, ToolMissing, UsageProblem
from nirdeploy.records import cache, store
from nirdeploy.targets import emit
from nirdeploy.targets.emit import Artifacts
from nirdeploy.targets.tables import Synthesis, validated

Say = Callable[[str], None]

_BAUD_ERROR = 0.01  # of the rate: a receiver samples the last bit of a byte 9.5 bits after its start

_PHASES = {"Info: Packing": "packing cells", "Info: Running": "placing", "Info: Routing": "routing"}


#: Of each tool that ran, what it said.
LOGS = ("synthesis.log", "routing.log", "packing.log")


@dataclass(frozen=True)
class Bitstream:
    """A bitstream, the name of its file, the report of the run that made it, and its tools' logs by file name.

    ``cached``: made earlier.
    """

    data: bytes
    file: str
    report: Report
    logs: Mapping[str, bytes]
    cached: bool = False

    def save(self, folder: Path) -> Path:
        """Write all of it to ``folder``; the path of the bitstream."""
        files = {**self.logs, self.file: self.data, "report.json": self.report.as_json()}
        for name, data in files.items():
            store.write_atomic(folder / name, data)
        return folder / self.file


def design(target: FpgaTarget) -> Artifacts:
    """The design's Verilog, with what stands in cells of the family's own on this board."""
    chosen, artifacts = families.synthesis(target), Artifacts()
    for name, data in emit.emit(target).items():
        if name.startswith("rtl/"):
            module = PurePosixPath(name).stem
            own = f"board/_{module}_{chosen.family}.j2"
            artifacts.add(name, emit.render(target, own) if module in chosen.cells else data)
    return artifacts


def sources(target: FpgaTarget) -> Artifacts:
    """Everything that the tools read: the design's Verilog, the board's top module, pins and, if any, script.

    Raises :class:`TargetFileError` for a target without a board of this kind.
    """
    chosen = families.synthesis(target)
    board = target.serial_board
    ports = {port: chosen.pins[port] for port in ("clock", "rx", "tx", "lamp")}
    ports |= {f"high{i}": pin for i, pin in enumerate(chosen.high)}
    ports |= external.ports(target)
    variables = {"synthesis": chosen, "ports": ports, "divider": round(board.clock_hz / board.baud)}
    variables["memory_ports"] = external.pins(target)
    variables["goal_mhz"] = chosen.goal_mhz(board.clock_hz)
    artifacts = Artifacts()
    for name, data in design(target).items():
        artifacts.add(name, data)
    artifacts.add("board.v", emit.render(target, "board/_board.v.j2", **variables))
    pins = FAMILIES[chosen.family].constraints if chosen.family in FAMILIES else "board.xdc"
    artifacts.add(pins, emit.render(target, f"board/_pins_{chosen.family}.j2", **variables))
    if chosen.family in SCRIPTED:
        artifacts.add("board.tcl", emit.render(target, f"board/_script_{chosen.family}.j2", **variables))
    return artifacts


def variant(target: FpgaTarget, clock_hz: int | None = None, seed: int | None = None) -> FpgaTarget:
    """A target whose board runs at another clock, or is placed by another seed. The hardware's signature stays.

    Raises:
        UsageProblem: the board's PLL does not make that clock, or its UART not the board's baud rate of it.
    """
    data = target.model_dump(by_alias=True)
    if clock_hz is not None:
        chosen, baud = families.synthesis(target), target.serial_board.baud
        divider = round(clock_hz / baud)
        if divider < 4 or abs(clock_hz / divider / baud - 1) > _BAUD_ERROR:
            raise UsageProblem(
                f"a clock of {clock_hz / 1e6:g} MHz does not make the board's {baud:,} baud",
                where=f"target {target.name}",
                hint=f"name a multiple of {baud / 1e6:g} MHz, at least {4 * baud / 1e6:g}",
            )
        data["board"]["clock_hz"] = clock_hz
        data["synthesis"]["pll"] = pll.settings(chosen.family, chosen.oscillator_hz, clock_hz)
    if seed is not None:
        data["synthesis"]["seed"] = seed
    return validated(type(target), data, where=target.name)


def is_scripted(target: FpgaTarget) -> bool:
    """Whether a project for tools that are not open is all there is."""
    return families.synthesis(target).family in SCRIPTED


def bitstream(target: FpgaTarget, say: Say | None = None) -> Bitstream:
    """The bitstream of a target's board, made now or taken from the cache.

    Args:
        say: called with what is being done.

    Raises:
        DoesNotFit: a resource overflows (which, by how much), or timing is not met.
        ToolMissing: a tool is not installed, or failed, or nirdeploy does not run it.

    An error's hint says where the tools' logs are, if any tool ran.
    """
    chosen, family = families.synthesis(target), families.of_open_tools(target)
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
            try:
                data, made = _make(target, chosen, family, work, say or (lambda _: None))
                made.check_timing()
            except NirdeployError as error:
                if logs := _logs(work):
                    for log, said in logs.items():
                        store.write_atomic(folder / log, said)
                    error.hint = "; ".join(filter(None, (error.hint, f"the tools' logs are in {folder}")))
                raise
            made = replace(made, tools=versions, seconds=round(time.monotonic() - started, 1))
            done = Bitstream(data, family.bitstream, made, _logs(work))
        done.save(folder)
    return done


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
    (work / "routing.log").write_text(log, encoding="utf-8")
    used = report.resources(log, family.resources)
    report.check_room(used, target.name)
    if status:
        raise ToolMissing(f"nextpnr failed with status {status}: {tools.error(log)}", where=f"target {target.name}")
    say("packing the bitstream")
    status, log = tools.call(*family.pack(chosen), work)
    (work / "packing.log").write_text(log, encoding="utf-8")
    if status:
        raise ToolMissing(f"the bitstream's packer failed with status {status}: {tools.error(log)}")
    routed = (work / "report.json").read_text()
    made = Report(
        board=target.name,
        signature=target.signature.hex(),
        resources=used,
        fmax_mhz=round(report.slowest(routed), 2),
        clock_mhz=target.serial_board.clock_hz / 1e6,
        cells=report.netlist_cells((work / "cells.json").read_text()),
        path=report.critical_path(routed),
    )
    return (work / family.bitstream).read_bytes(), made


def _route(target: FpgaTarget, family: Family, more: tuple[str, ...]) -> Command:
    module, function, arguments = family.route(families.synthesis(target), target.serial_board.clock_hz)
    return module, function, [*arguments, *more]


def packed(target: FpgaTarget) -> tuple[Resource, ...]:
    """What a board's hardware takes of its chip, by synthesis and nextpnr's packing: not placed, nor need it fit."""
    family = families.of_open_tools(target)
    with tempfile.TemporaryDirectory(prefix="nirdeploy-") as name:
        sources(target).save(Path(name))
        synthesize(family, Path(name))
        _, log = tools.call(*_route(target, family, ("--pack-only",)), Path(name))
    if not (used := report.resources(log, family.resources)):
        raise ToolMissing(f"nextpnr did not pack: {tools.error(log)}", where=f"target {target.name}")
    return used


def synthesize(family: Family, folder: Path) -> None:
    """Every ``*.v`` under ``folder`` to ``netlist.json``, its cells counted in ``cells.json``, and ``synthesis.log``.

    Raises :class:`ToolMissing`; the log is there then as well.
    """
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.v"))}
    written = ("netlist.json", "cells.json")
    passes = [
        f"read_verilog {' '.join(files)}",
        *family.settings,
        f"{family.synthesize} -top board",
        *family.finish,
        f"write_json {written[0]}",
        f"tee -q -o {written[1]} stat -json",
    ]

    def make(made: Path) -> None:
        tools.yosys(passes, folder, folder / LOGS[0])
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (*written, LOGS[0]):
                archive.write(folder / name, name)

    text = json.dumps([files, passes, written, LOGS[0], tools.versions(("pyosys",))])
    kept = cache.folder() / "netlists" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.zip"
    with zipfile.ZipFile(cache.made(kept, make)) as archive:
        archive.extractall(folder)


def _key(target: FpgaTarget, files: Artifacts, versions: dict[str, str]) -> str:
    """The hardware's signature, then what else decides: sources, board, passes, versions of the tools.

    And what is kept: an entry of an earlier nirdeploy may lack a log or a line of the report.
    """
    chosen, family, board = families.synthesis(target), families.of_open_tools(target), target.serial_board
    passes = [*family.settings, family.synthesize, *family.finish]
    steps = [*passes, _route(target, family, family.written), family.pack(chosen)]
    made_of = chosen.model_dump(exclude={"loader", "loader_persistent", "loader_serial"})
    kept = [LOGS, [field.name for field in fields(Report)]]
    text = json.dumps([files.digest(), made_of, board.model_dump(), steps, versions, kept])
    return f"{target.signature.hex()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _kept(folder: Path, family: Family) -> Bitstream | None:
    try:
        data, text = (folder / family.bitstream).read_bytes(), (folder / "report.json").read_text()
    except FileNotFoundError:
        return None
    try:
        return Bitstream(data, family.bitstream, Report.from_dict(json.loads(text)), _logs(folder), cached=True)
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptFile(
            "the report of a bitstream in the cache is damaged", where=str(folder), hint="delete that folder"
        ) from error


def _logs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in LOGS if (folder / name).is_file()}
