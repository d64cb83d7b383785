"""nirdeploy board: virtual boards in the background."""

from __future__ import annotations

import click

from nirdeploy.cli import options, ui


@click.group("board")
def command() -> None:
    """Virtual boards: the target's RTL behind a pseudo-terminal, kept running."""


@command.command("start")
@click.argument("name", default="board")
@options.target
@click.option("--baud", type=click.IntRange(min=1), help="The board's line rate, if not the target's.")
@options.as_json
def start(name: str, target: str | None, baud: int | None, as_json: bool) -> None:
    """Start a board; prints the port to open."""
    from nirdeploy.backends.fpga.simulated import board
    from nirdeploy.targets import registry as targets

    chosen = targets.load(target)
    if not board.is_prepared(chosen):
        ui.note("compiling the virtual board (once per hardware, about half a minute) ...")
    with ui.spinner("starting", as_json):
        info = board.start_background(name, chosen, baud=baud)
    if as_json:
        ui.result("board start", info.shown())
    else:
        ui.say(f"board {info.name!r} ({info.target}, {info.baud} baud) listens on {info.port}")


@command.command("stop")
@click.argument("name", default="board")
@options.as_json
def stop(name: str, as_json: bool) -> None:
    """Stop a board."""
    from nirdeploy.backends.fpga.simulated import board

    info = board.stop(name)
    if as_json:
        ui.result("board stop", info.shown())
    else:
        ui.say(f"stopped board {info.name!r}")


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """List the boards that run."""
    from nirdeploy.backends.fpga.simulated import board
    from nirdeploy.proof.report import tables

    boards = [info.shown() for info in board.running()]
    if as_json:
        ui.result("board list", {"boards": boards})
    elif boards:
        ui.show(tables.rows_table("boards", boards))
    else:
        ui.say("no board is running")
