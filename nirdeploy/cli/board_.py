"""nirdeploy board: the boards there are, virtual ones in the background, and real ones' power."""

from __future__ import annotations

import contextlib

import click

from nirdeploy.cli import options, ready, ui
from nirdeploy.cli.groups import Group
from nirdeploy.errors import PortError, UsageProblem


@click.group(cls=Group, name="board")
def command() -> None:
    """Boards: those there are and who has them, virtual ones kept running, the power of real ones.

    Real boards get their names in boards.toml (docs/labs.md). A virtual board is the target's RTL behind a
    pseudo-terminal.
    """


@command.command("start")
@click.argument("name", default="board")
@options.target
@click.option("--baud", type=click.IntRange(min=1), help="The board's line rate, if not the target's.")
@options.boards
@options.as_json
def start(name: str, target: str | None, baud: int | None, as_json: bool) -> None:
    """Start a virtual board; prints the port to open. -p NAME opens it as well."""
    from nirdeploy.backends.fpga.simulated import board
    from nirdeploy.device.lab import file
    from nirdeploy.targets import registry as targets

    lab = file.load()
    if file.check_name(name) in lab.boards:
        raise UsageProblem(f"there is a board {name!r} already", where=str(lab.file), hint="choose another name")
    chosen = targets.load(target)
    ready.to_simulate(chosen)
    if not board.is_prepared(chosen):
        ui.note("compiling the virtual board (once per hardware, about half a minute) ...")
    with ui.doing("starting the board"):
        info = board.start_background(name, chosen, baud=baud)
    if as_json:
        ui.result("board start", info.shown())
    else:
        ui.say(f"board {info.name!r} ({info.target}, {info.baud} baud) listens on {info.port}")


@command.command("stop")
@click.argument("name", default="board")
@options.lab
@options.as_json
def stop(name: str, as_json: bool) -> None:
    """Stop a virtual board; not while another process has it."""
    from nirdeploy.backends.fpga.simulated import board
    from nirdeploy.device.lab import choose, file
    from nirdeploy.device.ports import ClaimedPort

    running = {one.name: one for one in board.running()}
    if name not in running and file.check_name(name) in (lab := file.load()).boards:
        raise PortError(
            f"board {name!r} is no virtual board that runs in the background",
            where=str(lab.file),
            hint=f"its power: nirdeploy board power {name} off",
        )
    with contextlib.ExitStack() as held:
        if (one := running.get(name)) is not None:
            say = None if as_json else ui.note
            held.callback(ClaimedPort(one.port, one.baud, f"board {name!r}", choose.wait(), say).close)
        info = board.stop(name)
    if as_json:
        ui.result("board stop", info.shown())
    else:
        ui.say(f"stopped board {info.name!r}")


@command.command("list")
@options.boards
@options.as_json
def list_(as_json: bool) -> None:
    """List the boards: real and virtual, free and busy, and who has them.

    Boards of boards.toml, virtual boards that run, and adapters of boards that have no name yet.
    """
    from nirdeploy.device.lab import file, listing
    from nirdeploy.proof.report import tables

    found, used = listing.listed(), file.find()
    if as_json:
        ui.result("board list", {"boards": [one.as_dict() for one in found], "file": str(used) if used else None})
        return
    if found:
        ui.show(tables.rows_table("boards", [one.row() for one in found]))
    else:
        ui.say("no board is running or plugged in")
    ui.say(f"names are from {used}" if used else f"no {file.FILE} names any: see docs/labs.md")


@command.command("power")
@click.argument("name")
@click.argument("to", type=click.Choice(["on", "off", "cycle"]))
@options.lab
@options.as_json
def power(name: str, to: str, as_json: bool) -> None:
    """Switch the power of the board NAME, by the command that boards.toml names; not while another process has it."""
    from nirdeploy.device.lab import choose, file, power

    board = choose.board(file.check_name(name))
    if board is None:  # a file of that name
        raise PortError(f"there is no board {name!r}", hint="nirdeploy board list")
    switch = next(one for one in power.SWITCHES if one == to)
    with choose.claimed(board, None if as_json else ui.note):
        said = power.switch(board, switch)
    if as_json:
        ui.result("board power", {"board": name, "power": to, "said": said})
        return
    for line in said:
        ui.note(line)
    ui.say(f"board {name!r}: power {'cycled' if to == 'cycle' else to}")
