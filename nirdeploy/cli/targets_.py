"""nirdeploy targets: the chips and boards there are."""

from __future__ import annotations

import click

from nirdeploy.cli import options, ui


@click.command("targets")
@options.as_json
def command(as_json: bool) -> None:
    """List the targets."""
    from nirdeploy.proof.report import tables
    from nirdeploy.targets import registry as target

    rows = []
    for name in target.names():
        found = target.load(name)
        rows.append(
            {
                "name": name,
                "title": found.title,
                "board": found.board.name if found.board else "",
                "models": ", ".join(found.models),
                "signature": found.signature.hex(),
            }
        )
    if as_json:
        ui.result("targets", {"targets": rows})
    else:
        ui.show(tables.rows_table("targets", rows))
