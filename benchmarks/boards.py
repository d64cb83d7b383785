"""Every board's own hardware, synthesized, placed and routed: what it takes of its chip, and how fast it runs.

    python benchmarks/boards.py [--board fpga-icebreaker] [--hardware cores=4 --hardware external=0]

Takes minutes per board; a bitstream is made once per hardware and kept in nirdeploy's cache (NIRDEPLOY_CACHE). The bar
of the iCE40UP5K: at most 3,000 logic cells with 8 lanes, at 24 MHz or more; SYNtzulu takes 3,473 there (published).
Ends with status 1 if a board does not fit or is too slow.
"""

from __future__ import annotations

import argparse
from functools import partial

from rich.console import Console
from rich.table import Table

from nirdeploy.backends.fpga.synthesis import flow
from nirdeploy.backends.fpga.synthesis.report import Report
from nirdeploy.errors import DoesNotFit
from nirdeploy.targets import registry as targets
from nirdeploy.targets.tables import Target


def boards() -> list[str]:
    """Targets that a bitstream can be made for with open tools."""
    found = [targets.load(name) for name in targets.names()]
    return [target.name for target in found if target.synthesis is not None and not flow.is_scripted(target)]


def row(target: Target, report: Report) -> list[str]:
    hardware = target.hardware
    used = "\n".join(f"{r.used:,} of {r.available:,} {r.name}s ({r.used / r.available:.0%})" for r in report.resources)
    lanes = f"{hardware.cores} x {hardware.lanes}{', compact' if hardware.compact else ''}"
    clock = f"{report.fmax_mhz:.1f}", f"{report.clock_mhz:g}"
    return [target.name, lanes, f"{target.formats.weight_bits}/{target.formats.state_bits}", used, *clock]


def said(console: Console, name: str, what: str) -> None:
    console.print(f"{name}: {what}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", action="append", choices=boards(), help="by default all")
    parser.add_argument("--hardware", action="append", default=[], metavar="KEY=NUMBER", help="instead of the file's")
    options = parser.parse_args()
    changed = {key: int(number) for key, _, number in (entry.partition("=") for entry in options.hardware)}
    stderr = Console(stderr=True)
    table = Table(title="boards' own hardware", show_lines=True)
    for column in ("target", "cores x lanes", "bits of weights/membranes", "used", "MHz", "of its clock's"):
        table.add_column(column)
    failed = []
    for name in options.board or boards():
        target = targets.load(name).with_hardware(**changed)
        try:
            made = flow.bitstream(target, partial(said, stderr, name))
        except DoesNotFit as error:
            failed.append(f"{name}: {error}")
        else:
            table.add_row(*row(target, made.report))
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    for line in failed:
        console.print(line, soft_wrap=True)
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
