"""``nirdeploy targets``."""

from __future__ import annotations

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal


@click.command()
@options.reporting
def command(ui: Terminal) -> None:
    """List the targets."""
    from nirdeploy import target
    from nirdeploy.report.tables import rows_table

    found = [target.load(name) for name in target.names()]
    data = [{**t.model_dump(mode="json", by_alias=True), "signature": t.signature.hex()} for t in found]
    rows = [
        {
            "target": t.name,
            "title": t.title,
            "cores": t.hardware.cores,
            "lanes": t.hardware.lanes,
            "neurons": t.hardware.cores * t.hardware.neurons,
            "weight_bits": t.formats.weight_bits,
            "models": ", ".join(t.models),
            "board": t.board.name,
            "baud": t.board.baud,
        }
        for t in found
    ]
    ui.result("targets", {"targets": data}, rows_table("targets", rows))
