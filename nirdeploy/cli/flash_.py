"""nirdeploy flash: a build's image into a device, or a bitstream into a board."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options, ui
from nirdeploy.errors import UsageProblem


@click.command("flash")
@click.argument("build", type=click.Path(path_type=Path), required=False)
@options.target_again
@options.port
@click.option("--force", is_flag=True, help="Write every section, even if the device holds it already.")
@click.option("--bitstream", type=click.Path(path_type=Path), help="Load this bitstream into the --board instead.")
@click.option("--board", shell_complete=options.complete_targets, help="The board; alone: load its own bitstream.")
@options.as_json
def command(
    build: Path | None,
    target: str | None,
    port: str | None,
    baud: int | None,
    force: bool,
    bitstream: Path | None,
    board: str | None,
    as_json: bool,
) -> None:
    """Flash BUILD (a build folder) over the serial port; the device checks what it read back.

    With --board, load the board's hardware instead, by the loader that the board's target names.
    """
    from nirdeploy import flash, pipeline

    if (build is None) == (board is None):
        raise UsageProblem("name either a build folder or a --board (and, if you like, its --bitstream)")
    if board is not None and target is not None:
        raise UsageProblem("--target goes with a build folder", hint="a --board is a target itself")
    if board is not None:
        _hardware(board, bitstream, as_json)
        return
    assert build is not None
    built = pipeline.Build.load(build, target)
    image = built.image
    line = options.connect(port or "virtual", built.target, baud, as_json)
    with line as device, ui.progress("flashing", as_json) as bar:
        done = flash(image, device, bar, force=force)
    rate = done.line_fraction(built.target.serial_board.clock_hz, baud or built.target.serial_board.baud)
    if as_json:
        ui.result("flash", {**done.as_dict(), "link_efficiency": rate})
    elif done.already_there:
        ui.say(f"the device holds image {done.image[:16]} already, nothing to send")
    else:
        ui.say(
            f"flashed image {done.image[:16]}: {done.bytes_sent:,} bytes sent, {done.bytes_skipped:,} were there, "
            f"{done.seconds:.2f} s, {100 * rate:.1f} % of the line rate"
        )


def _hardware(board: str, file: Path | None, as_json: bool) -> None:
    from nirdeploy.backends.fpga.synthesis import flow, loader
    from nirdeploy.records import store
    from nirdeploy.targets import registry as targets

    target = targets.load(board)
    if file is None:
        with ui.stages(as_json) as say:
            made = flow.bitstream(target, say)
        file = Path("bitstreams") / target.name / made.file
        store.write_atomic(file, made.data)
    elif not file.is_file():
        raise UsageProblem("there is no such bitstream", where=str(file))
    loader.load(target, file)
    if as_json:
        ui.result("flash", {"board": target.name, "bitstream": str(file)})
    else:
        ui.say(f"loaded {file} into {target.serial_board.name}")
