"""nirdeploy flash: a build's image into a device, or a bitstream into a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nirdeploy.cli import completing, devices, options, ready, ui
from nirdeploy.errors import UsageProblem, meant_file

if TYPE_CHECKING:
    from nirdeploy.device.lab.file import NamedBoard
    from nirdeploy.targets.tables import Target


@click.command("flash")
@click.argument("build", type=click.Path(path_type=Path), required=False)
@options.target_again
@options.port
@click.option("--force", is_flag=True, help="Write every section, even if the device holds it already.")
@click.option("--bitstream", type=click.Path(path_type=Path), help="Load this bitstream into the --board instead.")
@click.option(
    "--board", shell_complete=completing.targets,
    help="The board, by its target or by its name in boards.toml; alone: load its own bitstream.",
)  # fmt: skip
@click.option("--persistent", is_flag=True, help="Write the bitstream into the --board's flash: it outlives power.")
@options.as_json
def command(
    build: Path | None,
    target: str | None,
    port: str | None,
    baud: int | None,
    force: bool,
    bitstream: Path | None,
    board: str | None,
    persistent: bool,
    as_json: bool,
) -> None:
    """Flash BUILD (a build folder) over the serial port; the device checks what it read back.

    With --board, load the board's hardware instead, by the loader that the board's target names; of several boards the
    one that boards.toml calls so, or that --port auto:SERIAL names.
    """
    if (build is None) == (board is None):
        raise UsageProblem(
            "name either a build folder or a --board (and, if you like, its --bitstream)",
            hint="nirdeploy flash BUILD -p PORT, or nirdeploy flash --board NAME",
        )
    if board is not None:
        _refuse("goes with a build folder, not with a --board", {"--target": target, "--baud": baud, "--force": force})
        _hardware(board, bitstream, port, persistent, as_json)
    elif build is not None:
        _refuse("goes with a --board, not with a build folder", {"--bitstream": bitstream, "--persistent": persistent})
        _network(build, target, port, baud, force, as_json)


def _refuse(why: str, given: dict[str, object]) -> None:
    """Options that do not apply: silently ignored, they would be believed to have had their effect."""
    for option, value in given.items():
        if value is not None and value is not False:
            raise UsageProblem(f"{option} {why}", hint="leave it out")


def _network(build: Path, target: str | None, port: str | None, baud: int | None, force: bool, as_json: bool) -> None:
    from nirdeploy import flash, pipeline

    built = pipeline.Build.load(build, target)
    if port is None:
        ui.note("no --port is named: this flashes a virtual board, which ends with this command")
    ready.to_open(port or "virtual", built.target)
    line = devices.connect(port or "virtual", built.target, baud, as_json)
    with line as device, ui.doing("flashing") as bar:
        done = flash(built.image, device, bar, force=force)
    rate = done.line_fraction(built.target.serial_board.clock_hz, baud or built.target.serial_board.baud)
    if as_json:
        ui.result("flash", {**done.as_dict(), "port": port or "virtual", "link_efficiency": rate})
    elif done.already_there:
        ui.say(f"the device holds image {done.image[:16]} already, nothing to send")
    else:
        ui.say(
            f"flashed image {done.image[:16]}: {done.bytes_sent:,} bytes sent, {done.bytes_skipped:,} were there, "
            f"{done.seconds:.2f} s, {100 * rate:.1f} % of the line rate"
        )


def _hardware(board: str, file: Path | None, port: str | None, persistent: bool, as_json: bool) -> None:
    from nirdeploy.backends.fpga.synthesis import families, flow, loader
    from nirdeploy.device.lab import choose
    from nirdeploy.targets import registry as targets

    named = _named(board, port)
    target = targets.load(board) if named is None or named.name != board else named.target()
    if named is not None:
        choose.agree(named, target)
        choose.device_of(named)  # whether it is there at all
    serial = _adapter(port if named is None else named.port, named, target)
    file = file or (named.bitstream if named is not None else None)
    if file is not None and not file.is_file():
        raise UsageProblem("there is no such bitstream", where=str(file), hint=meant_file(file))
    loader.command(target, file or Path(), persistent=persistent, serial=serial)  # refused before synthesis, not after
    if file is None:
        families.of_open_tools(target)
        ready.to_make_and_load(target)
        with ui.doing("making the bitstream") as work:
            made = flow.bitstream(target, work.on)
        file = made.save(Path("bitstreams") / target.name)
    if named is None:
        loader.load(target, file, persistent=persistent, serial=serial)
    else:
        if not as_json:
            ui.note(named.said)
        with choose.claimed(named, None if as_json else ui.note):
            loader.load(target, file, persistent=persistent, serial=serial)
    name, where = target.serial_board.name, " (its flash)" if persistent else ""
    if as_json:
        own = {} if named is None else {"name": named.name}
        ui.result("flash", {"board": target.name, **own, "bitstream": str(file), "persistent": persistent})
    else:
        ui.say(f"loaded {file} into {name}{where}")


def _named(board: str, port: str | None) -> NamedBoard | None:
    """The board of boards.toml that --board, or else --port, names; None where neither is such a name."""
    from nirdeploy.device.lab import choose, file

    lab = file.load()
    if board not in lab.boards:
        return None if port is None else choose.board(port)
    if port is not None:
        raise UsageProblem(f"the board {board!r} has its port in {lab.file}", hint="leave --port out")
    return lab.boards[board]


def _adapter(port: str | None, named: NamedBoard | None, target: Target) -> str | None:
    """The serial number of the adapter by which a loader finds the board; None where there is but one."""
    from nirdeploy.device import ports
    from nirdeploy.device.lab import choose

    if port is None or (named is not None and (port == ports.AUTO or _is_alone(target))):
        return None
    serial = ports.serial_of(port)
    if serial is None and named is not None:
        serial = ports.serial_at(choose.device_of(named))
    if serial is None:
        raise UsageProblem(
            f"{'--port' if named is None else f'board {named.name!r}: port'} {port} does not say which board to load",
            hint="a loader finds boards by their adapter: auto:SERIAL, or none where there is one board",
        )
    return serial


def _is_alone(target: Target) -> bool:
    """Whether a loader that cannot choose has nothing to choose from."""
    from nirdeploy.device import ports

    board, chosen = target.serial_board, target.synthesis
    no_choice = chosen is not None and chosen.loader_serial is None
    return no_choice and len(ports.matching(board.usb, board.interface)) == 1
