"""nirdeploy doctor: whether all that is needed is here, and what mends what is not."""

from __future__ import annotations

import click

from nirdeploy.cli import completing, options, ui
from nirdeploy.cli.doctor_ import boards, ports, tools
from nirdeploy.cli.doctor_.finding import OK, Finding
from nirdeploy.errors import PortError


@click.command("doctor")
@click.option("--board", "named", multiple=True, metavar="NAME", help="All that this board needs; may be repeated.")
@click.option(
    "-t", "--target", "wanted", multiple=True, shell_complete=completing.targets,
    help="All that this target needs; may be repeated.",
)  # fmt: skip
@options.boards
@options.as_json
def command(named: tuple[str, ...], wanted: tuple[str, ...], as_json: bool) -> int:
    """Look for tools, packages, ports, permissions and boards; say of each problem the command that mends it.

    Without options all is looked at, and only what nothing works without must be there. What --board and --target ask
    for must be there: else the exit code is that of the error that would come (5: a tool, 6: a port, 3: a file).
    """
    with ui.doing("looking"):
        found = _asked(named, wanted) if named or wanted else _everything()
    found = list(dict.fromkeys(found))  # two boards may need one tool
    failed = [one for one in found if one.fails]
    if as_json:
        ui.result("doctor", {"ok": not failed, "findings": [one.as_dict() for one in found]})
    else:
        _show(found, failed)
    return failed[0].exit_code if failed else 0


def _everything() -> list[Finding]:
    tooled = [*tools.virtual_board(False), *tools.bitstreams(False), *tools.loaders(False), *tools.tests()]
    return [*tools.python(), *tooled, *ports.every(), *boards.every()]


def _asked(named: tuple[str, ...], wanted: tuple[str, ...]) -> list[Finding]:
    from nirdeploy.device.lab import choose, file
    from nirdeploy.targets import registry

    found = tools.python()
    for name in wanted:
        found += tools.of_target(registry.load(name))
    for name in named:
        board = choose.board(file.check_name(name))
        if board is None:
            raise PortError(f"there is no board {name!r}", hint="nirdeploy board list")
        found += boards.of(board, True)
    return found


def _show(found: list[Finding], failed: list[Finding]) -> None:
    from nirdeploy.proof.report import tables

    for area in dict.fromkeys(one.area for one in found):
        ui.show(tables.rows_table(area, [one.row() for one in found if one.area == area]))
    for one in found:
        if one.state != OK:
            weight = "needed" if one.fails else "not needed by everything"
            ui.say(f"{one.what}: {one.said} ({weight}). Remedy:\n    {one.remedy}")
    if failed:
        ui.say(f"{len(failed)} of what is needed {'is' if len(failed) == 1 else 'are'} not as it should be")
    else:
        ui.say("all that is needed is here")
