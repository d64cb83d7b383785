"""``nirdeploy flash``."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal


@click.command()
@click.argument("build", type=click.Path(path_type=Path))
@options.port
@options.target
@options.baud
@click.option("--force", is_flag=True, help="Write everything, even what the device holds already.")
@options.reporting
def command(build: Path, port: str, target: str, baud: int | None, force: bool, ui: Terminal) -> None:
    """Write a built network to a device.

    BUILD is a build folder or an image file. What the device holds already is not sent again; a
    flash that was interrupted is completed by the next one.
    """
    from nirdeploy.cli import files
    from nirdeploy.cli.connect import connect
    from nirdeploy.flash import flash

    image = files.image(build)
    with connect(ui, port, target, baud) as device, ui.progress("flashing") as progress:
        report = flash(image, device, progress, force=force)
    ui.result(
        "flash",
        {"port": port, **report.as_dict()},
        f"image {report.image[:16]} was there already"
        if report.already_there
        else f"flashed image {report.image[:16]}: {report.bytes_sent:,} bytes sent, {report.bytes_skipped:,} there "
        f"already, {report.retransmitted} frames sent again, {report.seconds:.2f} s",
    )
