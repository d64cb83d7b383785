"""``nirdeploy build``."""

from __future__ import annotations

from pathlib import Path

import click

from nirdeploy.cli import options
from nirdeploy.cli.ui import Terminal

_STAGES = click.Choice(["check", "quantize", "place", "emit", "image"])


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="[MODEL.nir]", required=False)
@options.target
@options.out("build", "the build folder")
@options.dialect
@options.dt
@click.option("--from", "start", type=_STAGES, default="check", help="Resume at this stage from what --out holds.")
@click.option("--to", "stop", type=_STAGES, default="image", help="Stop after this stage.")
@options.reporting
def command(
    model: Path | None,
    target: str,
    out: Path,
    dialect: str | None,
    dt: float | None,
    start: str,
    stop: str,
    ui: Terminal,
) -> None:
    """Build a device image from a .nir file.

    The stages are check, quantize, place, emit and image; each leaves its product in the build folder.
    """
    from nirdeploy import pipeline
    from nirdeploy.report.tables import rows_table

    with ui.busy("building"):
        built = pipeline.build(model, target, out, dialect=dialect, dt=dt, start=start, stop=stop)
    data: dict[str, object] = {"out": str(out), "stages": [start, stop], "target": built.target.name}
    data |= {"digests": built.manifest()["digests"]}
    text: list[object] = []
    reached = pipeline.STAGES.index(stop)
    if reached >= pipeline.STAGES.index("quantize"):
        report = [dict(row) for row in built.network.report]
        data["populations"] = report
        text.append(rows_table("quantization", report))
    if reached >= pipeline.STAGES.index("place"):
        hardware = built.target.hardware
        cores = [
            {
                "core": use.core,
                "neurons": use.neurons,
                "weight_rows": use.weight_rows,
                "jobs": use.jobs,
                "cycles_per_step": use.cycles,
            }
            for use in built.placement.cores
        ]
        data["cores"] = cores
        title = f"cores (each has {hardware.neurons} neurons, {hardware.weight_rows} weight rows, {hardware.jobs} jobs)"
        text.append(rows_table(title, cores))
    text.append(f"built {out} to stage {stop!r} for target {built.target.name}")
    if stop == "image":
        image = built.image
        data |= {"image": image.digest(), "image_bytes": image.total_bytes, "signature": image.signature}
        text.append(f"image {image.digest()[:16]}, {image.total_bytes:,} bytes")
    ui.result("build", data, *text)
