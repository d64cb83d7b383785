"""``nirdeploy board``."""

from __future__ import annotations

from dataclasses import asdict

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal


@click.group()
def command() -> None:
    """Keep virtual boards running.

    A virtual board is the target's hardware, simulated gate for gate behind a serial port of its own.
    """


@command.command()
@click.argument("name", default="board")
@options.target
@options.baud
@options.reporting
def start(name: str, target: str, baud: int | None, ui: Terminal) -> None:
    """Start a board in the background and print its port."""
    from nirdeploy import board
    from nirdeploy.cli.connect import prepare

    prepare(ui, target)
    info = board.start_background(name, target, baud=baud)
    ui.result("board start", {"board": asdict(info)}, info.port)


@command.command()
@click.argument("name", default="board")
@options.reporting
def stop(name: str, ui: Terminal) -> None:
    """Stop a board."""
    from nirdeploy import board

    info = board.stop(name)
    ui.result("board stop", {"board": asdict(info)}, f"stopped board {name!r} on {info.port}")


@command.command("list")
@options.reporting
def list_(ui: Terminal) -> None:
    """List the boards that run."""
    from nirdeploy import board
    from nirdeploy.report.tables import rows_table

    boards = [asdict(info) for info in board.running()]
    text = rows_table("boards", boards) if boards else "no board runs; 'nirdeploy board start' starts one"
    ui.result("board list", {"boards": boards}, text)
