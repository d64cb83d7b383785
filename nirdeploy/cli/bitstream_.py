"""nirdeploy bitstream: a board's hardware as a bitstream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nirdeploy.cli import options, ui

if TYPE_CHECKING:
    from nirdeploy.targets.tables import Target


@click.command("bitstream")
@click.option(
    "-b", "--board", "-t", "--target", "board", required=True, shell_complete=options.complete_targets,
    help="Name of a target with a board, or path of a .toml file.",
)  # fmt: skip
@options.out(text="Folder to write to; by default bitstreams/BOARD.")
@options.as_json
def command(board: str, out: Path | None, as_json: bool) -> None:
    """Synthesize, place and route a board's hardware; once per hardware, as the result is kept.

    Where the tools are not open, a project for them is written instead.
    """
    from nirdeploy.backends.fpga.synthesis import flow
    from nirdeploy.proof.report import tables
    from nirdeploy.records import store
    from nirdeploy.targets import registry as targets

    target = targets.load(board)
    folder = out or Path("bitstreams") / target.name
    if flow.is_scripted(target):
        _project(target, folder, as_json)
        return
    with ui.stages(as_json) as say:
        made = flow.bitstream(target, say)
    found = made.report
    store.write_atomic(folder / made.file, made.data)
    store.write_atomic(folder / "report.json", found.as_json())
    path = folder / made.file
    if as_json:
        ui.result("bitstream", {"bitstream": str(path), "cached": made.cached, **found.as_dict()})
        return
    ui.show(tables.rows_table(f"{target.title}: {found.fmax_mhz:.1f} MHz, clock {found.clock_mhz:g} MHz", found.rows()))
    ui.say(f"wrote {path}{' (from the cache)' if made.cached else f' in {found.seconds:.0f} s'}")


def _project(target: Target, folder: Path, as_json: bool) -> None:
    from nirdeploy.backends.fpga.synthesis import flow

    files = flow.sources(target)
    files.save(folder)
    if as_json:
        ui.result("bitstream", {"project": str(folder), "script": str(folder / "board.tcl"), "files": list(files)})
    else:
        ui.say(f"wrote a project to {folder}; make the bitstream there: vivado -mode batch -source board.tcl")
