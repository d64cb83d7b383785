"""nirdeploy bitstream: a board's hardware as a bitstream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nirdeploy.cli import completing, options, ready, ui
from nirdeploy.errors import UsageProblem

if TYPE_CHECKING:
    from nirdeploy.targets.tables import Target


@click.command("bitstream")
@click.option(
    "-b", "--board", "-t", "--target", "board", required=True, shell_complete=completing.targets,
    help="Name of a target with a board, or path of a .toml file.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Of placement, if not the target's: another may be faster.")
@click.option("--clock", type=click.FloatRange(min=0, min_open=True), help="MHz of the design, if not the target's.")
@options.out(text="Folder to write to; by default bitstreams/BOARD.", folder=True)
@options.as_json
def command(board: str, seed: int | None, clock: float | None, out: Path | None, as_json: bool) -> None:
    """Synthesize, place and route a board's hardware; once per hardware, as the result is kept.

    Beside the bitstream stand a report and the tools' logs. Where the tools are not open, a project for them is written
    instead.
    """
    from nirdeploy.backends.fpga.synthesis import flow
    from nirdeploy.proof.report import tables
    from nirdeploy.targets import registry as targets

    target = targets.load(board)
    folder = out or Path("bitstreams") / target.name
    if seed is not None and flow.is_scripted(target):
        raise UsageProblem(
            "--seed is nextpnr's, and a project for other tools is written here",
            where=f"target {target.name}",
            hint="leave --seed out",
        )
    target = flow.variant(target, None if clock is None else round(clock * 1e6), seed)
    if flow.is_scripted(target):
        _project(target, folder, as_json)
        return
    ready.to_make(target)
    with ui.doing("making the bitstream") as work:
        made = flow.bitstream(target, work.on)
    found = made.report
    path = made.save(folder)
    if as_json:
        ui.result("bitstream", {"bitstream": str(path), "cached": made.cached, **found.as_dict()})
        return
    ui.show(tables.rows_table(f"{target.title}: {found.fmax_mhz:.1f} MHz, clock {found.clock_mhz:g} MHz", found.rows()))
    if found.path:
        ui.show(tables.rows_table(found.path_said(), found.path_rows()))
    ui.say(f"wrote {path}{' (from the cache)' if made.cached else f' in {found.seconds:.0f} s'}")


def _project(target: Target, folder: Path, as_json: bool) -> None:
    from nirdeploy.backends.fpga.synthesis import flow

    files = flow.sources(target)
    files.save(folder)
    if as_json:
        ui.result("bitstream", {"project": str(folder), "script": str(folder / "board.tcl"), "files": list(files)})
    else:
        ui.say(f"wrote a project to {folder}; make the bitstream there: vivado -mode batch -source board.tcl")
