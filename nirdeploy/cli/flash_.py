"""nirdeploy flash: a build's image into a device."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options, ui


@click.command("flash")
@click.argument("build", type=click.Path(path_type=Path))
@options.port
@click.option("--force", is_flag=True, help="Write every section, even if the device holds it already.")
@options.as_json
def command(build: Path, port: str | None, baud: int | None, force: bool, as_json: bool) -> None:
    """Flash BUILD (a build folder) over the serial port; the device checks what it read back."""
    from nirdeploy import flash, pipeline

    built = pipeline.Build.load(build)
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
